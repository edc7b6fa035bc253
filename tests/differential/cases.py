"""Copies, as values and as hypothesis invents them."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.differential import trees
from tests.differential.trees import File, Folder, Link, Node, Pipe, Snapshot


@dataclass(frozen=True)
class Case:
    """A copy.

    Parameters:
        down: from the node; else to it.
        source: what is in the folder `src`.
        before: what is in the folder `dst`.
        sources: paths or patterns below `src`.
        target: a path that begins with `dst`.
        follow: whether labctl follows links, as scp always does.
    """

    down: bool
    source: Folder
    before: Folder
    sources: tuple[str, ...]
    target: str
    follow: bool = True

    @property
    def before_snapshot(self) -> Snapshot:
        """What is in `dst` before."""
        return dict(trees.described(self.before))


def at(folder: Folder, path: str) -> Node | None:
    """Return what is at a path in a folder."""
    node: Node | None = folder
    for name in path.split("/"):
        if name not in ("", "."):
            node = dict(node.entries).get(name) if isinstance(node, Folder) else None
    return node


def _named(source: Folder, path: str, node: Node) -> bool:
    """Return whether a copy may name something: a file, a folder, or a link to either."""
    if isinstance(node, Link):
        leads = posixpath.normpath(posixpath.join(posixpath.dirname(path), node.target))
        return isinstance(at(source, leads), File | Folder)
    return not isinstance(node, Pipe)


def literal(path: str) -> str:
    """Return a pattern that means a path and nothing else."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


@st.composite
def cases(draw: st.DrawFn, node: st.SearchStrategy[Node]) -> Case:
    """Invent a copy of such nodes."""
    inner = draw(trees.folders(node))
    source = Folder((("labs", inner), *draw(trees.entries(trees.files, 2))))
    down = draw(st.booleans())
    # scp waits for ever for a pipe that is named, and stops at a link that leads nowhere.
    paths = [path for path, node in source.walk() if _named(source, path, node)]
    path = st.sampled_from([literal(path) for path in paths] if down else paths)
    forms = [
        path,
        path.map(lambda path: f"{path}/"),
        st.sampled_from(
            (
                "labs",
                "labs/",
                "labs/.",
                "labs//",
                "./labs",
                "labs/../labs",
                "none",
                "labs/none",
                ".",
            )
        ),
    ]
    if down:
        forms.append(
            st.sampled_from(
                ("labs/*", "*", "*/", "labs/*/", "labs/?", "labs/[ab]", "l*/a*", "none*")
            )
        )
    sources = draw(st.lists(st.one_of(forms), min_size=1, max_size=2))
    before = Folder(draw(trees.entries(trees.plain, 2)))
    existing = [f"dst/{path}" for path, _ in before.walk()]
    target = draw(
        st.sampled_from(
            ("dst", "dst/", "dst", "dst/new", "dst/new/", "dst/no/new", "dst/.", "dst/a", *existing)
        )
    )
    return Case(down, source, before, tuple(sources), target)


_TOKENS = (
    "*",
    "?",
    "[ab]",
    "[!a]",
    "[a-b]",
    "[[:alpha:]]",
    "a",
    "b",
    "1",
    "ü",
    " ",
    "\\\\",
    "-",
    "x",
)


def patterns() -> st.SearchStrategy[Case]:
    """Invent copies from the node by a pattern of names."""
    tokens = st.one_of(st.sampled_from(_TOKENS), st.sampled_from(trees.CHARACTERS).map(literal))
    pattern = st.lists(tokens, min_size=1, max_size=4).map("".join)
    ends = st.sampled_from(("", "", "/"))
    node = st.one_of(st.just(File(b"x")), st.just(Folder((("y", File(b"y")),))))
    return st.builds(
        lambda inner, one, end: Case(
            down=True,
            source=Folder((("labs", Folder(inner)),)),
            before=Folder(),
            sources=(f"labs/{one}{end}",),
            target="dst",
        ),
        trees.entries(node, 8),
        pattern.filter(lambda text: re.search(r"[*?[]", re.sub(r"\\\\.", "", text))),
        ends,
    )
