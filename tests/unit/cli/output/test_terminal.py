"""Printed text is harmless on a terminal, whatever a node put into it."""

from __future__ import annotations

import ast
import io
import json
import threading
from pathlib import Path

import pytest
from rich.console import Console

from labctl.cli.commands import exec as command
from labctl.cli.options import Globals
from labctl.cli.output import errors, live
from labctl.cli.output.lines import JsonLines, PlainLines
from labctl.cli.output.tables import print_status
from labctl.cli.output.terminal import printable, say, say_json
from labctl.errors import LabctlError, ProtocolError
from labctl.events import Decided, Event, MachineOutput, Notice, Phase, PhaseEntered
from labctl.lab.actions.health import Health
from labctl.lab.actions.status import NodeStatus
from labctl.messages import msg

ATTACKS = [
    "\x1b[2J\x1b[H",
    "\x1b]52;c;cm0gLXJmIH4K\x07",
    "\x1b]8;;http://evil\x1b\\link",
    "\x1bP+q544e\x1b\\",
    "\x9b2J",
    "\x9d52;c;eA==\x9c",
    "\u202egnp.exe\u202c",
    "\u2066x\u2069",
    "ok\rroot# ",
    "a\x08\x08b",
    "\x00\x07\x7f",
    "\udc9b2J",
    "\u2028\u2029\x85",
    "\u200b\ufeff",
]
HARMFUL = set("".join(ATTACKS)) - set("".join(filter(str.isprintable, "".join(ATTACKS))))


def harmless(text: str) -> bool:
    return not HARMFUL & (set(text) - {"\n"})


@pytest.mark.parametrize("text", ATTACKS)
def test_what_a_terminal_obeys_is_replaced(text: str) -> None:
    assert harmless(printable(f"before {text} behind"))
    assert printable(f"before {text} behind").startswith("before ")


@pytest.mark.parametrize(
    "text", ["", "plain", "tab\there", "中文，　全角", "ü é e\u0301", "🐳", "a\xa0b", "→ ✓ █"]
)
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text


def test_a_line_break_within_a_value_makes_no_line_of_its_own() -> None:
    assert printable("a\nerror: b") == "a�error: b"


@pytest.mark.parametrize("text", ATTACKS)
def test_every_outlet_cleans(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ProtocolError(
        msg("{node} broke: {text}", node="n", text=text), details=text, hint=text, node="n"
    )
    events: list[Event] = [
        Notice("n", text),
        PhaseEntered("n", Phase.FAILED, text),
        Decided("n", "key", text),
        MachineOutput("n", text),
    ]
    say(text)
    say(text, err=True, fg="red")
    say_json({"text": text})
    errors.render_error(error, Globals())
    errors.render_error(error, Globals(verbose=True))
    errors.render_error(error, Globals(as_json=True))
    row = NodeStatus("n", text, text, text, text, Health(text, engine=text), (text,), text)
    print_status(Globals(), [row])
    print_status(Globals(as_json=True), [row])
    for sink in (PlainLines(verbose=True), JsonLines()):
        for event in events:
            sink(event)
    found = capsys.readouterr()
    for line in (*found.out.split("\n"), *found.err.split("\n")):
        assert harmless(line.replace("\x1b[31m", "").replace("\x1b[1m", "").replace("\x1b[0m", ""))

    screen = io.StringIO()
    with live.LiveTable(Console(file=screen, width=200)) as table:
        for event in events:
            table(event)
    assert harmless(screen.getvalue())


def test_json_keeps_what_it_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"text": "\x9b2J\u202e中"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"text": "\x9b2J\u202e中"}


class Screen(io.BytesIO):
    """Stdout, as the buffer of a terminal or of a pipe."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_exec_cleans_lines_for_a_terminal_only(terminal: bool) -> None:
    screen = Screen(terminal)
    lines = command.Lines(b"n | ", lambda: screen, threading.Lock(), keep=False)
    lines.take(b"\x1b[2Jone\r\n\xff\xc2\x9b2J\ntw")
    lines.take(b"o")
    lines.end()
    raw = b"n | \x1b[2Jone\nn | \xff\xc2\x9b2J\nn | two\n"
    clean = "n | �[2Jone\nn | ��2J\nn | two\n".encode()
    assert screen.getvalue() == (clean if terminal else raw)


def test_exec_breaks_a_line_without_end() -> None:
    screen = Screen(terminal=False)
    lines = command.Lines(b"n | ", lambda: screen, threading.Lock(), keep=False)
    for _ in range(5):
        lines.take(b"x" * command.LONGEST_LINE)
    lines.end()
    assert screen.getvalue().count(b"n | ") == 5
    assert screen.getvalue().count(b"x") == 5 * command.LONGEST_LINE


def test_exec_keeps_so_much_and_no_more() -> None:
    from labctl.remote.channel import ANSWER, Flood

    lines = command.Lines(b"", lambda: None, threading.Lock(), keep=True)
    lines.take(b"x" * ANSWER)
    with pytest.raises(Flood):
        lines.take(b"x")


def test_only_one_module_prints() -> None:
    """Whoever prints in another way forgets to clean."""
    found = []
    folder = Path(errors.__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("print", "typer.echo", "typer.secho") or called.endswith(
                    ("stdout.write", "stderr.write")
                ):
                    found.append(f"{path.relative_to(folder)}: {called}")
    assert set(found) == {
        "output/terminal.py: typer.echo",
        "output/terminal.py: typer.secho",
        "output/terminal.py: sys.stdout.write",
    }


def test_an_error_names_its_node_in_one_line() -> None:
    first, *_ = errors.lines(LabctlError("a\nb", node="n"))
    assert first == "n: a�b"
