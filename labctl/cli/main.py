"""The `labctl` command, and the one place where errors are rendered.

Modules that are slow to import (pydantic, Fabric, Jinja, rich) are imported inside the functions
that use them, so that a command pays only for what it needs.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import signal
import sys
from typing import Any

import typer

from labctl import __version__
from labctl.cli.commands import (
    about,
    bake,
    checkpoint,
    destroy,
    doctor,
    exec,
    heal,
    init,
    kit,
    list,
    logs,
    open,
    plan,
    power,
    provision,
    rehearse,
    render,
    schema,
    scp,
    ssh,
    ssh_config,
    status,
    sync,
    trust,
    up,
    verify,
)
from labctl.cli.dress import dress
from labctl.cli.groups import GroupedCommands, interrupted
from labctl.cli.i18n.locale import activate, is_english
from labctl.cli.options import Globals, with_globals
from labctl.cli.output import streams
from labctl.cli.output.errors import render_error, render_usage
from labctl.cli.output.terminal import say
from labctl.cli.values import take_text_unvalidated
from labctl.errors import LabctlError

COMMANDS = (
    *(init, up, provision, verify, rehearse, status, heal, plan),
    *(power, checkpoint, bake, kit, destroy),
    *(ssh, exec, scp, sync, ssh_config),
    *(logs, open, list, render, doctor, trust, schema, about),
)
"""The modules of `labctl.cli.commands`; each registers its commands."""

_WITHOUT_LAB = ("init", "schema", "list", "version", "help")


def build() -> typer.Typer:
    """Return the command line."""
    app = typer.Typer(
        name="labctl",
        cls=GroupedCommands,
        help=(
            "Set up, provision and verify virtual machines for a Docker course.\n\n"
            "Start with `labctl up --nodes 2`; see `labctl COMMAND --help`."
        ),
        no_args_is_help=True,
        # Plain help needs no rich, whose import takes longer than all of labctl's own.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_globals)
    for module in COMMANDS:
        module.register(app)
    groups = (group.typer_instance for group in app.registered_groups)
    below = [info for group in groups if group for info in group.registered_commands]
    for info in (*app.registered_commands, *below):
        if info.callback is not None and info.name not in _WITHOUT_LAB:
            info.callback = with_globals(info.callback)
    return app


def _version(requested: bool) -> None:
    if requested:
        say(f"labctl {__version__}")
        raise typer.Exit


def _globals(
    context: typer.Context,
    lab: str = typer.Option(
        None,
        "--lab",
        "-C",
        envvar="LABCTL_LAB",
        metavar="PATH",
        help="Folder of the lab, or its lab.yaml; default: the nearest at or above this folder.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON lines instead of text."),
    verbose: bool = typer.Option(
        False, "--verbose", "-v", help="Show every event, and a traceback with an error."
    ),
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    options: Globals = context.obj
    options.lab, options.as_json, options.verbose = lab, as_json, verbose


WrongUsage: Any = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""The exception for a wrong command line, of Typer's own copy of click or of the library."""


_COLLECT_AFTER = 50_000
"""New objects after which Python searches for cycles. The default is 700. The imports of one
command create some ninety thousand, and all of them stay."""


def main() -> None:
    """Run labctl and end the process with its exit code.

    Output that cannot be written is an error too, unless the reader of a pipe ended.
    """
    streams.reserve()
    with contextlib.suppress(ValueError):  # in another thread than the main one
        # `timeout` and `kill` end labctl as Ctrl-C does, with all that it started.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = 1
    try:
        code = _run()
    except OSError:
        error = streams.failure()
        if error is None:
            raise
    else:
        error = streams.failure()
    if error is not None:
        code = code or error.exit_code
        if error.message:
            with contextlib.suppress(OSError):
                render_error(error, Globals())
    sys.exit(code)


def _run() -> int:
    """Run the command line and return its exit code."""
    gc.set_threshold(_COLLECT_AFTER)
    # At exit Python would search everything for cycles again, which takes a tenth of a command's
    # time. The system frees the memory anyway.
    atexit.register(gc.freeze)
    early = Globals.peek(sys.argv[1:])
    options = Globals(as_json=early.as_json, verbose=early.verbose)
    activate()
    take_text_unvalidated()
    command: Any = typer.main.get_command(build())
    dress(command)
    if not is_english():
        from labctl.cli.output.help import translate

        translate(command)
    try:
        code = command(obj=options, prog_name="labctl", standalone_mode=False)
    except LabctlError as error:
        if options.log is not None:
            options.log.error(error)
        with contextlib.suppress(OSError):  # `main` looks at the streams
            render_error(error, options)
        return error.exit_code
    except KeyboardInterrupt:
        end = interrupted()
        with contextlib.suppress(OSError):
            render_error(end, options)
        return end.exit_code
    except WrongUsage as error:
        with contextlib.suppress(OSError):
            render_usage(error, early)
        return int(error.exit_code)
    finally:
        if options.log is not None:
            options.log.close()
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
