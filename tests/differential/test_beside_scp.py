"""`labctl scp` beside OpenSSH's `scp -rp`, with the same sshd: the same forms, the same trees.

Hypothesis invents trees and command lines. Both programs copy the same, each in a world of its own,
and what they leave is compared: names, kinds, contents, modes, times, and whether they failed. Each
difference that is meant is one of `DIFFERENCES`, and stands in the documentation.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import note

from tests.differential import trees
from tests.differential.cases import Case, cases, patterns
from tests.differential.conftest import Invent
from tests.differential.differences import DIFFERENCES, NOT_COMPARED, Difference
from tests.differential.programs import Outcome, Programs


def compare(programs: Programs, case: Case) -> None:
    """Copy with both, and compare what they left."""
    scp, labctl = both(programs, case)
    note(f"scp: {scp}\nlabctl: {labctl}")
    scp, labctl = (_without_existing_modes(case, outcome) for outcome in (scp, labctl))
    if any(difference.explains(case, scp, labctl) for difference in DIFFERENCES):
        return
    assert labctl.left == scp.left
    assert labctl.failed == scp.failed


def both(programs: Programs, case: Case) -> tuple[Outcome, Outcome]:
    """Return what scp does, and what labctl does."""
    scp, labctl = programs.scp(case), programs.labctl(case)
    if scp.failed:
        return scp.without_times(), labctl.without_times()
    return scp, labctl


def _without_existing_modes(case: Case, outcome: Outcome) -> Outcome:
    """Leave out the modes of folders that existed: beside another difference, they are one more."""
    before = case.before_snapshot
    left = dict(outcome.left)
    for path, what in outcome.left.items():
        if what[0] == "folder" and before.get(path, ("",))[0] == "folder":
            left[path] = (what[0], before[path][1], *what[2:])
        elif what[0] == "folder" and len(case.sources) > 1:
            left[path] = (what[0], 0, *what[2:])
    return replace(outcome, left=left)


def test_files_and_folders(programs: Programs, invent: Invent) -> None:
    invent(lambda case: compare(programs, case), cases(trees.plain))


def test_pipes(programs: Programs, invent: Invent) -> None:
    invent(lambda case: compare(programs, case), cases(trees.piped))


def test_links_that_are_followed(programs: Programs, invent: Invent) -> None:
    invent(lambda case: compare(programs, case), cases(trees.linked))


def test_links_that_are_kept(programs: Programs, invent: Invent) -> None:
    """What they lead to is what scp copies in their place."""
    kept = cases(trees.linked).map(lambda case: replace(case, follow=False))
    invent(lambda case: compare(programs, case), kept)


def test_patterns(programs: Programs, invent: Invent) -> None:
    invent(lambda case: compare(programs, case), patterns())


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.row)
def test_a_difference_is_one(programs: Programs, difference: Difference) -> None:
    scp, labctl = both(programs, difference.example)
    assert (labctl.left, labctl.failed) != (scp.left, scp.failed)
    assert difference.explains(difference.example, scp, labctl)


def test_the_documentation_has_each_difference() -> None:
    page = (Path(__file__).parents[2] / "docs" / "copying.md").read_text("utf-8")
    table = page.partition("## Differences from scp")[2].partition("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert rows[2:] == [difference.row for difference in DIFFERENCES] + NOT_COMPARED
