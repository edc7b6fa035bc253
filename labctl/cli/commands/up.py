"""`labctl up`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.lab_flags import (
    Cpus,
    Kit,
    Memory,
    Nodes,
    NoKit,
    Provider,
    Toolchain,
    given,
    given_kit,
)
from labctl.cli.options import AskPass, AskSudo, Json, Limit, with_json
from labctl.cli.run_options import (
    Adopt,
    Overcommit,
    Refresh,
    ReplacePackages,
    With,
    Without,
    consent,
    finish,
    names,
)
from labctl.cli.session import ask_passwords, open_lab, sink
from labctl.errors import UsageError

if TYPE_CHECKING:
    from labctl.lab.actions.node_run import NodeRun, ProvisionOptions
    from labctl.lab.lab import Lab
    from labctl.parallel import Result


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up")(up)


def up(
    context: typer.Context,
    nodes: Nodes = None,
    provider: Provider = None,
    memory: Memory = None,
    cpus: Cpus = None,
    toolchain: Toolchain = None,
    kit: Kit = None,
    no_kit: NoKit = False,
    extra: With = None,
    limit: Limit = None,
    refresh: Refresh = False,
    adopt: Adopt = False,
    replace_packages: ReplacePackages = False,
    without: Without = None,
    overcommit: Overcommit = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not run the checks afterwards.")
    ] = False,
    ask_pass: AskPass = False,
    install_key: Annotated[
        bool,
        typer.Option(
            "--install-key",
            help="Ask as -k, and let existing machines accept your key from now on.",
        ),
    ] = False,
    ask_sudo_password: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Bring the lab up: machines, Docker, checks.

    Running machines are only provisioned, and only drift is changed, so you can repeat the command
    at any time. Later commands remember --nodes, --provider, --memory, --cpus, --toolchain
    and --kit, unless lab.yaml sets them. With --kit, an empty folder gets the kit's lab.yaml.
    """
    from labctl.lab.actions import up as action
    from labctl.lab.actions.node_run import ProvisionOptions
    from labctl.lab.workspace import Workspace

    with_json(context, as_json)
    flags = given(nodes, provider, memory, cpus, toolchain) | given_kit(kit, no_kit)
    if kit is not None:
        from labctl.lab.kit_files import take_lab

        with sink(context) as emit:
            take_lab(kit, Workspace.find(context.obj.lab), emit)
    passwords = ask_passwords(context, ask_pass or install_key, ask_sudo_password, limit, flags)
    with sink(context) as emit:
        allowed = {**flags, **consent(adopt, replace_packages)}
        lab = open_lab(context, emit, allowed, passwords=passwords, new=True, classes=True)
        lab.workspace.expect_own()
        options = ProvisionOptions(
            extra=names(extra), refresh=refresh, verify=not no_verify, install_key=install_key
        )
        remembered = {key: value for key, (value, _) in flags.items()}
        if lab.is_class:
            results = _class_up(lab, options, remembered, without, overcommit, limit)
        else:
            results = action.up(lab, limit or (), options, remember=remembered)
    finish(context, lab, results, "up")


def _class_up(
    lab: Lab,
    options: ProvisionOptions,
    remembered: dict[str, object],
    without: list[str] | None,
    overcommit: bool,
    limit: list[str] | None,
) -> list[Result[NodeRun]]:
    """Bring up the chosen students' labs."""
    from labctl.classroom.bring_up import up
    from labctl.classroom.room import Classroom

    assert isinstance(lab, Classroom)
    if limit:
        raise UsageError(
            "a student's machines come up together",
            hint="choose students with --student instead of nodes with --limit",
        )
    if remembered:
        lab.workspace.make()
        lab.state.save_flags({**lab.state.flags(), **remembered})
    return up(lab, options, without=names(without), overcommit=overcommit)
