"""Passwords that must not stand in a report, which is shown around and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_KEYS = ("password", "secret", "passwd")
_SHORTEST = 4
"""A shorter one would be found by chance all over a text, and hide all of it."""

HIDDEN = "•••"


class Secrets:
    """Texts that are to be hidden.

    Parameters:
        texts: what to hide; those that are too short to be told from other text are passed over.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        # The longest first: one may stand inside another.
        self._texts = sorted({t for t in texts if len(t) >= _SHORTEST}, key=len, reverse=True)

    @classmethod
    def within(cls, values: Mapping[str, Any]) -> Secrets:
        """Return what stands under a key such as ``password`` or ``root_password``, anywhere."""
        return cls(_found(values))

    def hide(self, text: str) -> str:
        """Return `text` without them."""
        for secret in self._texts:
            text = text.replace(secret, HIDDEN)
        return text


def _found(value: Any, secret: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _found(item, any(word in str(key).lower() for word in _KEYS))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _found(item, secret)
    elif secret and isinstance(value, str):
        yield value
