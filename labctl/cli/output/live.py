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
    CheckOutcome,
    CheckStarted,
    Decided,
    Event,
    MachineOutput,
    Notice,
    Phase,
    PhaseEntered,
)
from labctl.messages import msg

_FINAL = (Phase.DONE, Phase.FAILED)
"""Phases in which a node's clock stops."""
_STYLES = {Phase.DONE: "green", Phase.FAILED: "red", Phase.WAITING: "dim"}


_ENDED = {
    Phase.BOOTING: msg("booted"),
    Phase.RESTARTING: msg("restarted"),
    Phase.RESUMING: msg("resumed"),
    Phase.HALTING: msg("shut down"),
    Phase.SUSPENDING: msg("suspended"),
    Phase.SAVING: msg("checkpoint saved"),
    Phase.RESTORING: msg("checkpoint restored"),
    Phase.DELETING: msg("checkpoint deleted"),
    Phase.SYNCING: msg("folders synced"),
    Phase.PULLING: msg("images pulled"),
    Phase.COPYING: msg("disk copied"),
    Phase.SEALING: msg("copy sealed"),
    Phase.PACKING: msg("box packed"),
    Phase.ADDING: msg("box added"),
    Phase.DESTROYING: msg("removed"),
    Phase.CONNECTING: msg("connected"),
    Phase.PROVISIONING: msg("provisioned"),
    Phase.VERIFYING: msg("verified"),
    Phase.REHEARSING: msg("rehearsed"),
}
"""The text for a phase that has ended."""


_LEAST_ROOM = 8
"""Columns below which what a node does at the moment is left out."""


@dataclass(slots=True)
class _Row:
    phase: Phase = Phase.WAITING
    at: str = ""
    progress: str = ""
    failed: int = 0
    step: Phase | None = None
    step_began: float = 0.0
    changes: int = 0
    pending: int = 0
    passed: int = 0
    checks: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None


def _clean(text: str) -> str:
    """Return text of several lines without control characters."""
    return "\n".join(map(printable, text.splitlines()))


class LiveTable:
    """Shows each node's state in place during the run.

    Notices, and the steps that have ended, are printed above the table and stay on the screen.
    """

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
            text = f"{event.node or _('lab')}{_(': ')}{_(event.message)}"
            self._console.print(Text(_clean(text), style="yellow"))
            return
        if isinstance(event, ChangeStarted) and event.check:
            text = sentence(event, verbose=False)
            self._console.print(Text(_clean(f"{event.node}{_(': ')}{text}")), highlight=False)
        ended: Text | None = None
        with self._guard:
            row = self._rows.setdefault(event.node, _Row())
            match event:
                case PhaseEntered(_, phase, note):
                    ended = _enter(event.node, row, phase, _(note))
                    row.phase, row.at, row.progress = phase, _(note), ""
                    row.ended = time.monotonic() if phase in _FINAL else None
                case ChangeStarted(_, playbook, _, summary, _, check):
                    row.pending += check
                    row.at = f"{playbook}{_(': ')}{_(summary)}"
                case ChangeDone():
                    row.at = ""
                    row.changes += 1
                case MachineOutput(_, line):
                    row.at = line
                case Decided(_, key, _):
                    row.at = _("measured {what}", what=key)
                case CheckStarted(section=section, title=title, index=index, total=total):
                    row.at = f"{section}{_(': ')}{_(title)}"
                    row.progress = f" {index}/{total}{_left(event.left)}"
                case CheckEnded(outcome=outcome):
                    row.failed += outcome.bad
                    row.checks += outcome is not CheckOutcome.SKIPPED
                    row.passed += outcome is CheckOutcome.PASSED
                case _:
                    pass
        if ended is not None:
            self._console.print(ended, highlight=False)

    def _table(self) -> Table:
        gap = 2 if self._console.width >= 80 else 1
        table = Table.grid(padding=(0, gap))
        with self._guard:
            rows = list(self._rows.items())
        cells = [self._cells(name, row) for name, row in rows]
        # What a node does at the moment gets the room that the other columns leave.
        widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
        room = self._console.width - sum(widths) - gap * len(widths) - 1
        for line, (_name, row) in zip(cells, rows, strict=True):
            busy = row.ended is None and row.phase is not Phase.WAITING
            at = Text("", no_wrap=True)
            if room >= _LEAST_ROOM:
                at = Text(printable(row.at), "dim", no_wrap=True)
                at.truncate(room, overflow="ellipsis")
            table.add_row(self._spinner if busy else line[0], *line[1:], at)
        return table

    def _cells(self, name: str, row: _Row) -> list[Text]:
        style = _STYLES.get(row.phase, "cyan")
        end = row.ended or time.monotonic()
        return [
            Text("✓" if row.phase is Phase.DONE else "•", style),
            Text(name, "bold", no_wrap=True),
            Text(_(row.phase) + row.progress, style, no_wrap=True),
            Text(f"{end - row.began:5.0f} s", "dim", no_wrap=True),
            Text(_("{count} failed", count=row.failed) if row.failed else "", "red", no_wrap=True),
        ]


def _enter(node: str, row: _Row, phase: Phase, note: str) -> Text | None:
    """Begin a step of a node, and return the line for the one that ends with it, if any."""
    if phase in (Phase.WAITING, row.step):
        return None
    step, began = row.step, row.step_began
    row.step, row.step_began = phase, time.monotonic()
    if step is None or step in _FINAL:
        return None
    took = _("{seconds:.0f} s", seconds=time.monotonic() - began)
    if phase is Phase.FAILED and not row.checks:
        why = f"{_(': ')}{note}" if note else ""
        return Text(_clean(f"✗ {node}  {_(step)}{why}  {took}"), style="red")
    done = [_(_ENDED[step])]
    if step is Phase.PROVISIONING and row.pending:
        count = row.pending
        pending = _("1 change pending") if count == 1 else _("{count} changes pending", count=count)
        done = [_("checked"), pending]
    elif step is Phase.PROVISIONING:
        count = row.changes
        done.append(_("1 change") if count == 1 else _("{count} changes", count=count))
    elif row.checks:
        done.append(f"{row.passed}/{row.checks}")
    line = Text(_clean(f"{node}  {_(', ').join(done)}  "))
    bad = row.checks and row.passed < row.checks
    mark = Text("✗ ", "red") if bad else Text("✓ ", "green")
    return mark + line + Text(took, "dim")


def _left(seconds: float | None) -> str:
    """Return how long the rest of a node's checks will take, roughly."""
    if seconds is None or seconds < 10:
        return ""
    if seconds < 90:
        return _(", about {seconds} s left", seconds=10 * round(seconds / 10))
    return _(", about {minutes} min left", minutes=round(seconds / 60))
