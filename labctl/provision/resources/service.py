"""A systemd service: enabled, running, and running with the files that stand on the node."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.provision.resources.base import PENDING, Change, Observed, quote

_STARTS_AT_BOOT = {"enabled", "static", "indirect", "generated"}
"""Besides enabled ones: units that others start, and for which `enable` changes nothing."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that starts at boot, runs now, and has loaded every file marked for it.

    The marks are those that `LoadedBy` leaves. A restart that fails puts back the files that stood
    there before, starts the service with them, and is still reported as a failure.

    Parameters:
        name: unit name without ``.service``.
    """

    name: str

    @property
    def id(self) -> str:
        return f"service:{self.name}"

    def probe(self) -> str:
        """Print the unit's state, once it has one.

        A node takes ssh before its boot is over: a service that is just being started, or whose
        start is queued, is waited for, up to a minute, and not taken for one that is stopped.
        """
        unit = quote(f"{self.name}.service")
        marks = quote(f"{PENDING}/{self.name}")
        properties = "-p UnitFileState -p ActiveState -p NeedDaemonReload -p Job"
        return "\n".join(
            [
                f"look() {{ systemctl show {properties} {unit}; }}",
                "seen=$(look); waited=0",
                'while [ "$waited" -lt 60 ]; do',
                '  case "$seen" in *ActiveState=activating*|*Job=[1-9]*) ;; *) break;; esac',
                "  sleep 1; waited=$((waited + 1)); seen=$(look)",
                "done",
                "printf '%s\\n' \"$seen\"",
                "for how in restart reload; do",
                f"  if [ -e {marks}.$how ]; then echo Pending=$how; fi",
                "done",
            ]
        )

    def plan(self, observed: Observed) -> Change | None:
        lines = [line.partition("=") for line in observed.output.splitlines()]
        seen = {key: value for key, _, value in lines if key != "Pending"}
        pending = {value for key, _, value in lines if key == "Pending"}
        steps: list[str] = []
        words: list[str] = []
        diff: list[str] = []
        unit = quote(f"{self.name}.service")
        running = seen.get("ActiveState") in {"active", "reloading"}
        if seen.get("NeedDaemonReload") == "yes":
            steps.append("systemctl daemon-reload")
            words.append("load the changed unit")
            diff.append("-unit file changed on disk\n+unit file loaded")
        if seen.get("UnitFileState") not in _STARTS_AT_BOOT:
            steps.append(f"systemctl enable {unit}")
            words.append("enable")
            diff.append(f"-{seen.get('UnitFileState') or 'not enabled'}\n+enabled")
        if not running:
            steps.append(self._loading("restart"))
            words.append("start")
            diff.append(f"-{seen.get('ActiveState') or 'unknown'}\n+active")
        elif pending:
            how = "restart" if "restart" in pending else "reload"
            steps.append(self._loading(how))
            words.append(how)
            diff.append(f"-files changed since the last {how}\n+files loaded by a {how}")
        if not steps:
            return None
        return Change(
            f"{' and '.join(words)} {self.name}", "\n".join(["set -e", *steps]), "\n".join(diff)
        )

    def _loading(self, how: str) -> str:
        """Return sh that starts, restarts or reloads; on failure the old files come back."""
        unit = quote(f"{self.name}.service")
        base = f"{PENDING}/{self.name}"
        old = quote(f"{base}.old")
        marks = " ".join(quote(f"{base}.{end}") for end in ("restart", "reload", "old"))
        return "\n".join(
            [
                # A service that failed too often is refused a start until its counter is cleared.
                f"systemctl reset-failed {unit} 2>/dev/null || :",
                f"if systemctl {how} {unit}; then rm -rf {marks}",
                "else",
                f"  systemctl status --no-pager --full --lines=15 {unit} || :",
                f"  if [ -d {old} ]; then",
                f"    ( cd {old} && find . -type f ! -name '*.absent' -exec sh -c \\",
                '      \'for f; do cp -p "$f" "/${f#./}"; done\' sh {} + )',
                f"    ( cd {old} && find . -type f -name '*.absent' -exec sh -c \\",
                "      'for f; do f=${f#./}; rm -f \"/${f%.absent}\"; done' sh {} + )",
                f"    rm -rf {marks}",
                "    echo 'its former files were put back'",
                f"    systemctl reset-failed {unit} 2>/dev/null || :",
                f"    systemctl restart {unit} && echo 'it runs again, with its former files'",
                "  fi",
                "  exit 1",
                "fi",
            ]
        )
