"""The engine's daemon.json: labctl's keys in it, loaded by a reload wherever a reload is enough.

Restarting the engine ends the containers of every student on the node (unless live-restore is on),
so labctl restarts it only if a reload would leave it with something of the old file. When that is
so, `labctl.config.daemon_json` knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labctl.config.daemon_json import HIDES_DATA, canonical, needs_restart
from labctl.messages import joined, msg
from labctl.provision.resources import engine_settings
from labctl.provision.resources.atomic_write import LoadedBy, replacing
from labctl.provision.resources.base import Change, Observed, quote, text_diff
from labctl.provision.resources.engine_settings import (
    OWNED,
    PATH,
    EngineSettings,
    json_problem,
    merge,
)

_ASIDE = ".no-json"
"""Suffix for an invalid file: it is somebody's work with a typing error in it."""


@dataclass(frozen=True, slots=True)
class DaemonJson:
    """/etc/docker/daemon.json with these keys; all other keys in it stay.

    labctl remembers on the node which keys it wrote. A key that is not in `content` any more is
    removed if labctl wrote it. Before labctl first changes the file, it keeps a copy as
    ``daemon.json.before-labctl``. A file that is not valid JSON is kept as ``daemon.json.no-json``.

    Parameters:
        content: JSON text of labctl's keys, an object.
        engine_major: major version of the engine that will run. Keys that only other engines have
            are removed, because the engine would not start with them. 0: unknown.
        adopt: labctl's value wins if a key has two.
        service: the service that reads the file.
    """

    content: str
    engine_major: int = 0
    adopt: bool = False
    service: str = "docker"

    @property
    def id(self) -> str:
        return f"file:{PATH}"

    def probe(self) -> str:
        return engine_settings.probe(f"{self.service}.service", PATH, OWNED)

    def plan(self, observed: Observed) -> Change | None:
        found = engine_settings.read(observed)
        wanted = engine_settings.parsed(self.content)
        if wanted is None:
            raise ValueError(msg("labctl's part of {path} is not a JSON object", path=PATH))
        wrong = "" if found.text is None else _wrong(found.text)
        if wrong and hides_data(found.text or ""):
            raise ValueError(
                msg(
                    "{path} is not valid JSON ({reason}), but it sets the folder of "
                    "the engine's data; correct it on the node",
                    path=PATH,
                    reason=wrong,
                )
            )
        merged = merge(found, wanted, self.engine_major, adopt=self.adopt)
        if merged.obstacles:
            raise ValueError(
                joined(
                    msg("{message} → {remedy}", message=one.message, remedy=one.remedy)
                    for one in merged.obstacles
                )
            )
        return self._change(found, merged.settings, merged.owned, merged.dropped, wrong)

    def _change(
        self,
        found: EngineSettings,
        settings: dict[str, Any],
        owned: dict[str, Any],
        dropped: tuple[str, ...],
        wrong: str,
    ) -> Change | None:
        same = found.text is not None and not wrong and found.keys == settings
        if same and found.owned == owned:
            return None
        restart = (
            bool(wrong or dropped) or found.has_old_flags or needs_restart(found.keys, settings)
        )
        loaded_by = LoadedBy(self.service, "restart" if restart else "reload")
        remember = replacing(OWNED, canonical(owned), loaded_by=None if same else loaded_by)
        if same:
            return Change(
                msg("record labctl's keys of {path}", path=PATH),
                remember,
                text_diff(canonical(found.owned or {}), canonical(owned), OWNED),
            )
        text = canonical(settings)
        first = found.owned is None or bool(dropped)
        write = replacing(
            PATH,
            text,
            loaded_by=loaded_by,
            backup=f"{PATH}.before-labctl" if first else "",
        )
        template = msg("update {path}") if found.text is not None else msg("write {path}")
        summary: str = msg(template, path=PATH)
        if dropped:
            summary = msg(
                "remove {unknown} from {path}, because engine {engine_major} does not support it",
                unknown=", ".join(dropped),
                path=PATH,
                engine_major=self.engine_major,
            )
        # Each in a subshell, because the script of a replacement ends with its trap.
        script = f"( {remember}\n) || exit\n{write}"
        change = Change(summary, script, text_diff(found.text or "", text, PATH))
        return _kept_aside(change, wrong) if wrong else change


def hides_data(text: str) -> bool:
    """Return True if an invalid daemon.json names a setting that the engine's data depends on."""
    return any(f'"{key}"' in text for key in HIDES_DATA)


def _kept_aside(change: Change, wrong: str) -> Change:
    """Return `change` with the invalid file that it replaces kept beside it.

    Each such file is kept: the name of an earlier one gets a number. One that is already there is
    not kept twice, as when the engine did not start and got its former file back.
    """
    aside = PATH + _ASIDE
    old, new = quote(PATH), quote(aside)
    return Change(
        msg(
            "{summary}, which is not valid JSON ({wrong}) and is kept as {aside}",
            summary=change.summary,
            wrong=wrong,
            aside=aside,
        ),
        # cmp is not part of coreutils.
        f'[ -e {new} ] && [ "$(cat {old})" = "$(cat {new})" ] || '
        f"cp -p --backup=numbered {old} {new} || exit\n{change.script}",
        change.diff,
    )


def _wrong(text: str) -> str:
    """Return why a daemon.json is not a JSON object, and where; empty if it is one, or is empty."""
    return "" if engine_settings.parsed(text) is not None else json_problem(text)
