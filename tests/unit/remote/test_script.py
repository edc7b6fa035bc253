"""Command lines that every login shell understands, and what comes before a script."""

from __future__ import annotations

import pytest

from labctl.errors import ProtocolError, RemoteError, SudoRefused
from labctl.remote import channel
from labctl.remote.channel import MARK, AfterMark, Flood
from labctl.remote.script import launch, not_begun
from labctl.remote.target import Target


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("echo it's", ()),
        ("echo a\\b", ()),
        ("echo !x", ()),
        ("echo a\necho b", ()),
        ("echo $1", ("it's",)),
        ("echo $1", ("plain",)),
        ("echo plain", ()),
        ("echo ü; echo \udcff", ()),
    ],
)
def test_the_command_line_has_nothing_on_which_shells_differ(
    script: str, arguments: tuple[str, ...]
) -> None:
    line, stdin = launch(script, arguments)
    assert line.startswith("sh -c '")
    assert line.endswith("'")
    assert not set(line[7:-1]) & set("'\\!\n")
    if stdin:
        assert stdin.endswith(script.encode("utf-8", "surrogateescape"))
        assert f"head -c {len(stdin)}" in line
    else:
        assert script in line


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("noise", [b"", b"Welcome\n", b"no end", MARK[:-1] + b"x", b"l" * 10_000])
def test_what_precedes_the_mark_is_skipped(noise: bytes, size: int) -> None:
    taken = bytearray()
    stream = AfterMark(taken.extend)
    data = noise + MARK + b"answer " + MARK + b"more"
    for at in range(0, len(data), size):
        stream(data[at : at + size])
    assert stream.begun
    assert bytes(taken) == b"answer " + MARK + b"more"
    assert noise.endswith(bytes(stream.before))


def test_noise_is_skipped_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "ANSWER", 100_000)
    stream = AfterMark(lambda data: None)
    for _ in range(10):
        stream(b"y" * 10_000)
    with pytest.raises(Flood):
        stream(b"y" * 10_000)
    assert len(stream.before) < 20_000


ANNA, ROOT = Target("n", "h", 22, "anna"), Target("n", "h", 22, "root")


@pytest.mark.parametrize(
    ("before", "target", "root", "kind", "words"),
    [
        ((b"", b"sudo: a password is required"), ANNA, True, SudoRefused, "--ask-sudo-password"),
        (
            (b"", b"sudo: sorry, you must have a tty to run sudo"),
            ANNA,
            True,
            SudoRefused,
            "requiretty",
        ),
        ((b"This account is currently not available.", b""), ANNA, True, RemoteError, "chsh"),
        ((b"This account is currently not available.", b""), ROOT, True, RemoteError, "chsh"),
        ((b"", b"rbash: sh: command not found"), ANNA, False, RemoteError, "chsh"),
        ((b"", b""), ANNA, True, ProtocolError, "node runs"),
    ],
)
def test_a_script_that_did_not_begin_says_why(
    before: tuple[bytes, bytes],
    target: Target,
    root: bool,
    kind: type[RemoteError],
    words: str,
) -> None:
    error = not_begun(before, target, root=root)
    assert type(error) is kind
    assert words in error.hint
    assert error.node == "n"


def test_only_the_end_of_the_noise_is_shown() -> None:
    error = not_begun((b"line\n" * 1000 + b"\xff\x00" * 5000 + b"\nthe end", b""), ANNA, root=False)
    assert error.details.endswith("the end")
    assert len(error.details) <= 1000
