"""`labctl schema`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.output.terminal import say_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema")(schema)


def schema(
    context: typer.Context,
    events: Annotated[
        bool, typer.Option("--events", help="Print the JSON Schema of a line of --json instead.")
    ] = False,
) -> None:
    """Print the JSON Schema of lab.yaml, for editors that complete and check it."""
    if events:
        from labctl.cli.output import records

        say_json(records.json_schema(), indent=2)
        return

    from labctl.config.playbook_settings import keys_in_source
    from labctl.config.schema import json_schema
    from labctl.lab.workspace import Workspace

    own, _ = Workspace.find(context.obj.lab).playbooks
    unchecked = {key for keys in keys_in_source(own).values() for key in keys}
    say_json(json_schema(unchecked), indent=2)
