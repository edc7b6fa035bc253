"""Messages: English texts that keep their template and values."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace

from labctl.errors import LabctlError, UsageError
from labctl.events import Notice
from labctl.messages import Message, joined, msg, recent


def test_a_message_is_its_english_text() -> None:
    message = msg("{node} needs {count:,} MiB", node="a", count=2048)
    assert message == "a needs 2,048 MiB"
    assert f"{message}!" == "a needs 2,048 MiB!"
    assert json.dumps([message]) == '["a needs 2,048 MiB"]'
    assert (message.template, message.values) == (
        "{node} needs {count:,} MiB",
        {"node": "a", "count": 2048},
    )


def test_braces_need_no_doubling_without_values() -> None:
    assert msg("write `box: {url: …}`") == "write `box: {url: …}`"
    assert msg("write {{{key}: 1}}", key="a") == "write {a: 1}"


def test_a_message_is_still_one_after_a_copy() -> None:
    message = msg("cannot read {path}", path="/a")
    event = replace(Notice("a", "other"), message=message)
    error = UsageError("no", hint=message)
    copies = (
        copy.deepcopy(message),
        pickle.loads(pickle.dumps(message)),
        asdict(event)["message"],
        pickle.loads(pickle.dumps(error)).hint,
        str(message),
        str(LabctlError(message)),
    )
    for one in copies:
        assert isinstance(one, Message)
        assert (one, one.template, one.values) == (message, "cannot read {path}", {"path": "/a"})


def test_errors_are_values() -> None:
    inner = LabctlError(msg("{path} is a folder", path="/a"))
    outer = msg("refused: {why}", why=inner)
    assert outer == "refused: /a is a folder"
    assert isinstance(outer.values["why"], Message)
    assert msg("{why}", why=OSError(2, "gone")).values == {"why": "[Errno 2] gone"}


def test_sums_of_messages_are_messages() -> None:
    first, then = msg("all of {count}", count=2), msg(", and more")
    for total in (first + then, first + ", and more", "all of 2" + then):
        assert total == "all of 2, and more"
        assert isinstance(total, Message)


def test_messages_are_joined() -> None:
    assert joined([]) == ""
    assert joined(["a"]) == "a"
    assert joined([msg("a"), "b", "c"]) == "a; b; c"
    both = joined([msg("start"), msg("enable")], "{first} and {then}")
    assert isinstance(both, Message)
    assert (both, both.values) == ("start and enable", {"first": "start", "then": "enable"})


def test_a_change_reaches_every_value() -> None:
    inner = msg("login as {user}", user="root")
    message = msg("{what} failed with {word} {code}", what=inner, word="root", code=1)
    changed = message.map(lambda text: text.replace("root", "•••"))
    assert changed == "login as ••• failed with ••• 1"
    assert changed.template == message.template


def test_a_recent_message_is_found_by_its_text() -> None:
    msg("one of {count}", count=17)
    assert recent("one of 17").template == "one of {count}"
    assert recent("never said").template == "never said"
