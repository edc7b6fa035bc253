"""Packages: installed, upgraded and downgraded in one transaction."""

from __future__ import annotations

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    Package,
    Packages,
)
from tests.integration.resources.local_shell import (
    converges,
)
from tests.integration.resources.stand_ins import StandIns


def test_packages(stand_ins: StandIns) -> None:
    known, shell = stand_ins.state / "known", stand_ins.shell
    known.write_text("a 1.0-1.el7\nb 2.0-1.el7\nc 3.0-2.el7\n")
    converges(shell, Packages((Package("a", "1.0"), Package("b", "2.0-1.el7"), Package("c"))))
    known.write_text("a 0.9-1.el7\nb 2.1-1.el7\nc 3.0-2.el7\n")
    wanted = Packages((Package("a", "0.9"), Package("b", "2.1"), Package("c")))
    outcome = converges(shell, wanted)
    assert outcome.changes[0].summary == "install b 2.1, downgrade a 0.9"
    assert (stand_ins.state / "installed").read_text().split("\n")[:-1] == [
        "c 3.0-2.el7",
        "b 2.1-1.el7",
        "a 0.9-1.el7",
    ]
    calls = [line.split()[-1] for line in stand_ins.log]
    assert calls == ["c", "shell"]
    with pytest.raises(ChangeFailed) as caught:
        shell.apply(Packages((Package("a"), Package("d", "1"))))
    assert "No package d-1 available" in caught.value.details
