"""The tree of errors, and how the command line shows one."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from labctl import errors
from labctl.cli.options import Globals
from labctl.cli.output.errors import as_json, lines, render_error
from labctl.cli.output.terminal import printable
from labctl.errors import (
    AuthFailed,
    ChangeFailed,
    DidNotConverge,
    HostKeyChanged,
    Interrupted,
    LabctlError,
    MachineError,
    PlaybookError,
    Problem,
    SpecError,
    UsageError,
)
from tests.json_lines import lines_of

TREE = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, LabctlError)
}


def drawn() -> dict[str, tuple[str, int]]:
    """Return (parent, exit code) of every error in the drawing at the top of the module."""
    found: dict[str, tuple[str, int]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)(\w+) .*?(\d+)\b", line)
        if match:
            depth = len(match[1]) // 4
            path = [*path[:depth], match[2]]
            found[match[2]] = (path[-2] if depth else "Exception", int(match[3]))
    return found


def test_the_drawing_shows_the_tree() -> None:
    real = {name: (kind.__bases__[0].__name__, kind.exit_code) for name, kind in TREE.items()}
    assert drawn() == real


def test_every_error_has_its_kind() -> None:
    assert all(kind.__doc__ for kind in TREE.values())


def test_only_three_exit_codes() -> None:
    assert {kind.exit_code for kind in TREE.values()} == {1, 2, 130}


SPEC = SpecError(
    "lab.yaml",
    [
        Problem("nodes", "must be from 1 to 50, is 0", 3, "a lab has at least one node"),
        Problem("--memory", "must be a whole number"),
    ],
)

CASES: list[tuple[LabctlError, list[str]]] = [
    (UsageError("makes no sense", hint="try this"), ["makes no sense", "  hint: try this"]),
    (
        MachineError(
            "did not come up", node="a", hint="look", details="one\n\ntwo", log=Path("a.log")
        ),
        ["a: did not come up", "  | one", "  | two", "  hint: look", "  log:  a.log"],
    ),
    (
        ChangeFailed(
            "install x: failed",
            resource="packages:x",
            details="\x1b[31mred",
            node="a",
            hint="free some space",
        ),
        [
            "a: install x: failed",
            "  | \N{REPLACEMENT CHARACTER}[31mred",
            "  hint: free some space",
        ],
    ),
    (
        SPEC,
        [
            "lab.yaml: 2 problems, nothing was touched",
            "  line 3: nodes: must be from 1 to 50, is 0",
            "      a lab has at least one node",
            "  --memory: must be a whole number",
        ],
    ),
    (SpecError("lab.yaml", [Problem("a", "b")]), ["lab.yaml: 1 problem, nothing was touched",
                                                  "  a: b"]),
]  # fmt: skip


@pytest.mark.parametrize(("error", "expected"), CASES)
def test_lines(error: LabctlError, expected: list[str]) -> None:
    assert lines(error) == expected


@pytest.mark.parametrize(
    "error",
    [
        *(error for error, _ in CASES),
        DidNotConverge("x", resource="file:/a", node="a", hint="h"),
        HostKeyChanged("x", node="a"),
        AuthFailed("x"),
        PlaybookError("x"),
        Interrupted("x"),
    ],
)
def test_json(error: LabctlError, capsys: pytest.CaptureFixture[str]) -> None:
    render_error(error, Globals(as_json=True))
    out, err = capsys.readouterr()
    assert (err, out.count("\n")) == ("", 1)
    (data,) = lines_of(out)
    assert data == json.loads(json.dumps(as_json(error)))
    assert (data["event"], data["kind"]) == ("error", type(error).__name__)
    assert (data["message"], data["exit_code"]) == (error.message, error.exit_code)
    assert data.get("node", "") == error.node
    assert data.get("hint", "") == error.hint
    assert data.get("details", "") == error.details
    assert data.get("log", "") == str(error.log or "")
    assert data.get("resource", "") == getattr(error, "resource", "")
    if isinstance(error, SpecError):
        assert [(p["where"], p["line"], p["message"], p["hint"]) for p in data["problems"]] == [
            (p.where, p.line, p.message, p.hint) for p in error.problems
        ]
    else:
        assert "problems" not in data


def test_an_error_is_printed_once_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    render_error(MachineError("did not come up", node="a", hint="look"), Globals())
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: a: did not come up\n  hint: look\n")


def test_a_traceback_only_with_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in (False, True):
        try:
            raise MachineError("did not come up")
        except MachineError as error:
            render_error(error, Globals(verbose=verbose))
        assert ("Traceback" in capsys.readouterr().err) is verbose


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 🐳\ttab", "plain ü 🐳\ttab"),
        ("\x1b]0;title\x07", "�]0;title�"),
        ("a\x00b\udce9", "a�b�"),
        ("\u202eright to left", "�right to left"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
