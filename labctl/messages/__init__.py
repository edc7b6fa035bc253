"""Messages for people: a template in English, and the values in it.

`msg` marks a message at the place where its values are known, and gives its English text. The
command line looks its template up in the reader's language just before it prints it; everything
else (JSON, JUnit, logs, tests) reads the English text. This package's folders hold the
translations.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import reduce

_SPACES = "\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}"
"""Of the spaces that Python does not call printable, those that people type."""

_recent: deque[Message] = deque(maxlen=16)


class Message(str):
    """An English text that can still be translated, because it keeps its template and values.

    Build it with `msg`. Messages stay translatable when they are added, are values of another
    message, or go through `joined`. Other operations of `str`, f-strings among them, return plain
    text.
    """

    __slots__ = ("template", "values")
    template: str
    values: dict[str, object]

    def __new__(cls, template: str, values: dict[str, object]) -> Message:
        text = super().__new__(cls, template.format(**values) if values else template)
        text.template, text.values = template, values
        return text

    def __str__(self) -> str:
        return self

    def __add__(self, other: str) -> Message:
        return msg("{first}{then}", first=self, then=other)

    def __radd__(self, other: str) -> Message:
        return msg("{first}{then}", first=other, then=self)

    def __reduce__(self) -> tuple[type[Message], tuple[str, dict[str, object]]]:
        return Message, (self.template, self.values)

    def map(self, change: Callable[[str], str]) -> Message:
        """Return the message with `change` applied to each text among its values."""
        changed: dict[str, object] = {}
        for name, value in self.values.items():
            inner = value.map(change) if isinstance(value, Message) else value
            changed[name] = change(inner) if type(inner) is str else inner
        return Message(self.template, changed)


def msg(template: str, /, **values: object) -> Message:
    """Return a message.

    Parameters:
        template: in English, with a ``{name}`` for each value, in the syntax of `str.format`. Where
            there are no values, it is the text as it stands.
        values: numbers stay numbers, for format specifications; everything else becomes text. A
            value may be a message itself.
    """
    texts: dict[str, object] = {
        name: value if isinstance(value, str | int | float) else str(value)
        for name, value in values.items()
    }
    message = Message(template, texts)
    _recent.append(message)
    return message


def joined(parts: Iterable[str], template: str = "{first}; {then}") -> str:
    """Return messages as one, each of them still translatable; empty if there are none."""
    found = list(parts)
    return reduce(lambda first, then: msg(template, first=first, then=then), found) if found else ""


def printable(text: str, keep: str = "\t") -> str:
    """Return text that a terminal shows as it is, whatever a node put into it.

    Escape sequences, other control characters, direction marks, surrogates and carriage returns
    become U+FFFD: they can clear the screen, set the clipboard, or make a line look like another.

    Parameters:
        text: what to clean.
        keep: control characters that may stay.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep or c in _SPACES else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def recent(text: str) -> Message:
    """Return the message with this text, if it is one of the last few made; else a new one.

    For libraries that keep only the text of a message, such as pytest's rewritten `assert`.
    """
    found = (message for message in tuple(_recent)[::-1] if message == text)
    return next(found, Message(text, {}))
