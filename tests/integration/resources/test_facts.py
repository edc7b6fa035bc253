"""The facts of a node, read in a real sh."""

from __future__ import annotations

import os

from labctl.provision.facts import PROBE, Facts
from labctl.remote.exchange import exchange
from tests.integration.resources.local_shell import (
    LocalShell,
)


def test_facts_of_this_machine(shell: LocalShell) -> None:
    facts = Facts.read(exchange(shell, [PROBE])[0])
    assert facts.architecture == os.uname().machine
    assert facts.machine_id
    assert facts.machine_id != facts.architecture


def test_facts_keep_their_places_without_a_machine_id(here: LocalShell) -> None:
    """Images are shipped with an empty one."""
    empty = here.folder / "machine-id"
    empty.touch()
    for path in (str(empty), "/nonexistent"):
        (seen,) = exchange(here, [PROBE.replace("/etc/machine-id", path)])
        facts = Facts.read(seen)
        assert (facts.machine_id, facts.architecture) == ("unknown", os.uname().machine)
