"""Labs of public courses, with the folders and files that they name."""

from __future__ import annotations

from pathlib import Path

from labctl.config import document
from labctl.config.load import resolve
from labctl.config.model import LabSpec
from labctl.machines.providers import faults_of

COURSES = sorted(Path(__file__).parent.glob("*.yaml"))
FOLDERS = ("app", "data", "server")
FILES = ("bootstrap.sh", "extra.rb", "manager.sh", "node.sh", "setup.sh")


def prepare(folder: Path) -> None:
    """Make the folders and files that the courses' labs name."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_text("", "utf-8")


def load(course: Path, folder: Path) -> LabSpec:
    """Return the lab of a course, as if its lab.yaml were in `folder`."""
    prepare(folder)
    return resolve(document.read(course), {}, folder, further=faults_of)
