"""The loop of `converge`, over a real shell."""

from __future__ import annotations

from tests.integration.resources.local_shell import (
    LocalShell,
    file,
)


def test_a_run_on_a_real_shell_counts_as_on_a_fake_one(here: LocalShell) -> None:
    resources = [file(here.folder / name, f"{name}\n") for name in "abc"]
    assert here.apply(*resources).exchanges == 4
    (here.folder / "b").write_text("drift\n")
    drift = here.apply(*resources)
    assert [change.summary for change in drift.changes] == [f"update {here.folder / 'b'}"]
    assert drift.exchanges == 2
    assert here.apply(*resources).exchanges == 1
