"""The engine's daemon.json: loaded by a reload wherever a reload is enough.

Restarting the engine ends the containers of every student on the node (unless live-restore is on),
so it is done only when a key that no reload reads differs. Which keys those are is the engine's
knowledge and stands in `labctl.daemon`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from labctl.daemon import restart_keys
from labctl.resources.base import Change, Observed
from labctl.resources.file import File
from labctl.resources.writing import LoadedBy

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
        if _keys(text) == _keys(self.content):
            return change
        restart = replace(self._file, loaded_by=LoadedBy(self.service, "restart"))
        return restart.plan(observed)


def _keys(text: str) -> object:
    """Return the part of daemon.json that needs a restart; what is no JSON needs one as a whole."""
    if not text.strip():
        return {}
    try:
        settings = json.loads(text)
    except ValueError:
        return text
    return restart_keys(settings) if isinstance(settings, dict) else text
