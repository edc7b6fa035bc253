"""Where the double keeps things, and as which VirtualBox it answers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.vbox.errors import Refused

HOME = "VBOX_DOUBLE_HOME"
VERSION = "VBOX_DOUBLE_VERSION"
VERSIONS = {"6.1": "6.1.50r161033", "7.0": "7.0.20r163906"}


@dataclass(frozen=True)
class Home:
    """The folder of one VirtualBox "installation": machines, host-only interfaces, the log.

    There is no default place: whoever runs machines with this has chosen to, and where.
    """

    root: Path
    series: str = "6.1"

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Home:
        """The home that the environment names."""
        place = environment.get(HOME)
        if not place:
            raise Refused(f"{HOME} does not say where this double of VirtualBox keeps its machines")
        series = environment.get(VERSION) or "6.1"
        if series not in VERSIONS:
            raise Refused(f"{VERSION} is “{series}”; this double answers as {', '.join(VERSIONS)}")
        home = cls(Path(place).absolute(), series)
        home.machines.mkdir(parents=True, exist_ok=True)
        home.unfinished.mkdir(exist_ok=True)
        return home

    @property
    def version(self) -> str:
        """The output of `--version`."""
        return VERSIONS[self.series]

    @property
    def long_options(self) -> bool:
        """True if options may be written with hyphens (`--nat-pf1`), as from 7.0 on."""
        return self.series >= "7"

    @property
    def machines(self) -> Path:
        """Folder of the registered machines, each named by its UUID."""
        return self.root / "machines"

    @property
    def unfinished(self) -> Path:
        """Machines that are being made. Vagrant removes empty folders from `machines`."""
        return self.root / "unfinished"

    @property
    def interfaces(self) -> Path:
        """File of the host-only interfaces."""
        return self.root / "interfaces.json"

    @property
    def log(self) -> Path:
        """File with a line for each call."""
        return self.root / "calls.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Exclude other processes from what all machines share: names and interfaces."""
        with locked(self.root / "lock"):
            yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file that need not exist yet."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str) -> None:
    """Put a file in place at once: others read it without a lock."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(path)
