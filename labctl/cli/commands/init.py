"""`labctl init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labctl.cli.i18n.locale import _, localized
from labctl.cli.options import Json, with_json
from labctl.cli.output.terminal import say, say_json
from labctl.messages import msg


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Folder for lab.yaml.")
    ] = Path(),
    as_json: Json = False,
) -> None:
    """Write a starter lab.yaml: every key with its default and meaning."""
    from labctl.config import starter
    from labctl.errors import UsageError
    from labctl.lab.search import SPEC_NAMES, spec_in

    with_json(context, as_json)
    name = SPEC_NAMES[0]
    path = folder / name
    if there := spec_in(folder):
        raise UsageError(msg("{path} already exists; not overwritten", path=there))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(localized(name) or starter.TEXT)
    except FileExistsError:
        raise UsageError(msg("{path} already exists; not overwritten", path=path)) from None
    except OSError as error:
        raise UsageError(
            msg("{path} cannot be written: {reason}", path=path, reason=error.strerror)
        ) from error
    if context.obj.as_json:
        say_json({"event": "init", "path": str(path.absolute())})
        return
    say(_("wrote {path}; next: labctl up", path=path))
