"""A systemd service: enabled, running, and running with its current files."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.messages import joined, msg
from labctl.provision.resources.base import PENDING, Change, Observed, quote, shell_script

ENGINE = "docker"
_RELOADED = {ENGINE: "Reloaded configuration"}
"""What a service writes to its journal when it has reloaded its files."""
_STARTS_AT_BOOT = {"enabled", "static", "indirect", "generated"}
"""States of units that start at boot; `enable` only changes other states."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that starts at boot, runs now, and has loaded every file marked for it.

    `LoadedBy` writes the marks. If a restart fails, the old files are restored and the service
    starts with them; the failure is still reported.
    A reload of the engine counts only when its journal confirms it. Containers that ran before a
    restart of the engine are started again.

    Parameters:
        name: unit name without ``.service``.
    """

    name: str

    @property
    def id(self) -> str:
        return f"service:{self.name}"

    @property
    def _unit(self) -> str:
        return f"{self.name}.service"

    @property
    def _marks(self) -> str:
        return f"{PENDING}/{self.name}"

    def probe(self) -> str:
        return shell_script(__file__, "service_probe.sh", unit=self._unit, marks=self._marks)

    def plan(self, observed: Observed) -> Change | None:
        lines = [line.partition("=") for line in observed.output.splitlines()]
        seen = {key: value for key, _, value in lines if key != "Pending"}
        pending = {value for key, _, value in lines if key == "Pending"}
        steps: list[str] = []
        words: list[str] = []
        diff: list[str] = []
        unit = quote(self._unit)
        running = seen.get("ActiveState") in {"active", "reloading"}
        if seen.get("NeedDaemonReload") == "yes":
            steps.append("systemctl daemon-reload")
            words.append(msg("load the changed unit"))
            diff.append("-unit file changed on disk\n+unit file loaded")
        if seen.get("UnitFileState") not in _STARTS_AT_BOOT:
            steps.append(f"systemctl enable {unit}")
            words.append(msg("enable"))
            diff.append(f"-{seen.get('UnitFileState') or 'not enabled'}\n+enabled")
        if not running:
            steps.append(self._load("restart"))
            words.append(msg("start"))
            diff.append(f"-{seen.get('ActiveState') or 'unknown'}\n+active")
        elif pending:
            how = "restart" if "restart" in pending else "reload"
            steps.append(self._load(how))
            words.append(msg("restart") if how == "restart" else msg("reload"))
            diff.append(f"-files changed since the last {how}\n+files loaded by a {how}")
        if not steps:
            return None
        what = joined(words, "{first} and {then}")
        summary = msg("{change} {service}", change=what, service=self.name)
        script = "\n".join(["set -e", *steps])
        return Change(summary, script, "\n".join(diff), limit=300)

    def restart(self) -> str:
        """Return sh that restarts the service, as a change of its files would."""
        return self._load("restart")

    def _load(self, how: str) -> str:
        return shell_script(
            __file__,
            "service_load.sh",
            unit=self._unit,
            how=how,
            marks=self._marks,
            proof=_RELOADED.get(self.name, ""),
            engine="yes" if self.name == ENGINE else "",
        )
