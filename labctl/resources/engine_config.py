"""The engine's daemon.json: loaded by a reload wherever a reload is enough.

Restarting the engine ends the containers of every student on the node (unless live-restore is on),
so it is done only where a reload would leave the engine with something of the old file. When that
is so is the engine's knowledge and stands in `labctl.daemon`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from labctl.daemon import canonical, needs_restart, unknown_to
from labctl.resources.base import Change, Observed, quote, text_diff
from labctl.resources.file import File
from labctl.resources.writing import LoadedBy, replacing

PATH = "/etc/docker/daemon.json"


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """/etc/docker/daemon.json with this content.

    Parameters:
        content: the whole JSON text, an object.
        service: the service that reads it.
    """

    content: str
    service: str = "docker"

    @property
    def id(self) -> str:
        return self._file.id

    @property
    def _file(self) -> File:
        return File(PATH, self.content, loaded_by=LoadedBy(self.service, "reload"))

    def probe(self) -> str:
        return self._file.probe()

    def plan(self, observed: Observed) -> Change | None:
        change = self._file.plan(observed)
        if change is None:
            return None
        _, _, text = observed.output.partition("\n") if observed.ok else ("", "", "")
        before, after = _settings(text), _settings(self.content)
        if before is not None and after is not None and not needs_restart(before, after):
            return change
        restart = replace(self._file, loaded_by=LoadedBy(self.service, "restart"))
        return restart.plan(observed)


@dataclass(frozen=True, slots=True)
class EngineKeys:
    """No key in /etc/docker/daemon.json that only engines of another time have.

    Over one such key an engine does not start. So the file of the engine that was installed before
    loses them before the wanted one is started; who writes the whole file may need that it runs.
    The first file that loses some is kept as ``daemon.json.before-labctl``.

    Parameters:
        engine_major: major version of the engine that is to be started; 0: nothing is known of it.
        service: the service that reads the file.
    """

    engine_major: int
    service: str = "docker"

    @property
    def id(self) -> str:
        return f"keys:{PATH}"

    def probe(self) -> str:
        path = quote(PATH)
        return f"if [ -e {path} ]; then cat {path}; fi"

    def plan(self, observed: Observed) -> Change | None:
        settings = (_settings(observed.output) if observed.ok else None) or {}
        unknown = unknown_to(self.engine_major, settings)
        if not unknown:
            return None
        kept = canonical({name: settings[name] for name in settings if name not in unknown})
        script = replacing(
            PATH,
            kept,
            loaded_by=LoadedBy(self.service, "restart"),
            backup=f"{PATH}.before-labctl",
        )
        return Change(
            f"take {', '.join(unknown)} out of {PATH}, unknown to engine {self.engine_major}",
            script,
            text_diff(observed.output, kept, PATH),
        )


def _settings(text: str) -> dict[str, Any] | None:
    """Return what a daemon.json says: nothing if it is empty; None if it is no JSON object."""
    if not text.strip():
        return {}
    try:
        settings = json.loads(text)
    except ValueError:
        return None
    return settings if isinstance(settings, dict) else None
