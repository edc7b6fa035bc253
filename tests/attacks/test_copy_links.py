"""Below the target of a copy no link is followed, whoever put it there.

A hostile node sends trees in each of which every link stays inside. Merged one after another they
would build a way out: the first brings a link, the second writes another link through it, and the
third writes through that one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.errors import TransferError
from labctl.lab.actions.copy import Copied, CopyOptions, copy
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.parallel import Result
from labctl.remote.transfer.entry import Entry, Kind, Root
from labctl.remote.transfer.local_sink import FolderSink
from tests.attacks.sources import Sent, file, folder, link

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need a right on Windows")


class Quiet:
    """A meter that nobody reads."""

    wants_sizes = False

    def expect(self, node: str, size: int) -> None:
        pass

    def moved(self, node: str, size: int) -> None:
        pass


Scp = Callable[..., Result[Copied]]


@pytest.fixture
def scp(lab_folder: Path) -> Scp:
    """Copy with one node as `labctl scp` does, and return its result."""

    def run(*places: str | Path) -> Result[Copied]:
        lab = Lab.open(Workspace.find(str(lab_folder)), {}, emit=lambda event: None)
        (result,) = copy(lab, [str(place) for place in places], CopyOptions(), Quiet())
        return result

    return run


WAY_OUT: tuple[tuple[Entry, ...], ...] = (
    (folder(0), folder(0, "a"), link(0, "a", "b", to="..")),
    (
        *(folder(0), folder(0, "a"), folder(0, "a", "b"), folder(0, "a", "b", "c")),
        link(0, "a", "b", "c", "l", to="../../../outside"),
    ),
    (folder(0), folder(0, "c"), folder(0, "c", "l"), file(0, "c", "l", "key", data=b"theirs")),
)
"""The three trees of the attack, all of a root `x`."""


def with_root(entry: Entry, index: int) -> Entry:
    return Entry(
        index, entry.path, entry.kind, entry.mode, 1, entry.size, entry.link, content=entry.content
    )


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What the attack aims at: beside the target."""
    (tmp_path / "home" / "target").mkdir(parents=True)
    path = tmp_path / "home" / "outside"
    path.mkdir()
    (path / "key").write_text("mine")
    return path


def untouched(outside: Path) -> bool:
    return [entry.name for entry in outside.iterdir()] == ["key"] and (
        outside / "key"
    ).read_text() == "mine"


def test_three_copies_build_no_way_out(outside: Path) -> None:
    target = outside.parent / "target"
    first, second, third = (Sent([Root("x", Kind.FOLDER)], entries) for entries in WAY_OUT)
    sink = FolderSink(str(target))
    sink.take(first, lambda _: None, into=True)
    with pytest.raises(TransferError, match="does not follow links below the destination"):
        sink.take(second, lambda _: None, into=True)
    sink.take(third, lambda _: None, into=True)
    assert untouched(outside)
    assert not (target / "x" / "c" / "l").is_symlink()


def test_three_roots_of_one_name_cannot_lead_outside(outside: Path) -> None:
    target = outside.parent / "target"
    roots = [Root("x", Kind.FOLDER)] * 3
    entries = [with_root(entry, index) for index, tree in enumerate(WAY_OUT) for entry in tree]
    with pytest.raises(TransferError, match="does not follow links below the destination"):
        FolderSink(str(target)).take(Sent(roots, entries), lambda _: None, into=True)
    assert untouched(outside)


def trees(at: Path) -> list[Path]:
    """Make the attack's three trees below `at`, and return the folders that hold them."""
    made = []
    for number, entries in enumerate(WAY_OUT):
        top = at / f"tree{number}"
        for entry in entries:
            place = top.joinpath("x", *entry.path)
            if entry.kind is Kind.FOLDER:
                place.mkdir(parents=True)
            elif entry.kind is Kind.LINK:
                place.symlink_to(entry.link)
            else:
                place.write_bytes(b"".join(map(bytes, entry.content())))
        made.append(top)
    return made


@pytest.mark.parametrize("way", ["from a node", "between nodes"])
def test_nor_do_three_copies_from_a_node(scp: Scp, outside: Path, tmp_path: Path, way: str) -> None:
    target = outside.parent / "target"
    place = target if way == "from a node" else f"docker-node2:{target}"
    results = [scp(f"docker-node1:{top}/x", place) for top in trees(tmp_path / "node")]
    assert [result.ok for result in results] == [True, False, True]
    assert "does not follow links below the destination" in str(results[1].error) + (
        results[1].error.details if results[1].error else ""
    )
    assert untouched(outside)


@pytest.mark.parametrize("place", ["{}", "docker-node2:{}"])
def test_a_link_of_the_users_own_is_not_followed_either(
    scp: Scp, outside: Path, tmp_path: Path, place: str
) -> None:
    target = outside.parent / "target"
    (target / "x").mkdir()
    (target / "x" / "c").symlink_to(outside)
    top = trees(tmp_path / "node")[2]
    result = scp(f"docker-node1:{top}/x", place.format(target))
    assert not result.ok
    assert untouched(outside)
    assert (target / "x" / "c").is_symlink()


@pytest.mark.parametrize("place", ["{}", "docker-node2:{}"])
def test_a_file_replaces_a_link_and_not_what_it_leads_to(
    scp: Scp, outside: Path, tmp_path: Path, place: str
) -> None:
    target = outside.parent / "target"
    (target / "f").symlink_to(outside / "key")
    (tmp_path / "f").write_text("new")
    assert scp(f"docker-node1:{tmp_path}/f", place.format(f"{target}")).ok
    assert untouched(outside)
    assert not (target / "f").is_symlink()
    assert (target / "f").read_text() == "new"


def test_a_node_names_each_thing_once(
    scp: Scp, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pattern means entries of one folder, so no name can come twice."""
    from labctl.remote.transfer import scripts

    answer = "printf '%s\\0' folder /tmp x x '' folder /var x x ''"
    monkeypatch.setattr(scripts, "LIST", answer)
    result = scp(f"docker-node1:{outside}/*", outside.parent / "target")
    assert not result.ok
    assert "does not match" in str(result.error)
