"""Checks of a machine that existed before labctl, whatever its playbooks are."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from labctl.messages import msg
from labctl.provision.preflight import Findings, Obstacle
from labctl.provision.resources import clock
from labctl.provision.resources.base import Observed, shell_script

ROOM = 3000
"""MiB that the engine's packages and the images of a course take."""

_PROXY = re.compile(r"""(?i)(?:https?_proxy|^\s*proxy)["']?\s*[=:]\s*["']?([^\s"',;]+)""")
_PASSWORD = re.compile(r"//[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class MachinePreflight:
    """Looks at a machine's login shell, clock, disk and proxies.

    Parameters:
        now: returns this computer's time, in seconds since 1970.
    """

    now: Callable[[], float] = field(default=time.time, compare=False)

    id = "preflight:machine"
    what = msg("machine")
    at_first_contact = True

    def probe(self) -> str:
        return shell_script(__file__, "machine.sh")

    def examine(self, observed: Observed) -> Findings:
        warnings: list[Obstacle] = []
        passed: list[tuple[str, str]] = []
        disks: dict[str, tuple[int, int]] = {}
        proxies: dict[str, str] = {}
        for line in observed.output.splitlines():
            match line.split(" "):
                case ["shell", shell]:
                    passed.append((msg("login shell"), shell))
                case ["clock", seconds] if seconds.isdigit():
                    self._clock(int(seconds), warnings, passed)
                case ["disk", size, free, place] if size.isdigit() and free.isdigit():
                    disks[place] = int(size) // 1024, int(free) // 1024
                case ["proxy", place, *rest]:
                    found = _PROXY.search(" ".join(rest))
                    if found and not " ".join(rest).lstrip().startswith("#"):
                        proxies[place] = _PASSWORD.sub("//", found[1])
        for place, (whole, left) in disks.items():
            _disk(place, whole, left, warnings, passed)
        return Findings((), warnings, tuple(_proxies(proxies)), passed)

    def _clock(self, seconds: int, warnings: list[Obstacle], passed: list[tuple[str, str]]) -> None:
        what, now = msg("clock"), self.now()
        if abs(now - seconds) <= clock.TOLERANCE:
            passed.append((what, clock.shown(seconds)))
            return
        theirs, ours = clock.shown(seconds), clock.shown(now)
        if now < clock.RELEASED:
            message = msg(
                "the clock of this computer is wrong: {ours}; the node has {theirs}",
                ours=ours,
                theirs=theirs,
            )
            warnings.append(Obstacle(message, msg("set the clock of this computer"), what))
            return
        message = msg("its clock shows {theirs}; here it is {ours}", theirs=theirs, ours=ours)
        remedy = msg("`sudo date -s @{now}`, or let labctl set it", now=int(now))
        warnings.append(Obstacle(message, remedy, what))


def _disk(
    place: str, size: int, free: int, warnings: list[Obstacle], passed: list[tuple[str, str]]
) -> None:
    message = msg("{free} of {size} MiB are free on {place}", free=free, size=size, place=place)
    if free >= ROOM:
        passed.append((msg("disk"), message))
        return
    remedy = msg("free some: `sudo du -xhd1 {place}` shows what is large", place=place)
    warnings.append(Obstacle(message, remedy, msg("disk")))


def _proxies(found: dict[str, str]) -> Iterator[str]:
    """Yield where proxies are set. labctl keeps them."""
    if found:
        places = ", ".join(f"{url} ({place})" for place, url in found.items())
        yield msg("it has a proxy: {places}", places=places)


def noise(before: bytes, user: str) -> Obstacle | None:
    """Return the warning about what a login shell prints by itself; None if it prints nothing.

    Parameters:
        before: what it printed before a command of labctl's.
        user: the login user.
    """
    text = before.decode("utf-8", "replace").strip()
    if not text:
        return None
    first = text.splitlines()[0][:80]
    return Obstacle(
        msg(
            "logging in as {user} prints “{text}”, which breaks scp and rsync; labctl skips it",
            user=user or msg("the login user"),
            text=first,
        ),
        msg(
            "run `{command}`, which keeps ~/.bashrc to shells for people",
            command="sed -i '1i case $- in *i*) ;; *) return ;; esac' ~/.bashrc",
        ),
        msg("login output"),
    )
