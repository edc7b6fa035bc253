"""The commands by purpose, as `labctl --help` lists them, and suggestions for unknown ones."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from labctl.cli.i18n.locale import _
from labctl.errors import Interrupted, LabctlError, UsageError
from labctl.messages import msg

PANELS: dict[str, tuple[str, ...]] = {
    msg("The lab"): ("init", "up", "provision", "verify", "rehearse", "status", "heal"),
    msg("A class"): ("plan", "move"),
    msg("Machines"): (
        *("halt", "reload", "suspend", "resume", "checkpoint", "bake", "kit", "destroy"),
    ),
    msg("Nodes"): ("ssh", "exec", "scp", "sync", "ssh-config"),
    msg("Inspect and diagnose"): (
        *("logs", "open", "list", "render", "doctor", "trust", "schema"),
    ),
    msg("About labctl"): ("version", "help"),
}
"""Headings of `labctl --help`, and the commands under each, in the order of use."""

INSTEAD = {
    **dict.fromkeys(("stop", "down", "poweroff", "shutdown"), "labctl halt"),
    **dict.fromkeys(("start", "create", "install", "run"), "labctl up"),
    **dict.fromkeys(("restart", "reboot"), "labctl reload"),
    **dict.fromkeys(("pause", "save"), "labctl suspend"),
    **dict.fromkeys(("unpause", "continue"), "labctl resume"),
    **dict.fromkeys(("ps", "top", "images"), "labctl exec -- docker {name}"),
    **dict.fromkeys(("cp", "copy", "rsync", "upload", "download"), "labctl scp"),
    **dict.fromkeys(("snapshot", "snapshots", "checkpoints"), "labctl checkpoint"),
    **dict.fromkeys(("shell", "login", "console", "attach", "connect"), "labctl ssh"),
    **dict.fromkeys(("rm", "remove", "delete", "clean"), "labctl destroy"),
    **dict.fromkeys(("ls", "labs", "global-status"), "labctl list"),
    **dict.fromkeys(("info", "show", "state"), "labctl status"),
    **dict.fromkeys(("test", "check"), "labctl verify"),
    **dict.fromkeys(("exercise", "exercises", "course"), "labctl rehearse"),
    **dict.fromkeys(("repair", "fix", "rebuild", "recover"), "labctl heal NODE"),
    **dict.fromkeys(("apply", "converge", "update", "upgrade", "deploy"), "labctl provision"),
    **dict.fromkeys(("config", "vagrantfile"), "labctl render"),
    **dict.fromkeys(("diagnose", "validate"), "labctl doctor"),
    **dict.fromkeys(("report", "browse"), "labctl open"),
    **dict.fromkeys(("log", "history"), "labctl logs"),
    **dict.fromkeys(("package", "box"), "labctl bake"),
    "restore": "labctl checkpoint restore NAME",
    "completion": "labctl --install-completion",
}
"""Names that other tools use, and labctl's command for the same purpose."""


class SuggestingGroup(TyperGroup):
    """Names the right command instead of one that does not exist."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name in self.commands or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from labctl.config.nearest import nearest

        path = ctx.command_path
        instead = INSTEAD.get(name, "").format(name=name) if ctx.parent is None else ""
        if not instead and (near := nearest(name, self.commands)):
            instead = f"{path} {near}"
        raise UsageError(
            msg("unknown command `{command} {name}`", command=path, name=name),
            hint=msg("did you mean `{command}`?", command=instead)
            if instead
            else msg("`{command} --help` lists the commands", command=path),
        )


class GroupedCommands(SuggestingGroup):
    """Lists commands under headings instead of in one row of the alphabet."""

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
            raise interrupted(ctx.invoked_subcommand or "") from None
        except Interrupted as error:
            error.hint = error.hint or _AFTERWARDS.get(ctx.invoked_subcommand or "", "")
            raise


_AFTERWARDS = {
    **dict.fromkeys(
        ("up", "provision", "heal"), msg("nothing is lost; run the same command again to resume")
    ),
    "bake": msg(
        "the node has lost nothing, and no box was made; `labctl up` starts a node that is off"
    ),
    "exec": msg("the command may still run on the nodes"),
    "scp": msg("no partial file was left; run the same command again to copy the rest"),
}
"""By command, what is true after Ctrl-C."""


def interrupted(command: str = "") -> LabctlError:
    """Return the error for a Ctrl-C outside the work on nodes.

    Parameters:
        command: that was interrupted; empty: none had begun.
    """
    return Interrupted("interrupted", hint=_AFTERWARDS.get(command, ""))
