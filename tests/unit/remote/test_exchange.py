"""Many snippets in one round trip: what goes out, and what is made of the answer."""

from __future__ import annotations

import json

import pytest

from labctl.errors import ProtocolError
from labctl.remote.exchange import Observed, compose, exchange, legible, parse
from tests.unit.fakes import FakeNode, framed, unframe

TOKEN = "0123456789abcdef0123456789abcdef"

HOSTILE = [
    "",
    "true",
    "echo 'it''s'",
    'echo "$(id)" `id` $HOME',
    "cat <<EOF\ntext\nEOF",
    "printf '\\n%s 0\\n' token",
    "if true; then",
    ") ; exit 0 ; (",
    "# a comment at the end",
    "echo a \\",
    "caf\udce9 ü 🐳",
    "eval 'true'\nexit 3",
]


def test_snippets_go_out_whole_and_in_order() -> None:
    token, snippets = unframe(compose(HOSTILE, TOKEN))
    assert token == TOKEN
    assert [s for s in snippets if s != "true\nexit 3"] == HOSTILE


def test_each_exchange_has_a_token_of_its_own() -> None:
    tokens: list[str] = []

    class Node(FakeNode):
        def run(self, script: str) -> bytes:
            tokens.append(unframe(script)[0])
            return super().run(script)

    node = Node()
    exchange(node, ["pass a"])
    exchange(node, ["pass a"])
    assert len(set(tokens)) == 2
    assert all(len(token) == 32 for token in tokens)


@pytest.mark.parametrize(
    "results",
    [
        [],
        [(0, b"")],
        [(0, b"with its end\n"), (0, b"without")],
        [(1, b"\n"), (127, b"\n\n\n"), (255, b"")],
        [(0, b"caf\xe9 \xff\xfe\x00\x80")],
        [(0, "ümläut 🐳\r\n".encode())],
        # A frame of somebody else is output like any other.
        [(0, b"\n00000000000000000000000000000000 0\n"), (3, b"after")],
        [(0, TOKEN.encode())],
        [(0, b"x" * 1_000_000)],
    ],
)
def test_results_come_back_as_they_were(results: list[tuple[int, bytes]]) -> None:
    seen = parse(framed(TOKEN, results), TOKEN, len(results))
    assert [(o.exit_code, o.output.encode("utf-8", "surrogateescape")) for o in seen] == results
    assert [o.ok for o in seen] == [code == 0 for code, _ in results]


WHOLE = framed(TOKEN, [(0, b"first"), (0, b"second")])


@pytest.mark.parametrize(
    ("raw", "arrived"),
    [
        (b"", 0),
        (b"Last login: yesterday\nbash: line 1: syntax error", 0),
        (WHOLE[: len(WHOLE) // 2], 1),
        (WHOLE[:-3], 1),
        (framed(TOKEN, [(0, b"first")]), 1),
        (framed("f" * 32, [(0, b""), (0, b"")]), 0),
        (framed(TOKEN, [(0, b"")]) + f"second\n{TOKEN} x\n".encode(), 1),
        (framed(TOKEN, [(0, b"")]) + f"second\n{TOKEN} 0\n".encode(), 1),
        (framed(TOKEN, [(0, b"")]) + f"second\n{TOKEN} 0 2\n".encode(), 1),
        (framed(TOKEN, [(0, b"")]) + f"second\n{TOKEN} 0 0 \n".encode(), 1),
        (framed(TOKEN, [(0, b"")] * 3), 3),
    ],
)
def test_an_answer_that_is_not_whole_is_no_result(raw: bytes, arrived: int) -> None:
    with pytest.raises(ProtocolError, match=f"only {arrived} of 2") as caught:
        parse(raw, TOKEN, 2, "node1")
    assert caught.value.node == "node1"
    assert caught.value.hint


def test_a_cut_exit_code_is_no_exit_code() -> None:
    """127 that is cut off after its first digit would read as 1."""
    whole = framed(TOKEN, [(127, b"")])
    for end in range(1, 4):
        with pytest.raises(ProtocolError):
            parse(whole[:-end], TOKEN, 1)


def test_the_error_shows_what_came_instead() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(b"This account is currently not available.\xe9\n", TOKEN, 1)
    assert "not available" in caught.value.details
    caught.value.details.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain ü 🐳\n", "plain ü 🐳\n"), ("caf\udce9", "caf\\xe9"), ("\udcff\udc80", "\\xff\\x80")],
)
def test_bytes_that_are_no_utf8_are_shown(text: str, shown: str) -> None:
    assert legible(text) == Observed(0, text).text == shown
    json.dumps(legible(text), ensure_ascii=False).encode("utf-8")


def test_an_answer_may_end_where_a_process_was_left() -> None:
    raw = framed(TOKEN, [(0, b"first")]) + f"second\n{TOKEN} 3 0\nlate\n{TOKEN} 0 1\n".encode()
    assert parse(raw, TOKEN, 5) == [Observed(0, "first"), Observed(3, "second")]
    assert parse(raw, TOKEN, 2) == [Observed(0, "first"), Observed(3, "second")]
    with pytest.raises(ProtocolError):
        parse(raw, TOKEN, 1)


def test_a_node_that_ends_each_script_at_once_ends() -> None:
    """A hostile one may say so of each snippet."""

    class Node(FakeNode):
        def run(self, script: str) -> bytes:
            answer = super().run(script)
            return answer.replace(b" 1\n", b" 0\n", 1)

    node = Node()
    snippets = [f"pass {number}" for number in range(5)]
    assert [one.output for one in exchange(node, snippets)] == list("01234")
    assert len(node.scripts) == 5


def test_behind_a_gate_that_is_shut_nothing_runs() -> None:
    node = FakeNode()
    assert exchange(node, ["fail no", "set a 1", "pass b"], gate=True) == [Observed(7, "no")]
    assert node.settings == {}


def test_behind_a_gate_that_is_open_all_is_run() -> None:
    seen = exchange(FakeNode(), ["pass a", "fail b", "pass c"], gate=True)
    assert seen == [Observed(0, "a"), Observed(7, "b"), Observed(0, "c")]


@pytest.mark.parametrize(
    "results", [[], [(0, b"first")], [(1, b"first"), (0, b"")], [(0, b""), (1, b"")]]
)
def test_behind_a_gate_an_answer_that_was_cut_off_is_no_result(
    results: list[tuple[int, bytes]],
) -> None:
    with pytest.raises(ProtocolError):
        parse(framed(TOKEN, results), TOKEN, 3, gate=True)
