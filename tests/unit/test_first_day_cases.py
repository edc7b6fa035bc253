"""The table of the first day's cases names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROWS = [
    line.split(" | ")
    for line in (TESTS / "first-day-cases.md").read_text("utf-8").splitlines()
    if re.match(r"\| [HU]\d", line)
]


def test_every_case_has_a_row() -> None:
    numbers = [row[0].removeprefix("| ") for row in ROWS]
    assert numbers == [f"H{n}" for n in range(1, 15)] + [f"U{n}" for n in range(1, 16)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].removeprefix("| "))
def test_what_a_row_names_exists(row: list[str]) -> None:
    named = re.findall(r"`([^`]+)`", " ".join(row[2:]))
    file = None
    found = 0
    for name in named:
        path, _, test = name.partition("::")
        if path.startswith(("unit/", "integration/", "e2e/", "errors/", "golden/")):
            file = TESTS / path
            assert file.exists(), name
            found += 1
        elif path != "…":
            continue
        if test:
            assert file is not None
            assert f"def {test.rpartition('.')[2]}(" in file.read_text("utf-8"), name
    assert found
