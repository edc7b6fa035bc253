"""Hints for texts where a number belongs, such as ``2G`` or ``"2048"``."""

from __future__ import annotations

import re

from labctl.messages import msg

_UNITS = {"": 1, "m": 1, "mb": 1, "mib": 1, "g": 1024, "gb": 1024, "gib": 1024}


def number_hint(key: str, text: str) -> str:
    """Return how to write a number; empty if `text` is not like one.

    Parameters:
        key: of lab.yaml, such as ``memory``, which is in MiB.
        text: what was written.
    """
    plain = text.strip().translate(str.maketrans("０１２３４５６７８９", "0123456789"))
    found = re.fullmatch(r"(\d+)(?:[.,](\d+))?\s*([A-Za-z]*)", plain)
    if found is None:
        return ""
    whole, part, unit = found.groups()
    unit = unit.lower()
    if key == "memory" and unit in _UNITS:
        number = float(f"{whole}.{part or 0}") * _UNITS[unit]
        return msg("write the number of MiB: {number}", number=round(number))
    if not part and not unit:
        return msg("write the number without quotes: {number}", number=int(whole))
    return ""
