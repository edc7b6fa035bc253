"""GroupMember, whose group may be missing."""

from __future__ import annotations

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    GroupMember,
)
from tests.integration.resources.local_shell import (
    converges,
)
from tests.integration.resources.stand_ins import StandIns


def test_member(stand_ins: StandIns) -> None:
    (stand_ins.state / "user.it's me").write_text("wheel\n")
    (stand_ins.state / "groups").write_text("wheel\n")
    converges(stand_ins.shell, GroupMember("it's me", "docker"))
    converges(stand_ins.shell, GroupMember("it's me", "other"))
    assert (stand_ins.state / "groups").read_text() == "wheel\ndocker\nother\n"
    assert (stand_ins.state / "user.it's me").read_text() == "wheel\ndocker\nother\n"
    with pytest.raises(ChangeFailed, match="no user nobody-here"):
        stand_ins.shell.apply(GroupMember("nobody-here", "docker"))
