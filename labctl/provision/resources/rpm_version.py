"""Compares RPM versions by RPM's own rules.

yum 3 upgrades with `install` and downgrades only with `downgrade`, so the direction must be known
before the transaction. The rules are those of rpmvercmp (rpm 4.11, the one of EL7, with tilde).
"""

from __future__ import annotations

import re
from itertools import zip_longest

_SEGMENT = re.compile(r"~|[0-9]+|[A-Za-z]+")


def compare(left: str, right: str) -> int:
    """Compare two version or release strings.

    Returns:
        -1, 0 or 1 if `left` is older than, equal to or newer than `right`.
    """
    for a, b in zip_longest(_SEGMENT.findall(left), _SEGMENT.findall(right)):
        if a == b:
            continue
        if a == "~" or b == "~":
            return -1 if a == "~" else 1
        if a is None or b is None:
            return -1 if a is None else 1
        if a.isdigit() and b.isdigit():
            # Without int, which refuses thousands of digits.
            first, second = ((len(n), n) for n in (a.lstrip("0"), b.lstrip("0")))
            if first != second:
                return -1 if first < second else 1
        elif a.isdigit() or b.isdigit():
            return 1 if a.isdigit() else -1
        else:
            return -1 if a < b else 1
    return 0


def older(left: str, right: str) -> bool:
    """Return True if VERSION[-RELEASE] `left` is older than `right`; neither has an epoch.

    A right side without release is compared by version only.
    """
    left_version, _, left_release = left.partition("-")
    right_version, _, right_release = right.partition("-")
    order = compare(left_version, right_version)
    if order == 0 and right_release:
        order = compare(left_release, right_release)
    return order < 0
