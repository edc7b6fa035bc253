"""The commands by purpose, as `labctl --help` lists them."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from labctl.cli.i18n.locale import _
from labctl.errors import Interrupted, LabctlError
from labctl.messages import msg

PANELS: dict[str, tuple[str, ...]] = {
    msg("The lab"): ("init", "up", "provision", "verify", "rehearse", "status", "heal"),
    msg("Its machines"): ("halt", "reload", "suspend", "resume", "checkpoint", "destroy"),
    msg("Its nodes"): ("ssh", "exec", "scp", "sync", "ssh-config"),
    msg("Inspect and diagnose"): ("render", "doctor", "trust", "schema"),
}
"""Headings of `labctl --help`, and the commands under each, in the order of use."""


class GroupedCommands(TyperGroup):
    """Lists commands under headings instead of alphabetically."""

    def list_commands(self, ctx: Any) -> list[str]:
        named = [name for names in PANELS.values() for name in names if name in self.commands]
        return [*named, *(name for name in super().list_commands(ctx) if name not in named)]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, names in PANELS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, c.get_short_help_str(limit=88)) for name, c in commands if c]
            if rows:
                with formatter.section(_(title)):
                    formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort):  # during work, or at a prompt
            raise interrupted() from None


def interrupted() -> LabctlError:
    """Return the error for a Ctrl-C outside the work on nodes."""
    return Interrupted("interrupted", hint="nothing is lost; run the same command again to resume")
