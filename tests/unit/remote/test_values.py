"""JSON from a node that wants to do harm by it."""

from __future__ import annotations

import pytest

from labctl.remote.docker_api import Answer, RawOutput, ask
from labctl.remote.values import parse_json


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "[" * 200 + "]" * 200,
        '{"a":' * 200 + "1" + "}" * 200,
        "NaN",
        "[Infinity]",
        '{"a": -Infinity}',
        "9" * 5000,
        "",
        "\0",
        "{'a': 1}",
        '{"a": 1} more',
    ],
)
def test_what_is_no_sane_json(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the words
        parse_json(text)
    with pytest.raises(AssertionError, match="is not JSON"):
        Answer(200, text).json()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[]", []),
        ('{"a": [1, 2.5, null, {"b": "中"}]}', {"a": [1, 2.5, None, {"b": "中"}]}),
        ("[" * 50 + "]" * 50, None),
        ("1e999", float("inf")),
    ],
)
def test_what_is(text: str, value: object) -> None:
    found = parse_json(text)
    assert value is None or found == value


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense",
        b"HTTP/1.1 999999999999999999999 x\r\n\r\n",
        b"HTTP/1.1 -1 x\r\n\r\n",
        b"HTTP/1.1 \xff\xfe x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999999999\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xc2\xb2\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    ],
)
def test_a_daemon_that_speaks_no_http(answer: bytes) -> None:
    def look() -> object:
        found = ask(lambda *_: RawOutput(answer, b"\xff"), ("GET", "/version", None))
        return found[0].json()

    with pytest.raises(AssertionError):
        look()
