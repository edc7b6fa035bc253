"""`labctl scp`."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import AskPass, AskSudo, Json, with_json
from labctl.cli.output.terminal import say, say_json
from labctl.cli.session import ask_passwords, open_lab

if TYPE_CHECKING:
    from labctl.events import Event
    from labctl.lab.actions.copy import Copied, Meter
    from labctl.parallel import Result


_SHOWN = 20
"""Skipped files that are named on a terminal; with --json all are."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scp")(scp)


def scp(
    context: typer.Context,
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="PLACE...", help="Sources, then the destination; NODE:PATH is on a node."
        ),
    ],
    sudo: Annotated[bool, typer.Option("--sudo", help="Read and write as root on nodes.")] = False,
    owner: Annotated[
        str,
        typer.Option(
            "--owner",
            metavar="USER:GROUP",
            help="Owner of the copy on a node; needs root. Default: the login user.",
        ),
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-L", help="Copy the targets of links instead of the links.")
    ] = False,
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place", help="Write to existing files, such as those mounted into containers."
        ),
    ] = False,
    recursive: Annotated[
        bool, typer.Option("-r", help="Accepted for scp's users; folders are always copied whole.")
    ] = False,
    preserve: Annotated[
        bool, typer.Option("-p", help="Accepted for scp's users; modes and times are always kept.")
    ] = False,
    ask_pass: AskPass = False,
    ask_sudo_password: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Copy files to nodes, from nodes, or from node to node.

    NODE is a name, a pattern such as 'docker-node*', or all. A relative path starts in the login
    user's home. If the last PLACE is a folder, copies go into it; otherwise the copy gets that
    name. Files of several nodes go into a folder for each node.

    An interrupted copy leaves no partial file. Files that can't be copied, such as pipes, are named
    and skipped, and the exit code is 1. Where the login user may not write, new files are
    created by sudo; replacing files there needs --sudo.
    """
    from labctl.lab.actions.copy import CopyOptions, copy

    with_json(context, as_json)
    options = CopyOptions(sudo=sudo, owner=owner, follow=follow, in_place=in_place)
    notices = _Notices(context.obj.as_json)
    passwords = ask_passwords(context, ask_pass, ask_sudo_password)
    with _meter(quiet=context.obj.as_json) as meter:
        lab = open_lab(context, notices, passwords=passwords, classes=True)
        results = copy(lab, places, options, meter)
    notices.show()
    for result in results:
        _show(result, as_json=context.obj.as_json)
    skipped = _show_skipped(results, sudo=sudo, as_json=context.obj.as_json)
    if skipped or any(not result.ok for result in results):
        raise typer.Exit(1)


def _show(result: Result[Copied], *, as_json: bool) -> None:
    from labctl.cli.output import errors

    copied = result.value
    if as_json:
        data: dict[str, Any] = {"event": "copied", "node": result.node, "ok": result.ok}
        if copied is not None:
            data |= {
                "ok": not copied.skipped,
                "files": copied.files,
                "bytes": copied.bytes,
                "seconds": round(copied.seconds, 3),
            }
        if result.error is not None:
            data["error"] = errors.as_json(result.error)
        say_json(data)
    elif copied is not None:
        files = _("1 file") if copied.files == 1 else _("{count:,} files", count=copied.files)
        rate = amount(copied.bytes / max(copied.seconds, 0.001))
        say(
            _(
                "{node}: {files}, {size} in {seconds:.1f} s ({rate}/s)",
                node=result.node,
                files=files,
                size=amount(copied.bytes),
                seconds=copied.seconds,
                rate=rate,
            )
        )
    if result.error is not None and not as_json:
        errors.print_error(result.error)


def _show_skipped(results: Sequence[Result[Copied]], *, sudo: bool, as_json: bool) -> bool:
    """Print what was left out and why; return whether there is anything."""
    from labctl.cli.output.terminal import printable
    from labctl.remote.transfer.skipped import DENIED

    copies = [result.value for result in results if result.value is not None]
    # Files that this computer cannot read are missing on every node, and are listed once.
    skipped = list(dict.fromkeys(item for copied in copies for item in copied.skipped))
    more = sum(copied.more_skipped for copied in copies)
    if as_json:
        for one in skipped:
            data = {"event": "skipped", "node": one.node, "path": one.path, "reason": one.why}
            say_json(data)
        return bool(skipped)
    for one in skipped[:_SHOWN]:
        line = _("skipped {path}: {why}", path=printable(one.place), why=one.why)
        say(line, fg="yellow", err=True)
    if len(skipped) + more > _SHOWN:
        say(_("and {count:,} more", count=len(skipped) + more - _SHOWN), fg="yellow", err=True)
    if not sudo and any(one.node and one.why == DENIED for one in skipped):
        say("  " + _("hint: {hint}", hint=_("add --sudo")), err=True)
    return bool(skipped)


def amount(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            bytes_only = unit == "bytes"
            return _("{count:.0f} bytes", count=count) if bytes_only else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


class _Notices:
    """Keeps notices until the progress bar is gone."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self._events.append(event)

    def show(self) -> None:
        from labctl.cli.output.lines import JsonLines, sentence

        lines = JsonLines() if self._as_json else None
        for event in self._events:
            if lines is not None:
                lines(event)
            elif text := sentence(event, verbose=False):
                say(f"{event.node or _('lab')}{_(': ')}{text}", fg="yellow", err=True)


class _Silent:
    """Shows no progress."""

    wants_sizes = False

    def expect(self, node: str, size: int) -> None: ...

    def moved(self, node: str, size: int) -> None: ...


class _Bars:
    """A progress bar for each node."""

    wants_sizes = True

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._guard = threading.Lock()
        self._tasks: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        self._pending: dict[str, int] = {}
        self._shown: dict[str, float] = {}

    def expect(self, node: str, size: int) -> None:
        with self._guard:
            self._sizes[node] = self._sizes.get(node, 0) + size
            if node not in self._tasks:
                self._tasks[node] = self._progress.add_task(node, total=None)
            self._progress.update(self._tasks[node], total=self._sizes[node] or None)

    def moved(self, node: str, size: int) -> None:
        # rich takes longer for an update than a small file takes to be copied.
        pending = self._pending.get(node, 0) + size
        now = time.monotonic()
        if now - self._shown.get(node, 0.0) > 0.1:
            self._progress.advance(self._tasks[node], pending)
            self._shown[node] = now
            pending = 0
        self._pending[node] = pending


@contextlib.contextmanager
def _meter(*, quiet: bool) -> Iterator[Meter]:
    """Yield the meter: progress bars on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bars(progress)
