"""`labctl schema`."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema")(schema)


def schema() -> None:
    """Print the JSON Schema of lab.yaml, for editors that complete and check it."""
    import json

    from labctl.config.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
