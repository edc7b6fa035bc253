"""The scripts of the playbook disk, in a real sh, on a disk that is made up.

The commands findmnt, lsblk, stat, growpart and the like are small scripts of the test, first on
PATH; the sizes of sysfs are files of the test.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.config.packaged import packaged
from labctl.playbook import Command
from labctl.provision.loader import load
from tests.unit.fakes import CENTOS, lab_spec, planner

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="for Linux nodes")

GIB = 1 << 21  # in sectors
PROGRAMS = {
    "findmnt": 'case "$*" in *FSTYPE*) cat type;; *) cat source;; esac',
    "lsblk": 'case "$*" in *" -d "*) cat kind;; *) printf "sda1 part\\nsda disk\\n";; esac',
    "stat": 'echo "$(cat fs) * 512"',
    "growpart": 'echo "growpart $*" >>log; echo "$(($(cat sys/sda/size) - 2048))" >sys/sda1/size',
    "xfs_growfs": 'echo "xfs_growfs $*" >>log; cat sys/sda1/size >fs',
    "resize2fs": 'echo "resize2fs $*" >>log; cat sys/sda1/size >fs',
    "pvs": 'case "$*" in *dev_size*) cat sys/sda1/size;; *) cat pv;; esac | sed "s/.*/  &.00/"',
    "lvs": 'echo " centos"',
    "vgs": 'case "$*" in *count*) echo 0;; *) echo " $(($(cat pv) - $(cat fs)))";; esac',
    "pvresize": 'echo "pvresize $*" >>log; cat sys/sda1/size >pv',
    "lvextend": 'echo "lvextend $*" >>log; cat pv >fs',
}


class Disk:
    """A node's disk: its sizes in GiB, and the commands that see and change it."""

    def __init__(self, folder: Path, disk: int, part: int, fs: int, pv: int = 0) -> None:
        self.folder = folder
        for name, size in (("sda", disk), ("sda1", part)):
            (folder / "sys" / name).mkdir(parents=True)
            (folder / "sys" / name / "size").write_text(f"{size * GIB}\n")
        (folder / "sys/sda1/start").write_text("2048\n")
        (folder / "sys/sda1/partition").write_text("1\n")
        files = {"source": "/dev/sda1", "type": "xfs", "kind": "part", "fs": fs * GIB}
        for name, content in {**files, "pv": pv * GIB, "log": ""}.items():
            (folder / name).write_text(f"{content}\n" if content != "" else "")
        (folder / "bin").mkdir()
        for name, script in PROGRAMS.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / "bin" / name).chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", script.replace("/sys/class/block", "sys")],
            cwd=self.folder,
            env={"PATH": f"{self.folder / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


def command() -> Command:
    (book,) = load(["disk"], [packaged("playbooks")])
    *_, found = book.play(planner(lab_spec(disk=80))(CENTOS, {}))
    assert isinstance(found, Command)
    return found


def test_a_disk_that_is_full_size_needs_nothing(tmp_path: Path) -> None:
    done = Disk(tmp_path, 80, 80, 79).run(command().check)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("type", "log"),
    [
        ("xfs", "growpart /dev/sda 1\nxfs_growfs /\n"),
        ("ext4", "growpart /dev/sda 1\nresize2fs /dev/sda1\n"),
    ],
)
def test_a_larger_disk_is_used(tmp_path: Path, type: str, log: str) -> None:
    disk = Disk(tmp_path, 80, 40, 39)
    (tmp_path / "type").write_text(type)
    seen = disk.run(command().check)
    assert seen.returncode != 0
    assert "39 GiB of the disk are unused" in seen.stdout or "40 GiB" in seen.stdout
    assert disk.run(command().apply).returncode == 0
    assert disk.log == log
    assert disk.run(command().check).returncode == 0


def test_a_run_that_ended_after_the_partition_is_taken_up(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 80, 80, 39)
    assert "smaller than its partition" in disk.run(command().check).stdout
    assert disk.run(command().apply).returncode == 0
    assert disk.log == "xfs_growfs /\n"


@pytest.mark.parametrize(("part", "pv", "fs"), [(40, 40, 40), (80, 40, 40), (80, 80, 40)])
def test_lvm(tmp_path: Path, part: int, pv: int, fs: int) -> None:
    disk = Disk(tmp_path, 80, part, fs, pv)
    (tmp_path / "kind").write_text("lvm")
    (tmp_path / "source").write_text("/dev/mapper/centos-root")
    assert disk.run(command().check).returncode != 0
    done = disk.run(command().apply)
    assert done.returncode == 0, done.stderr
    assert disk.log.endswith(
        "pvresize /dev/sda1\nlvextend -r -l +100%FREE /dev/mapper/centos-root\n"
    )
    assert disk.run(command().check).returncode == 0


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda f: (f / "bin/growpart").unlink(), "no growpart: install cloud-utils-growpart"),
        (
            lambda f: (f / "bin/growpart").write_text("#!/bin/sh\nexit 1\n"),
            "another one may follow",
        ),
        (lambda f: (f / "type").write_text("btrfs"), "of type btrfs"),
    ],
)
def test_what_cannot_grow_is_said(tmp_path: Path, break_it: object, words: str) -> None:
    disk = Disk(tmp_path, 80, 40, 39)
    assert callable(break_it)
    break_it(tmp_path)
    done = disk.run(command().apply)
    assert done.returncode != 0
    assert words in done.stderr


def test_a_root_without_a_partition_is_said(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 80, 40, 39)
    (tmp_path / "bin/lsblk").write_text("#!/bin/sh\n")
    done = disk.run(command().check)
    assert done.returncode != 0
    assert "not on a partition" in done.stderr


def test_only_labs_that_size_disks_run_it() -> None:
    assert "disk" not in lab_spec().all_playbooks
    assert lab_spec(disk=80).all_playbooks[:3] == ("repos", "disk", "hosts")
    assert lab_spec(disk=80, playbooks=["engine"]).all_playbooks == ("disk", "engine")
    lab = lab_spec(nodes=[{"name": "a"}, {"name": "b", "disk": 80}], playbooks=["repos", "disk"])
    assert lab.all_playbooks == ("repos", "disk")
    (book,) = load(["disk"], [packaged("playbooks")])
    assert list(book.play(planner(lab)(CENTOS, {}))) == []
