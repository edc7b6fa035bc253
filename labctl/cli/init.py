"""`labctl init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labctl.cli.language import _, localized


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(help="Where the lab.yaml goes.")] = Path(),
) -> None:
    """Write a lab.yaml to begin with: every key, with its default and what it means."""
    from labctl.errors import UsageError
    from labctl.specfile import starter
    from labctl.workspace import SPEC_NAME

    path = folder / SPEC_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(localized(SPEC_NAME) or starter())
    except FileExistsError:
        raise UsageError(f"{path} is there already and stays as it is") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    typer.echo(_("{} is written; next: labctl up").format(path))
