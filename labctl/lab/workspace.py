"""Every path that labctl uses: the lab's folder, its state, templates and playbooks.

The state folder ``.labctl`` lies beside lab.yaml (or where ``LABCTL_STATE_DIR`` points) and is
readable only by its owner. Only ``.vagrant`` in it is irreplaceable; the truth about a node is on
the node.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from labctl.config import patterns
from labctl.config.packaged import packaged
from labctl.errors import StateError, UsageError
from labctl.lab import stamp
from labctl.lab.search import (
    SPEC_NAMES,
    STATE_NAME,
    distrust,
    has_machines,
    misnamed,
    search,
    spec_in,
)
from labctl.messages import msg


def _home(text: str) -> Path:
    """Return a path with a leading ~ expanded.

    A ~ of an unknown user stays as it is; pathlib would fail.
    """
    return Path(os.path.expanduser(text))  # noqa: PTH111


def _one_name(folder: Path) -> Path:
    """Return the absolute path of a folder without links.

    The index of labs identifies a lab by its path: `-C ../course` must be the same lab as
    `~/course`. On Windows, links are kept, because resolving a drive letter may give a network
    path, which Vagrant refuses as a folder.
    """
    if os.name == "nt":
        return Path(os.path.abspath(folder))  # noqa: PTH100
    return folder.resolve()


def _expect_usable(state: Path) -> None:
    """Check that ssh can read files of a state folder, which its configuration names.

    Raises:
        UsageError: it cannot.
    """
    path = str(state)
    backslash = os.name != "nt" and "\\" in path
    if patterns.SSH_PATH.problem(path) or backslash:
        raise UsageError(
            msg("ssh cannot use files in {folder!r}", folder=path),
            hint=msg('rename the folder: its path may not contain ", \\, ${ or control characters'),
        )


@dataclass(frozen=True, slots=True)
class Workspace:
    """The paths of one lab.

    Parameters:
        folder: the lab's folder, absolute.
        spec_file: its lab.yaml, or None.
        state: its state folder, absolute; it may not exist yet.
        named: the user named it, by --lab or LABCTL_LAB.
    """

    folder: Path
    spec_file: Path | None
    state: Path
    named: bool = True

    @classmethod
    def find(cls, lab: str | None = None) -> Workspace:
        """Find the lab: the folder or file `lab`, or else the nearest lab at or above this folder.

        If there is none, this folder may become one; see `is_lab` and `expect_own`.

        Raises:
            UsageError: `lab` does not exist or is not accessible, the nearest lab belongs to
                another user, or a folder has a lab.yaml and a lab.yml.
        """
        try:
            return cls._find(lab)
        except OSError as error:
            raise UsageError(
                msg(
                    "{lab} is not accessible: {reason}",
                    lab=lab or msg("this folder"),
                    reason=error.strerror,
                ),
                hint="check that it exists and is readable, or choose another with --lab",
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
                    msg("{lab}: no such lab", lab=lab),
                    hint="--lab takes a folder or a lab.yaml",
                )
            folder = _one_name(path)
            return cls._at(folder, spec_in(folder))
        here = Path.cwd()
        folder = search(here) or here
        return cls._at(folder, spec_in(folder), named=False)

    @classmethod
    def at(cls, folder: Path, state: Path, spec_file: Path | None = None) -> Workspace:
        """Return the paths of a lab whose folder and state folder are known.

        Parameters:
            folder: its folder.
            state: its state folder.
            spec_file: the file that it was opened with; None: its lab.yaml, if there is one. A file
                with another name is kept even if it is gone, because no other file may replace it.
        """
        if spec_file is None or spec_file.name in SPEC_NAMES:
            spec_file = spec_in(folder)
        return cls(folder, spec_file, state)

    @classmethod
    def _at(cls, folder: Path, spec_file: Path | None, *, named: bool = True) -> Workspace:
        chosen = os.environ.get("LABCTL_STATE_DIR")
        state = _one_name(_home(chosen)) if chosen else folder / STATE_NAME
        _expect_usable(state)
        return cls(folder, spec_file, state, named)

    @property
    def is_lab(self) -> bool:
        """True if there is a lab: a lab.yaml, or machines that were created without one."""
        return self.spec_file is not None or has_machines(self.state)

    def expect_lab(self) -> None:
        """Check that there is a lab.

        Raises:
            UsageError: there is none.
        """
        if self.is_lab:
            return
        hint: str = msg("run `labctl init` to create one here, or choose one with --lab")
        if wrong := misnamed(self.folder):
            hint = msg("rename {file} to lab.yaml", file=wrong.name)
        raise UsageError(
            msg("there is no lab in {folder}", folder=self.folder)
            if self.named
            else msg("there is no lab in {folder} or above it", folder=self.folder),
            hint=hint,
        )

    def expect_own(self) -> None:
        """Check that a folder without a lab may become one.

        Raises:
            UsageError: others could put code into it, or its lab.yaml has a wrong name.
        """
        if self.is_lab:
            return
        if wrong := misnamed(self.folder):
            raise UsageError(
                msg("{path} is not read; the file must be named lab.yaml", path=wrong),
                hint="rename it to lab.yaml",
            )
        if not self.named and (why := distrust(self.folder)):
            raise UsageError(
                msg("{folder} cannot be used as a lab: {why}", folder=self.folder, why=why),
                hint="change to a folder of your own, or pass this one with --lab if you "
                "trust its files",
            )

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
        """Flags of earlier runs that lab.yaml does not set, such as ``--nodes``."""
        return self.state / "flags.json"

    @property
    def provider(self) -> Path:
        """The provider that created the lab's machines."""
        return self.state / "provider"

    @property
    def node_list(self) -> Path:
        """The lab's nodes, as the last run read them from lab.yaml."""
        return self.state / "nodes.json"

    @property
    def wanted(self) -> Path:
        """The file with the values for checks that run without labctl."""
        return self.state / "wanted.json"

    @property
    def private(self) -> Path:
        """The lab's certificate authority and passwords."""
        return self.state / "private"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def holder(self) -> Path:
        """The lock's holder, for the message to other processes."""
        return self.state / "lock.holder"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    def node(self, name: str) -> Path:
        """The record of a node: how to reach it, its facts, its choices."""
        return self.state / "nodes" / f"{name}.json"

    def log(self, node: str, what: str) -> Path:
        """The file with the whole output of `what` for a node."""
        return self.logs / f"{node}.{what}.log"

    @property
    def templates(self) -> tuple[Path, ...]:
        """Folders of templates, the lab's own first."""
        return self.folder / "templates", packaged("templates")

    @property
    def playbooks(self) -> tuple[Path, ...]:
        """Folders of playbooks, the lab's own first."""
        return self.folder / "playbooks", packaged("playbooks")

    @property
    def course(self) -> tuple[Path, ...]:
        """Folders of the course's exercises, the lab's own first."""
        return self.folder / "course", packaged("course")

    @property
    def rehearsal(self) -> Path:
        """The report of the last rehearsal of all sections on all nodes."""
        return self.state / "rehearsal.html"

    @property
    def checkpoints(self) -> Path:
        """When checkpoints were saved."""
        return self.state / "checkpoints.json"

    @property
    def copies(self) -> Path:
        """Files of throw-away copies of nodes, one folder for each node."""
        return self.state / "copies"

    @property
    def durations(self) -> Path:
        """How long checks and exercises usually take."""
        return self.state / "durations.json"

    @property
    def proxied(self) -> Path:
        """A file that exists if nodes were given a proxy."""
        return self.state / "proxied"

    @property
    def partial_rehearsal(self) -> Path:
        """The report of the last rehearsal of some sections, or on some nodes."""
        return self.state / "rehearsal-partial.html"

    def make(self) -> None:
        """Create the state folder, readable only by its owner, and stamp it.

        A folder of another name that exists already keeps its mode; the files in it are still
        readable only by their owner.

        Raises:
            StateError: it cannot be created, is not a folder, or is not this user's own.
        """
        try:
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            stamp.claim(self.state)
            if (
                self.state.name == STATE_NAME
            ):  # LABCTL_STATE_DIR may name a shared folder such as /tmp.
                self.state.chmod(0o700)
            for folder in (self.logs, self.state / "nodes"):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateError(
                msg(
                    "the state folder {state} cannot be created: {reason}",
                    state=self.state,
                    reason=error.strerror,
                ),
                hint="free disk space, grant write access, or set another folder with "
                "LABCTL_STATE_DIR",
            ) from error
