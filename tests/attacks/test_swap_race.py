"""A user exchanges labctl's folders, or his own, while root copies into his folder.

The script that receives a copy runs here as root, with the login user's sudo. Programs that it
starts are replaced by one that first lets the user act, at a chosen step, and then runs the real
one. So every moment between two programs is tried, and not only those that a race happens to hit.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl.remote.transfer import scripts
from labctl.remote.transfer.entry import STAGE, Entry
from labctl.remote.transfer.tar_writer import END, TarWriter
from tests.attacks.sources import file, folder, tree

USER = 65534
LOGIN = 12345
"""Whose sudo it is, and who owns the copy."""
PROGRAMS = (
    *("cat", "chmod", "chown", "date", "env", "id", "mktemp", "mv", "readlink", "rm", "rmdir"),
    *("sort", "stat", "tar", "touch", "tr", "wc"),
)
SHIM = """#!/bin/sh
n=$(($(/bin/cat {count}) + 1)); echo $n >{count}
[ $n -ne {at} ] || (
  cd {theirs} && setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '{act}' >/dev/null 2>&1
)
PATH={path} exec "${{0##*/}}" "$@"
"""

ACTS = {
    "link for the temporary folder": (
        f"for s in dst/{STAGE}*; do mv $s dst/away && ln -s {{secret}} $s; done"
    ),
    "folder for the temporary folder": (
        f"for s in dst/{STAGE}*; do mv $s dst/away && mkdir $s && ln -s {{secret}} $s/0; done"
    ),
    "link for a folder of the destination": (
        "mv dst/labs dst/away && ln -s {secret} dst/labs"
    ),
    "link for a folder below": (
        "mv dst/labs/sub dst/away && ln -s {secret} dst/labs/sub"
    ),
    "link to a folder of the same name": (
        "mv dst/labs/sub dst/away && ln -s {secret}/sub dst/labs/sub"
    ),
    "link for a file": "rm -f dst/labs/key && ln -s {secret}/key dst/labs/key",
    "link for a file with two names": (
        "rm -f dst/labs/two && ln -s {secret}/key dst/labs/two"
    ),
    "link for the destination": "mv dst away && ln -s {secret} dst",
    "another folder for the destination": "mv dst away && cp -r away dst",
}  # fmt: skip


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Path]:
    """The user's folder, with a destination in it. Only he may write there."""
    top = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp") / f"swap-{os.getpid()}"
    home = top / "theirs"
    (home / "dst").mkdir(parents=True)
    secret = top / "secret"
    for name in ("key", "two", "sub/key", "0/key", "0/sub/key", "labs/key"):
        (secret / name).parent.mkdir(exist_ok=True, parents=True)
        (secret / name).write_text("secret")
        (secret / name).chmod(0o600)
    yield home
    shutil.rmtree(top)


def snapshot(top: Path) -> dict[str, tuple[int, int, int, bytes]]:
    return {
        str(path.relative_to(top)): (
            path.lstat().st_uid,
            path.lstat().st_gid,
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted((top, *top.rglob("*")))
    }


def fresh(home: Path) -> None:
    """Make the destination as it is before a copy."""
    for path in home.iterdir():
        path.unlink() if path.is_symlink() else shutil.rmtree(path)
    labs = home / "dst" / "labs"
    (labs / "sub").mkdir(parents=True)
    (labs / "key").write_text("old")
    (labs / "sub" / "key").write_text("old")
    (labs / "two").write_text("old")
    (labs / "three").hardlink_to(labs / "two")
    for path in (home, *home.rglob("*")):
        os.chown(path, USER, USER)


def stream(entries: list[Entry]) -> bytes:
    sent = bytearray()
    writer = TarWriter(sent.extend, lambda size: None)
    for entry in entries:
        writer.add(entry)
    writer.close()
    return bytes(sent)


SENT = stream(
    [*tree("key", "two", "sub/key", "new/file"), folder(0, "deep"), file(0, "z", data=b"z")]
)


def receive(home: Path, shell: str, path: str, write: str) -> subprocess.CompletedProcess[bytes]:
    arguments = [f"{home}/dst", "", "", "", write, STAGE, END, "folder", "labs", ""]
    return subprocess.run(
        [shell, "-c", scripts.RECEIVE, "sh", *arguments],
        input=SENT,
        capture_output=True,
        env={"PATH": path, "SUDO_UID": str(LOGIN), "SUDO_GID": str(LOGIN)},
        timeout=60,
        check=False,
    )


def shells() -> list[str]:
    return [shell for shell in ("dash", "bash") if shutil.which(shell)]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root writes")
@pytest.mark.needs("setpriv")
def test_nothing_but_the_users_own_is_written(theirs: Path, tmp_path: Path, examples: int) -> None:
    secret = theirs.parent / "secret"
    before = snapshot(secret)
    shims, count = tmp_path / "bin", tmp_path / "count"
    shims.mkdir()
    real = os.environ["PATH"]
    fresh(theirs)
    good = receive(theirs, shells()[0], real, "")
    assert good.stdout.splitlines()[-1:] == [b"done 9"], good
    assert (theirs / "dst/labs/three").read_text() == "theirs"  # another name of `two`
    shim = shims / "shim"
    for program in PROGRAMS:
        (shims / program).symlink_to(shim)

    def run(shell: str, write: str, act: str, at: int) -> subprocess.CompletedProcess[bytes]:
        fresh(theirs)
        count.write_text("0")
        shim.write_text(SHIM.format(count=count, at=at, theirs=theirs, path=real, act=act))
        shim.chmod(0o755)
        return receive(theirs, shell, f"{shims}:{real}", write)

    run(shells()[0], "in-place", ":", 0)
    steps = int(count.read_text())
    assert steps > 20
    ways = [
        (shell, write, act, at)
        for shell in shells()
        for write in ("", "in-place")
        for act in ACTS
        for at in range(1, steps + 1)
    ]
    chosen = random.Random(1).sample(ways, min(len(ways), examples // 10))
    for shell, write, act, at in chosen:
        result = run(shell, write, ACTS[act].format(secret=secret), at)
        assert snapshot(secret) == before, (shell, write, act, at, result)
        last = result.stdout.splitlines()[-1:]
        assert (result.returncode == 0) == (last == [b"done 9"]), (shell, write, act, at, result)
        for left in theirs.rglob(f"{STAGE}*"):
            assert left.is_symlink() or not any(
                path.lstat().st_uid == 0 and stat.S_ISREG(path.lstat().st_mode)
                for path in left.rglob("*")
            ), (shell, write, act, at, result)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root writes")
@pytest.mark.parametrize("shell", shells())
def test_root_follows_no_link_of_another_user_out_of_his_files(
    theirs: Path, tmp_path: Path, shell: str
) -> None:
    secret = theirs.parent / "secret"
    before = snapshot(secret)
    for name, target in (("dst", secret), ("dst/labs", secret / "labs")):
        fresh(theirs)
        shutil.rmtree(theirs / name)
        (theirs / name).symlink_to(target)
        os.chown(theirs / name, USER, USER, follow_symlinks=False)
        result = receive(theirs, shell, os.environ["PATH"], "")
        assert result.returncode == 1, name
        assert b"link" in result.stderr
        assert snapshot(secret) == before
    # To his own files his link may lead, and a link of root's anywhere.
    fresh(theirs)
    (theirs / "dst").rename(theirs / "real")
    (theirs / "dst").symlink_to("real")
    os.chown(theirs / "dst", USER, USER, follow_symlinks=False)
    assert receive(theirs, shell, os.environ["PATH"], "").returncode == 0
    assert (theirs / "real/labs/key").read_text() == "theirs"
