"""Where `labctl scp` is meant to differ from scp; docs/copying.md has the reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.differential.cases import Case
from tests.differential.programs import Outcome
from tests.differential.trees import File, Folder, Link, Pipe

Explains = Callable[[Case, Outcome, Outcome], bool]


@dataclass(frozen=True)
class Difference:
    """A difference that is meant.

    Parameters:
        row: how the table in the documentation calls it.
        explains: whether it is why these outcomes, scp's and labctl's, differ.
        example: a copy that shows it.
    """

    row: str
    explains: Explains
    example: Case


def _up(*sources: str, of: Folder, target: str = "dst", before: Folder | None = None) -> Case:
    source = Folder((("labs", of),))
    return Case(False, source, before or Folder(), sources, target, follow=True)


def _down(*sources: str, of: Folder, target: str = "dst", before: Folder | None = None) -> Case:
    source = Folder((("labs", of),))
    return Case(True, source, before or Folder(), sources, target, follow=True)


def _all_or_nothing(case: Case, scp: Outcome, labctl: Outcome) -> bool:
    before = case.before_snapshot
    return (
        scp.failed
        and labctl.failed
        and "Skipped" not in labctl.words
        and before.keys() <= labctl.left.keys()
        and all(
            what in (before.get(path, ())[: len(what)], scp.left.get(path))
            for path, what in labctl.left.items()
        )
    )


def _pipes(case: Case, scp: Outcome, labctl: Outcome) -> bool:
    return (
        "not a regular file" in scp.words
        and "neither a file nor a folder" in labctl.words
        and labctl.failed
        and scp.left == labctl.left
    )


def _new_with_slash(case: Case, scp: Outcome, labctl: Outcome) -> bool:
    return case.target.endswith("/") and "realpath" in scp.words and scp.failed


def _new_for_several(case: Case, scp: Outcome, labctl: Outcome) -> bool:
    return (
        "No such file or directory" in labctl.words
        and labctl.failed
        and labctl.left.keys() == case.before_snapshot.keys()
    )


def _link_to_folder(case: Case, scp: Outcome, labctl: Outcome) -> bool:
    if "not a regular file" not in scp.words:
        return False
    links = {path.split("/")[-1] for path, node in case.source.walk() if isinstance(node, Link)}
    more = labctl.left.keys() - scp.left.keys()
    return all(labctl.left.get(path) == what for path, what in scp.left.items()) and all(
        links & set(path.split("/")) for path in more
    )


def _folder_over_file(case: Case, scp: Outcome, labctl: Outcome) -> bool:
    return "Not a directory" in labctl.words and labctl.failed and not scp.failed


def _kept_link(case: Case, scp: Outcome, labctl: Outcome) -> bool:
    """Whether all is alike but links; what is kept of them test_transfer.py shows."""
    links = {path.split("/")[-1] for path, node in case.source.walk() if isinstance(node, Link)}

    def others(outcome: Outcome) -> dict[str, tuple[object, ...]]:
        left = outcome.without_times().left
        return {path: what for path, what in left.items() if not links & set(path.split("/"))}

    return bool(links) and not case.follow and others(scp) == others(labctl)


def _loop(case: Case, scp: Outcome, labctl: Outcome) -> bool:
    return (
        "links to a folder that contains it" in labctl.words
        and labctl.left.keys() == case.before_snapshot.keys()
    )


def _mode_of_existing(case: Case, scp: Outcome, labctl: Outcome) -> bool:
    def without(outcome: Outcome) -> dict[str, tuple[object, ...]]:
        left = outcome.left
        return {p: (w[0], *w[2:]) if w[0] == "folder" else w for p, w in left.items()}

    return scp.failed == labctl.failed and without(scp) == without(labctl)


def _links(target: str, *, down: bool, follow: bool) -> Case:
    inner = Folder((("a", File(b"a")), ("l", Link(target))))
    return Case(down, Folder((("labs", inner),)), Folder(), ("labs",), "dst", follow)


DIFFERENCES = (
    Difference("a link that stays in the folder", _kept_link, _links("a", down=True, follow=False)),
    Difference("a link that leads nowhere", _kept_link, _links("no", down=True, follow=False)),
    Difference(
        "a link out of the folder, from a node",
        _kept_link,
        _links("/etc/passwd", down=True, follow=False),
    ),
    Difference(
        "one file of a folder cannot be stored",
        _all_or_nothing,
        _up(
            "labs",
            of=Folder((("a", File(b"a")), ("b", File(b"b")))),
            before=Folder((("labs", Folder((("a", Folder()),))),)),
        ),
    ),
    Difference("a pipe, a socket or a device", _pipes, _up("labs", of=Folder((("p", Pipe()),)))),
    Difference(
        "`node:new/`, which is not there",
        _new_with_slash,
        _up("labs", of=Folder(), target="dst/new/"),
    ),
    Difference(
        "several files to a folder that is not there",
        _new_for_several,
        _up("labs/a", "labs/b", of=Folder((("a", Folder()), ("b", Folder()))), target="dst/new"),
    ),
    Difference(
        "a link to a folder, with `-L`",
        _link_to_folder,
        _down("labs", of=Folder((("a", Folder((("x", File(b"x")),))), ("l", Link("a"))))),
    ),
    Difference(
        "a link to a folder around it, with `-L`", _loop, _links(".", down=True, follow=True)
    ),
    Difference(
        "a folder that exists",
        _mode_of_existing,
        _up("labs", of=Folder(mode=0o700), before=Folder((("labs", Folder()),))),
    ),
    Difference(
        "an empty folder over a file",
        _folder_over_file,
        _down("labs", of=Folder(), target="dst/labs", before=Folder((("labs", File(b"x")),))),
    ),
)

NOT_COMPARED = [
    "a link below the target",
    "`lab.yaml`, `playbooks` and the like, from a node",
    "a file over an existing one",
    "a source that does not exist",
    "a wildcard in a folder's name",
    "`{a,b}`",
    "`[^a]`",
    "`.*`",
    "a local source with a wildcard",
]
"""Rows of the table that the comparison leaves out."""
