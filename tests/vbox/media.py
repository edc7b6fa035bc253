"""Disks: qcow2 files, for these can be overlays and hold snapshots with memory."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.vbox.errors import FILE_ERROR, Refused

_FORMATS = ("VDI", "VMDK", "VHD")


def convert(source: Path, target: Path) -> None:
    """A full copy of what a disk holds now. `-n`-less, so the target is made or overwritten."""
    _run("convert", "-O", "qcow2", str(source), str(target))


def copy(source: Path, target: Path) -> None:
    """A copy of a disk, over the same base if it is an overlay."""
    subprocess.run(["cp", "--sparse=always", "--", str(source), str(target)], check=True)


def resize(disk: Path, size: int) -> None:
    """Give a disk another size in bytes."""
    _run("resize", "-q", "-f", "qcow2", str(disk), str(size))


def overlay(base: Path, target: Path) -> None:
    """A disk that holds only what differs from `base`."""
    _run("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base), str(target))


def snapshot(disk: Path, tag: str) -> None:
    """Keep the disk as it is under a tag; the machine must be off."""
    _run("snapshot", "-q", "-c", tag, str(disk))


def revert(disk: Path, tag: str) -> None:
    """Set the disk back to a tag; the machine must be off."""
    _run("snapshot", "-q", "-a", tag, str(disk))


def forget(disk: Path, tag: str) -> None:
    """Drop a tag, with the memory that it may hold; the machine must be off."""
    _run("snapshot", "-q", "-d", tag, str(disk))


def info(disk: Path) -> dict[str, Any]:
    """The record of a disk, also while a machine uses it."""
    found = json.loads(_run("info", "--force-share", "--output=json", str(disk)))
    assert isinstance(found, dict)
    return found


def require_format(name: str) -> None:
    """Refuse a format that VirtualBox does not have."""
    if name.upper() not in _FORMATS:
        raise Refused(f"Cannot find a backend for the format '{name}'", FILE_ERROR)


def _run(*arguments: str) -> str:
    done = subprocess.run(
        ["qemu-img", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Refused(f"qemu-img {arguments[0]}: {done.stderr.strip()}", FILE_ERROR)
    return done.stdout
