"""Secrets are hidden in plain text and in messages, wherever in a message they are."""

from __future__ import annotations

from labctl.checks.redact import HIDDEN, Secrets
from labctl.messages import Message, joined, msg

SECRETS = Secrets.within({"registry": {"user": "student", "password": "hunter22"}})


def test_a_plain_text() -> None:
    assert SECRETS.hide("it said hunter22 twice: hunter22") == f"it said {HIDDEN} twice: {HIDDEN}"


def test_a_message_with_it_among_its_values_stays_a_message() -> None:
    hidden = SECRETS.hide(msg("{node} refused {word}", node="n1", word="hunter22"))
    assert hidden == f"n1 refused {HIDDEN}"
    assert isinstance(hidden, Message)
    assert hidden.template == "{node} refused {word}"


def test_a_message_with_it_in_its_template() -> None:
    """As of a failing assert, whose whole text comes back as one message without values."""
    assert SECRETS.hide(msg("assert 'hunter22' == ''")) == f"assert '{HIDDEN}' == ''"
    inner = msg("{first}", first=msg("not by hunter22"))
    assert SECRETS.hide(inner) == f"not by {HIDDEN}"
    assert SECRETS.hide(joined([msg("hunter22"), msg("two")])) == f"{HIDDEN}; two"


def test_a_message_without_any_is_the_same() -> None:
    message = msg("{node} is fine", node="n1")
    hidden = SECRETS.hide(message)
    assert isinstance(hidden, Message)
    assert (hidden, hidden.template) == (message, message.template)
