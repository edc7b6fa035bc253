"""Keep passwords out of reports, which people share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from labctl.messages import Message

_KEYS = ("password", "secret", "passwd")
_SHORTEST = 4
"""Characters. A shorter password would match all over a text by chance."""

HIDDEN = "•••"


class Secrets:
    """Texts to hide.

    Parameters:
        texts: what to hide; very short texts are ignored.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        # The longest first, because one text may contain another.
        self._texts = sorted({t for t in texts if len(t) >= _SHORTEST}, key=len, reverse=True)

    @classmethod
    def within(cls, values: Mapping[str, Any]) -> Secrets:
        """Return the values of keys such as ``password`` or ``root_password``, at any depth."""
        return cls(_found(values))

    def hide(self, text: str) -> str:
        """Return `text` without them.

        A message stays translatable unless its template itself has a secret in it.
        """
        if isinstance(text, Message):
            text = text.map(self.hide)
        hidden = text
        for secret in self._texts:
            hidden = hidden.replace(secret, HIDDEN)
        return text if hidden == text else hidden


def _found(value: Any, secret: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _found(item, any(word in str(key).lower() for word in _KEYS))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _found(item, secret)
    elif secret and isinstance(value, str):
        yield value
