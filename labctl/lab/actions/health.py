"""How a node is: its boot, load, memory, disks, clock and engine, and what is wrong with them."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from labctl.messages import msg
from labctl.storage import read_script

SCRIPT = read_script(__file__, "status.sh")
"""Prints what `Health.read` reads."""

_MOST = 200_000
"""Bytes; the script prints at most 64 KB of daemon.json, in base64."""

_LONGEST_PROXY = 200
_ENGINE_STATES = {
    "inactive": msg("stopped"),
    "failed": msg("failed"),
    "activating": msg("starting"),
    "missing": msg("not installed"),
}


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a node. Values that the node did not report are None.

    Parameters:
        since: boot time by the node's clock, or ``-``.
        uptime: seconds since the boot.
        clock: seconds by which the node's clock is ahead of this computer's.
        load: processes that ran or waited for a processor, on average of the last minute.
        processors: number of processors.
        memory: MiB.
        memory_free: MiB that programs can still get.
        disk: MiB of the fullest file system of ``/`` and the engine's data.
        disk_free: MiB of it that are free.
        engine: why the engine does not run, or ``-``.
        daemon_json: what is wrong with daemon.json of an engine that does not run, or empty.
        proxy: the proxy that labctl has set on the node, without a password, or empty.
    """

    since: str = "-"
    uptime: float | None = None
    clock: float | None = None
    load: float | None = None
    processors: int | None = None
    memory: int | None = None
    memory_free: int | None = None
    disk: int | None = None
    disk_free: int | None = None
    engine: str = "-"
    daemon_json: str = ""
    proxy: str = ""

    @classmethod
    def read(cls, output: bytes, now: float) -> Health:
        """Return what the script printed; whatever is not as the script prints it is left out.

        Parameters:
            output: of the script.
            now: this computer's clock, in seconds since 1970.
        """
        found: dict[str, Any] = {}
        readers = _readers(now)
        for line in output[:_MOST].decode("utf-8", "replace").splitlines():
            name, _, value = line.partition(" ")
            if name in readers and value:
                try:
                    found |= readers[name](value, found)
                except (ValueError, OverflowError):
                    continue
        return cls(**found)

    def as_json(self) -> dict[str, Any]:
        """Return the values as plain ones."""
        return asdict(self)

    def warnings(self) -> Iterator[str]:
        """Yield what is wrong, each in a line with its fix. That the engine runs is not known."""
        if self.daemon_json:
            yield msg(
                "/etc/docker/daemon.json cannot be read: {why}. Fix or remove it, "
                "then run `labctl provision`.",
                why=self.daemon_json,
            )
        elif self.engine == _ENGINE_STATES["failed"]:
            yield msg("Docker did not start. Run `labctl provision`, which shows why.")
        elif self.engine == _ENGINE_STATES["inactive"]:
            yield msg("Docker is stopped. Run `labctl provision`.")
        elif self.engine == _ENGINE_STATES["missing"]:
            yield msg("Docker is not installed. Run `labctl provision`.")
        if self.disk and self.disk_free is not None and self.disk_free < self.disk * 0.05:
            yield msg(
                "the disk is nearly full: {free} of {size} MiB are free. "
                "`labctl exec -- docker system df` shows what Docker uses.",
                free=self.disk_free,
                size=self.disk,
            )
        if self.memory and self.memory_free is not None and self.memory_free < self.memory * 0.05:
            yield msg(
                "memory is nearly used up: {free} of {size} MiB are free.",
                free=self.memory_free,
                size=self.memory,
            )
        if self.clock is not None and abs(self.clock) > _CLOCK:
            yield msg(
                "its clock is {seconds} s {direction}. Set it: `sudo date -s @$(date +%s)`, "
                "with this computer's time.",
                seconds=round(abs(self.clock)),
                direction=msg("ahead") if self.clock > 0 else msg("behind"),
            )


NOTHING_KNOWN = Health()
"""Of a node that does not answer."""

_CLOCK = 60
"""Seconds. A busy emulated node may answer some seconds late."""


def _readers(now: float) -> dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]]:
    def disk(value: str, found: dict[str, Any]) -> dict[str, Any]:
        size, free = (_natural(part) // 1024 for part in value.split()[:2])
        before = found.get("disk")
        if before is not None and found["disk_free"] * size <= free * before:
            return {}
        return {"disk": size, "disk_free": free}

    return {
        "since": lambda value, _: {"since": value.strip()[:40] or "-"},
        "clock": lambda value, _: {"clock": round(_number(value) - now, 1)},
        "processors": lambda value, _: {"processors": _natural(value)},
        "uptime": lambda value, _: {"uptime": _number(value)},
        "load": lambda value, _: {"load": _number(value)},
        "memory": lambda value, _: {"memory": _natural(value) // 1024},
        "memory-free": lambda value, _: {"memory_free": _natural(value) // 1024},
        "disk": disk,
        "proxy": lambda value, _: {"proxy": value.strip()[:_LONGEST_PROXY]},
        "docker": lambda value, _: {"engine": _ENGINE_STATES.get(value.strip(), "-")},
        "daemon-json": lambda value, _: {"daemon_json": _json_fault(value)},
    }


def _number(text: str) -> float:
    value = float(text[:30])
    if not math.isfinite(value) or abs(value) > 1e12:
        raise ValueError(text)
    return value


def _natural(text: str) -> int:
    return int(_number(text))


def _json_fault(encoded: str) -> str:
    """Return why a file is not a JSON object; empty if it is one."""
    text = base64.b64decode(encoded, validate=False).decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return msg(
            "{what} in line {line}, column {column}",
            what=error.msg,
            line=error.lineno,
            column=error.colno,
        )
    except RecursionError:
        return msg("it is nested too deeply")
    return "" if isinstance(value, dict) else msg("it is not a JSON object")
