"""`labctl up`."""

from __future__ import annotations

from typing import Annotated

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
from labctl.cli.options import AskSudo, Json, Limit, with_json
from labctl.cli.run_options import Adopt, Refresh, ReplacePackages, With, consent, finish, names
from labctl.cli.session import ask_password, open_lab, sink


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
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not run the checks afterwards.")
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
    password = ask_password(context, ask_sudo_password, limit, flags)
    with sink(context) as emit:
        allowed = {**flags, **consent(adopt, replace_packages)}
        lab = open_lab(context, emit, allowed, sudo_password=password, new=True)
        lab.workspace.expect_own()
        options = ProvisionOptions(extra=names(extra), refresh=refresh, verify=not no_verify)
        remembered = {key: value for key, (value, _) in flags.items()}
        results = action.up(lab, limit or (), options, remember=remembered)
    finish(context, lab, results, "up")
