"""Somebody exchanges labctl's folders, or the destination's, while a node's files arrive here.

As `test_swap_race` does for the script on a node, this tries every moment between two calls of the
system. The attacker acts inside the test's own process, which is quick.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import TransferError
from labctl.remote.transfer.entry import STAGE, Entry, Kind, Root
from labctl.remote.transfer.local_sink import FolderSink
from tests.attacks.sources import Sent, folder, link, tree

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no open folders")

CALLS = (
    *("chmod", "fchmod", "ftruncate", "fstat", "listdir", "mkdir", "open", "rename", "replace"),
    *("rmdir", "stat", "symlink", "unlink", "utime"),
)
FILES = ("key", "two", "sub/key", "0/key", "0/sub/key", "labs/key", "labs/sub/key")


def stage(dst: Path) -> Path:
    return next(dst.glob(f"{STAGE}*"))


def link_for_stage(dst: Path, secret: Path) -> None:
    found = stage(dst)
    name = found.name
    found.rename(dst.parent / "away")
    (dst / name).symlink_to(secret)


def folder_for_stage(dst: Path, secret: Path) -> None:
    found = stage(dst)
    name = found.name
    found.rename(dst.parent / "away")
    (dst / name).mkdir()
    (dst / name / "0").symlink_to(secret)


def link_for(*names: str, to: str = "") -> Callable[[Path, Path], None]:
    def act(dst: Path, secret: Path) -> None:
        stage(dst)  # before there is one, the user's own path may lead through links
        path = dst.joinpath(*names)
        path.rename(dst.parent / "away")
        path.symlink_to(secret / to)

    return act


ACTS: dict[str, Callable[[Path, Path], None]] = {
    "link for the temporary folder": link_for_stage,
    "folder for the temporary folder": folder_for_stage,
    "link for a folder": link_for("labs"),
    "link for a folder below": link_for("labs", "sub"),
    "link to a folder of the same name": link_for("labs", "sub", to="sub"),
    "link for a file": link_for("labs", "key", to="key"),
    "link for a file with two names": link_for("labs", "two", to="key"),
    "link for the destination": link_for(),
}


def entries() -> list[Entry]:
    again = Entry(0, ("again",), Kind.FILE, 0o600, 5, same_as=(0, ("key",)))
    made = tree("key", "two", "sub/key", "new/file", "secret/deep/file")
    return [*made, again, link(0, "sub", "l", to="key"), folder(0, "closed", mode=0o500)]


def snapshot(top: Path) -> dict[str, tuple[int, float, bytes]]:
    return {
        str(path.relative_to(top)): (
            path.lstat().st_mode,
            path.lstat().st_mtime,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted((top, *top.rglob("*")))
    }


@pytest.fixture
def top() -> Iterator[Path]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


def fresh(top: Path) -> tuple[Path, Path]:
    for path in top.iterdir():
        shutil.rmtree(path)
    for home, text in (("secret", "secret"), ("home/dst/labs", "old")):
        for name in FILES:
            path = top / home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (top / "home/dst/labs/three").hardlink_to(top / "home/dst/labs/two")
    return top / "home/dst", top / "secret"


class Attacked:
    """Counts the calls of the system, and acts before the one of a number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.at = 0
        self.act: Callable[[], None] = lambda: None
        self.inside = False
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name)))
        # What `os` can do is known by the functions themselves.
        for name in ("supports_dir_fd", "supports_fd", "supports_follow_symlinks"):
            real = {one.__name__ for one in getattr(os, name)}
            wrapped = {getattr(os, one) for one in real if hasattr(os, one)}
            monkeypatch.setattr(os, name, getattr(os, name) | wrapped)

    def _wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if not self.inside:
                self.count += 1
                if self.count == self.at:
                    self.inside = True
                    with contextlib.suppress(OSError, StopIteration):
                        self.act()
                    self.inside = False
            return real(*args, **options)

        call.__name__ = real.__name__
        return call


@pytest.mark.parametrize("in_place", [False, True])
def test_nothing_outside_is_written(
    top: Path, monkeypatch: pytest.MonkeyPatch, examples: int, in_place: bool
) -> None:
    def take(dst: Path) -> None:
        sink = FolderSink(str(dst), in_place=in_place)
        sink.take(Sent([Root("labs", Kind.FOLDER)], entries()), lambda size: None, into=False)

    attacked = Attacked(monkeypatch)
    dst, secret = fresh(top)
    attacked.count = 0
    take(dst)
    steps = attacked.count
    assert steps > 50
    assert (dst / "labs/three").read_text() == "theirs"
    ways = [(act, at) for act in ACTS for at in range(1, steps + 1)]
    for name, at in random.Random(1).sample(ways, min(len(ways), examples // 3)):
        attacked.at = 0
        dst, secret = fresh(top)
        before = snapshot(secret)
        attacked.count, attacked.at = 0, at
        attacked.act = lambda act=ACTS[name], dst=dst, secret=secret: act(dst, secret)  # type: ignore[misc]
        with contextlib.suppress(TransferError):
            take(dst)
        attacked.at = 0
        assert snapshot(secret) == before, (name, at)
