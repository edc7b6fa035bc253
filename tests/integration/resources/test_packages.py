"""Packages: installed, upgraded and downgraded in one transaction."""

from __future__ import annotations

from pathlib import Path

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


def test_a_file_of_a_package_that_is_replaced_can_stay(stand_ins: StandIns, tmp_path: Path) -> None:
    """As /etc/docker/daemon.json, which CentOS's docker owns."""
    folder = tmp_path / "it's"
    folder.mkdir()
    kept, other, none = folder / "kept", folder / "other", folder / "none"
    known = stand_ins.state / "known"
    known.write_text("new 1-1\n")
    owned = stand_ins.state / "owned.old"
    owned.write_text(f"{kept}\n{other}\n{none}\n")
    wanted = Packages((Package("new"),), replaced=("old",), kept=(str(kept), str(none)))

    def install_old() -> None:
        (stand_ins.state / "installed").write_text("old 1-1\n")
        kept.write_text("mine\n")
        kept.chmod(0o600)
        other.write_text("")

    install_old()
    outcome = converges(stand_ins.shell, wanted)
    assert outcome.changes[0].summary == "remove old, install new"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("mine\n", 0o600)
    assert [path.name for path in folder.iterdir()] == ["kept"]

    # A transaction that fails half way takes nothing away either.
    install_old()
    known.write_text("another 1-1\n")
    with pytest.raises(ChangeFailed):
        stand_ins.shell.apply(wanted)
    assert kept.read_text() == "mine\n"
    assert [path.name for path in folder.iterdir()] == ["kept"]
