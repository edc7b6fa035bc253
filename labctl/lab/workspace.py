"""Every path that labctl knows: the lab's folder, its state, templates and playbooks.

The state folder ``.labctl`` stands beside lab.yaml (or where ``LABCTL_STATE_DIR`` says) and is for
its owner's eyes only. Of all it holds, only ``.vagrant`` cannot be made again: the truth about a
node is on the node.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import StateError, UsageError

SPEC_NAME = "lab.yaml"
STATE_NAME = ".labctl"


def _home(text: str) -> Path:
    """Return a path, with a home folder for the ~ that it may begin with.

    One of a user that there is not stays as it is, where pathlib would fail.
    """
    return Path(os.path.expanduser(text))  # noqa: PTH111


def _one_name(folder: Path) -> Path:
    """Return a folder by the one absolute path that every way to it leads to.

    The registry of this machine's labs knows a lab by its path: `-C ../course` must be the lab that
    it is in `~/course`. The working folder has no links in its path but on Windows, where a
    letter must stay what it is, for Vagrant takes no network path for a folder.
    """
    if os.name == "nt":
        return Path(os.path.abspath(folder))  # noqa: PTH100
    return folder.resolve()


def packaged(name: str) -> Path:
    """Return labctl's own folder `name`: in a wheel below _data, in a checkout beside labctl."""
    here = Path(__file__).parents[1]
    in_wheel = here / "_data" / name
    return in_wheel if in_wheel.is_dir() else here.parent / name


@dataclass(frozen=True, slots=True)
class Workspace:
    """The places of one lab.

    Parameters:
        folder: the lab's folder, absolute.
        spec_file: its lab.yaml, or None where there is none.
        state: its state folder, absolute; it need not exist yet.
    """

    folder: Path
    spec_file: Path | None
    state: Path

    @classmethod
    def find(cls, lab: str | None = None) -> Workspace:
        """Find the lab: the folder or file `lab`, else the nearest lab at or above this folder.

        Raises:
            UsageError: `lab` names nothing, or cannot be looked at.
        """
        try:
            return cls._find(lab)
        except OSError as error:
            raise UsageError(
                f"{lab or 'this folder'} cannot be looked at: {error.strerror}",
                hint="see whether it is still there and may be read, or name another by --lab",
            ) from error

    @classmethod
    def _find(cls, lab: str | None) -> Workspace:
        if lab is not None:
            path = _home(lab)
            if path.is_file():
                folder = _one_name(path.parent)
                return cls._at(folder, folder / path.name)
            if not path.is_dir():
                raise UsageError(
                    f"{lab}: there is no such lab", hint="--lab takes a folder or a lab.yaml"
                )
            return cls._at(_one_name(path), None)
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / SPEC_NAME).is_file() or (folder / STATE_NAME).is_dir():
                return cls._at(folder, None)
        return cls._at(here, None)

    @classmethod
    def at(cls, folder: Path, state: Path, spec_file: Path | None = None) -> Workspace:
        """Return the places of a lab whose folder and state folder are known.

        Parameters:
            folder: its folder.
            state: its state folder.
            spec_file: the file that it was opened by; None: its lab.yaml, where there is one. One
                of another name stays the lab's though it is gone: no other file may stand in for
                it.
        """
        spec_file = spec_file or folder / SPEC_NAME
        there = spec_file.name != SPEC_NAME or spec_file.is_file()
        return cls(folder, spec_file if there else None, state)

    @classmethod
    def _at(cls, folder: Path, spec_file: Path | None) -> Workspace:
        if spec_file is None and (folder / SPEC_NAME).is_file():
            spec_file = folder / SPEC_NAME
        chosen = os.environ.get("LABCTL_STATE_DIR")
        state = _one_name(_home(chosen)) if chosen else folder / STATE_NAME
        return cls(folder, spec_file, state)

    @property
    def vagrantfile(self) -> Path:
        return self.state / "Vagrantfile"

    @property
    def ssh_config(self) -> Path:
        return self.state / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.state / "known_hosts"

    @property
    def flags(self) -> Path:
        """Flags of earlier runs that lab.yaml does not say, such as ``--nodes``."""
        return self.state / "flags.json"

    @property
    def provider(self) -> Path:
        """The provider that the lab's machines were made with."""
        return self.state / "provider"

    @property
    def node_list(self) -> Path:
        """The lab's nodes as the last run read them from lab.yaml."""
        return self.state / "nodes.json"

    @property
    def wanted(self) -> Path:
        """What the checks expect, for running them without labctl."""
        return self.state / "wanted.json"

    @property
    def private(self) -> Path:
        """The lab's own certificate authority, and the passwords of what its nodes serve."""
        return self.state / "private"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def holder(self) -> Path:
        """Who holds the lock, for the message to the next one."""
        return self.state / "lock.holder"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    def node(self, name: str) -> Path:
        """What is known of a node: how it is reached, its facts, its choices."""
        return self.state / "nodes" / f"{name}.json"

    def log(self, node: str, what: str) -> Path:
        """The file that takes the whole output of `what` for a node."""
        return self.logs / f"{node}.{what}.log"

    @property
    def templates(self) -> tuple[Path, ...]:
        """Folders of templates; the lab's own come first."""
        return self.folder / "templates", packaged("templates")

    @property
    def playbooks(self) -> tuple[Path, ...]:
        """Folders of playbooks; the lab's own come first."""
        return self.folder / "playbooks", packaged("playbooks")

    @property
    def course(self) -> tuple[Path, ...]:
        """Folders of the course's exercises; the lab's own come first."""
        return self.folder / "course", packaged("course")

    @property
    def rehearsal(self) -> Path:
        """The page of the last rehearsal."""
        return self.state / "rehearsal.html"

    def make(self) -> None:
        """Make the state folder, readable by its owner alone.

        A folder that was there already under another name keeps its mode; what labctl puts into it
        is for its owner alone all the same.

        Raises:
            StateError: it cannot be made, or is no folder.
        """
        try:
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.state.name == STATE_NAME:  # LABCTL_STATE_DIR may name a folder of others, /tmp
                self.state.chmod(0o700)
            for folder in (self.logs, self.state / "nodes"):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"the state folder {self.state} cannot be made: {error.strerror}",
                hint="make room or give write access, or name another by LABCTL_STATE_DIR",
            ) from error
