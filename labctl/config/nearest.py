"""Suggestions for mistyped names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from labctl.messages import msg


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known name that `word` probably means; empty if none is similar."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if close:
        return names[close[0]]
    # A part of one name only is meant for that one, such as `node2` for docker-node2.
    parts = [name for low, name in names.items() if len(word) > 1 and word.lower() in low]
    return parts[0] if len(parts) == 1 else ""


def suggestion(word: str, known: Iterable[str], others: str = "") -> str:
    """Return the hint for an unknown name: the most similar one, and what there is.

    Parameters:
        word: the unknown name.
        known: the names that exist.
        others: a hint that lists them, or says how to add one.
    """
    near = nearest(word, known)
    if not near:
        return others
    meant = msg("did you mean {name}?", name=near)
    return msg("{first} {then}", first=meant, then=others) if others else meant
