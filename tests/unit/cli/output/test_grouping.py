"""Equal messages of several nodes are printed once."""

from __future__ import annotations

import pytest

from labctl.cli.output.grouping import NodeMessage, grouped, print_grouped


def _mirror(node: str, address: str, pid: int) -> NodeMessage:
    return NodeMessage(
        node,
        "packages: yum cannot reach its mirror",
        (f"  | {node}: curl[{pid}]: {address} timed out", "  hint: name another mirror"),
    )


def test_equal_messages_of_many_nodes_are_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    print_grouped(_mirror(f"docker-node{n}", f"10.0.0.{n}", 100 + n) for n in (1, 2, 10))
    assert capsys.readouterr().out.splitlines() == [
        "",
        "docker-node1, docker-node2, docker-node10: packages: yum cannot reach its mirror",
        "  | docker-node1: curl[101]: 10.0.0.1 timed out",
        "  hint: name another mirror",
    ]


def test_first_lines_keep_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    said = [
        NodeMessage(f"n{n}", f"10.0.0.{n}:22 does not answer", ("  hint: is it up?",))
        for n in (1, 2)
    ]
    print_grouped(said, err=True)
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
        NodeMessage("b", "another head", ("  | no space left",)),
        NodeMessage("b", "it failed", ("  | connection refused",)),
        NodeMessage("b", "it failed", ("  | no space left", "  hint: make room")),
        NodeMessage("b", "it failed"),
    ],
)
def test_another_cause_is_a_group_of_its_own(other: NodeMessage) -> None:
    first = NodeMessage("a", "it failed", ("  | no space left",))
    again = NodeMessage("c", "it failed", ("  | no space left",))
    assert grouped([first, other, again]) == [[first, again], [other]]


def test_node_names_without_digits_are_ignored_too() -> None:
    """But only as whole words."""
    names = ("alpha", "beta")
    for text in (["  | on alpha: no", "  | on beta: no"], ["  | no alphabet"] * 2):
        said = [NodeMessage(n, "it failed", (t,)) for n, t in zip(names, text, strict=True)]
        assert grouped(said) == [said]


def test_a_message_without_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    print_grouped([NodeMessage("", "interrupted")])
    assert capsys.readouterr().out == "\ninterrupted\n"
