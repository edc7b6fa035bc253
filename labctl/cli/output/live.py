"""The live table: a row for each node with its phase, current step and clock."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from labctl.cli.i18n.locale import _
from labctl.cli.output.lines import sentence
from labctl.cli.output.terminal import printable
from labctl.events import (
    ChangeDone,
    ChangeStarted,
    CheckEnded,
    CheckStarted,
    Decided,
    Event,
    MachineOutput,
    Notice,
    Phase,
    PhaseEntered,
)

_FINAL = (Phase.DONE, Phase.FAILED)
"""Phases in which a node's clock stops."""
_STYLES = {Phase.DONE: "green", Phase.FAILED: "red", Phase.WAITING: "dim"}


@dataclass(slots=True)
class _Row:
    phase: Phase = Phase.WAITING
    at: str = ""
    progress: str = ""
    failed: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None


def _clean(text: str) -> str:
    """Return text of several lines without control characters."""
    return "\n".join(map(printable, text.splitlines()))


class LiveTable:
    """Shows each node's state in place during the run, and prints notices above the table."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._rows: dict[str, _Row] = {}
        self._guard = threading.Lock()
        self._spinner = Spinner("dots")
        self._live = Live(
            get_renderable=self._table,
            console=self._console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,  # stdout may be a pipe
        )

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Notice):
            text = f"{event.node or _('lab')}: {_(event.message)}"
            self._console.print(Text(_clean(text), style="yellow"))
            return
        if isinstance(event, ChangeStarted) and event.check:
            text = sentence(event, verbose=False)
            self._console.print(Text(_clean(f"{event.node}: {text}")), highlight=False)
        with self._guard:
            row = self._rows.setdefault(event.node, _Row())
            match event:
                case PhaseEntered(_, phase, note):
                    row.phase, row.at, row.progress = phase, _(note), ""
                    row.ended = time.monotonic() if phase in _FINAL else None
                case ChangeStarted(_, playbook, _, summary):
                    row.at = f"{playbook}: {_(summary)}"
                case ChangeDone():
                    row.at = ""
                case MachineOutput(_, line):
                    row.at = line
                case Decided(_, key, _):
                    row.at = _("measured {what}", what=key)
                case CheckStarted(section=section, title=title, index=index, total=total):
                    row.at = f"{section}: {_(title)}"
                    row.progress = f" {index}/{total}"
                case CheckEnded(outcome=outcome):
                    row.failed += outcome.bad
                case _:
                    pass

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._guard:
            rows = list(self._rows.items())
        for name, row in rows:
            style = _STYLES.get(row.phase, "cyan")
            busy = row.ended is None and row.phase is not Phase.WAITING
            end = row.ended or time.monotonic()
            table.add_row(
                self._spinner if busy else Text("✓" if row.phase is Phase.DONE else "•", style),
                Text(name, "bold"),
                Text(_(row.phase) + row.progress, style),
                Text(f"{end - row.began:5.0f} s", "dim"),
                Text(_("{count} failed", count=row.failed) if row.failed else "", "red"),
                Text(printable(row.at)[:100], "dim", no_wrap=True, overflow="ellipsis"),
            )
        return table
