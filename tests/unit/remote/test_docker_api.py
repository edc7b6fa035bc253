"""The engine's API: what is asked in one command, and what its answers are taken for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from labctl.remote.docker_api import Answer, ask


def test_an_api_that_does_not_answer_is_reported_with_the_reason() -> None:
    broken = SimpleNamespace(rc=1, stdout="", stdout_bytes=b"", stderr="Cannot connect\n")
    with pytest.raises(AssertionError, match="does not answer over the socket: Cannot connect"):
        ask(lambda *_: broken, ("GET", "/version", None))


def test_an_answer_of_the_api() -> None:
    said = (
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[1]\n"
        "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno such"
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
    )
    sent: list[str] = []

    def run(_: str, text: str) -> SimpleNamespace:
        sent.append(text)
        return SimpleNamespace(rc=0, stdout=said, stdout_bytes=said.encode(), stderr="")

    first, second = ask(run, ("GET", "/containers/json", None), ("POST", "/x", {"a": "é"}))
    assert first.json() == [1]
    assert second == Answer(404, "no such")
    with pytest.raises(AssertionError, match="answered 404: no such"):
        second.json()
    assert "POST /x HTTP/1.1\r\n" in sent[0]
    assert 'Content-Length: 15\r\n\r\n{"a": "\\u00e9"}GET /_ping' in sent[0]
