"""Values in what a node answers."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from labctl.messages import msg

_DEEPEST = 100
"""Levels of JSON. Docker's answers have about ten."""


def parse_json(text: str) -> Any:
    """Return the value of a JSON text from a node.

    Raises:
        ValueError: it is not JSON, or it has too many levels, too long a number, NaN or infinity.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
        _check(value)
    except RecursionError as error:
        raise ValueError("too many levels") from error
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(msg("{value} is not a JSON number", value=constant))


def _check(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            item
            for container in level
            if isinstance(container, dict | list)
            for item in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return
    raise ValueError("too many levels")
