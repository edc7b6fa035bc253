"""The engine's daemon.json: loaded by a reload wherever a reload is enough.

Restarting the engine ends the containers of every student on the node (unless live-restore is on),
so it is done only where a reload would leave the engine with something of the old file. When that
is so is the engine's knowledge and stands in `labctl.config.daemon_json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from labctl.config.daemon_json import canonical, needs_restart, unknown_to
from labctl.messages import msg
from labctl.provision.resources.atomic_write import LoadedBy, replacing
from labctl.provision.resources.base import Change, Observed, quote, text_diff
from labctl.provision.resources.file import File

PATH = "/etc/docker/daemon.json"
_ASIDE = ".no-json"
"""Behind the path of what stood there and was no JSON: it is somebody's work with a slip in it."""


@dataclass(frozen=True, slots=True)
class DaemonJson:
    """/etc/docker/daemon.json with this content.

    A file that is no JSON object is kept as ``daemon.json.no-json``.

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
        change = restart.plan(observed)
        wrong = _no_json(text)
        return _kept_aside(change, wrong) if change is not None and wrong else change


@dataclass(frozen=True, slots=True)
class SupportedDaemonKeys:
    """No key in /etc/docker/daemon.json that only engines of another time have, and no slip in it.

    Over one such key an engine does not start, nor over a file that is no JSON object. So the file
    of the engine that was installed before loses such keys, and one with a slip in it is set aside,
    before the wanted engine is started; who writes the whole file may need that it runs. The first
    file that loses keys is kept as ``daemon.json.before-labctl``, one that is set aside as
    ``daemon.json.no-json``.

    Parameters:
        engine_major: major version of the engine that is to be started; 0: nothing is known of it.
        service: the service that reads the file.
        written: what comes behind writes the whole file, as the playbook mirrors does. Where
            nothing does, to set a file aside would leave the engine without what it says, such as
            where its images are: one that is no JSON is an error then.
    """

    engine_major: int
    service: str = "docker"
    written: bool = True

    @property
    def id(self) -> str:
        return f"keys:{PATH}"

    def probe(self) -> str:
        path = quote(PATH)
        return f"if [ -e {path} ]; then cat {path}; fi"

    def plan(self, observed: Observed) -> Change | None:
        wrong = _no_json(observed.output) if observed.ok else ""
        if wrong:
            return self._set_aside(observed.output, wrong)
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
            msg(
                "take {unknown} out of {path}, unknown to engine {engine_major}",
                unknown=", ".join(unknown),
                path=PATH,
                engine_major=self.engine_major,
            ),
            script,
            text_diff(observed.output, kept, PATH),
        )

    def _set_aside(self, text: str, wrong: str) -> Change:
        """Return the change that leaves an empty object in the place of a file with a slip in it.

        Raises:
            ValueError: nothing would write what it said.
        """
        if not self.written:
            raise ValueError(
                msg(
                    "{path} is no JSON, and the engine does not start with it: {wrong}; "
                    "mend it on the node, or move it away",
                    path=PATH,
                    wrong=wrong,
                )
            )
        empty = canonical({})
        script = replacing(PATH, empty, loaded_by=LoadedBy(self.service, "restart"))
        change = Change(msg("empty {path}", path=PATH), script, text_diff(text, empty, PATH))
        return _kept_aside(change, wrong)


def _kept_aside(change: Change, wrong: str) -> Change:
    """Return `change` with the file that it replaces, which is no JSON, kept beside it.

    Each one is: of an earlier one the name gets a number. One that is there already, as where the
    engine did not start for another reason and got its former file back, is not kept twice.
    """
    aside = PATH + _ASIDE
    old, new = quote(PATH), quote(aside)
    return Change(
        msg(
            "{summary}, which is no JSON ({wrong}) and is kept as {aside}",
            summary=change.summary,
            wrong=wrong,
            aside=aside,
        ),
        # cmp is no part of coreutils.
        f'[ -e {new} ] && [ "$(cat {old})" = "$(cat {new})" ] || '
        f"cp -p --backup=numbered {old} {new} || exit\n{change.script}",
        change.diff,
    )


def _no_json(text: str) -> str:
    """Return why a daemon.json is no JSON object, and where; empty where it is one, or is empty."""
    if _settings(text) is not None:
        return ""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return msg(
            "line {line}, column {column}: {problem}",
            line=error.lineno,
            column=error.colno,
            problem=error.msg,
        )
    return msg("no object in braces")


def _settings(text: str) -> dict[str, Any] | None:
    """Return what a daemon.json says: nothing if it is empty; None if it is no JSON object."""
    if not text.strip():
        return {}
    try:
        settings = json.loads(text)
    except ValueError:
        return None
    return settings if isinstance(settings, dict) else None
