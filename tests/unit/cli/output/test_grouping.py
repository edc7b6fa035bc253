"""What goes wrong on several nodes in the same way is told once."""

from __future__ import annotations

import pytest

from labctl.cli.output.grouping import Message, tell, together


def _mirror(node: str, address: str, pid: int) -> Message:
    return Message(
        node,
        "packages: yum cannot reach its mirror",
        (f"  | {node}: curl[{pid}]: {address} timed out", "  hint: name another mirror"),
    )


def test_one_trouble_of_many_nodes_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    tell(_mirror(f"docker-node{n}", f"10.0.0.{n}", 100 + n) for n in (1, 2, 10))
    assert capsys.readouterr().out.splitlines() == [
        "",
        "docker-node1, docker-node2, docker-node10: packages: yum cannot reach its mirror",
        "  | docker-node1: curl[101]: 10.0.0.1 timed out",
        "  hint: name another mirror",
    ]


def test_first_lines_keep_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    said = [
        Message(f"n{n}", f"10.0.0.{n}:22 does not answer", ("  hint: is it up?",)) for n in (1, 2)
    ]
    tell(said, err=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "n1: 10.0.0.1:22 does not answer",
        "n2: 10.0.0.2:22 does not answer",
        "  hint: is it up?",
    ]


@pytest.mark.parametrize(
    "other",
    [
        Message("b", "another head", ("  | no space left",)),
        Message("b", "it failed", ("  | connection refused",)),
        Message("b", "it failed", ("  | no space left", "  hint: make room")),
        Message("b", "it failed"),
    ],
)
def test_another_cause_is_told_by_itself(other: Message) -> None:
    first = Message("a", "it failed", ("  | no space left",))
    again = Message("c", "it failed", ("  | no space left",))
    assert together([first, other, again]) == [[first, again], [other]]


def test_names_without_numbers_are_names_too() -> None:
    """But a name within another word is none."""
    names = ("alpha", "beta")
    for text in (["  | on alpha: no", "  | on beta: no"], ["  | no alphabet"] * 2):
        said = [Message(n, "it failed", (t,)) for n, t in zip(names, text, strict=True)]
        assert together(said) == [said]


def test_what_is_of_no_node(capsys: pytest.CaptureFixture[str]) -> None:
    tell([Message("", "interrupted")])
    assert capsys.readouterr().out == "\ninterrupted\n"
