"""Command, with a check that decides whether it is applied."""

from __future__ import annotations

import pytest

from labctl.errors import ChangeFailed, DidNotConverge
from labctl.playbook import (
    Command,
)
from tests.integration.resources.local_shell import (
    LocalShell,
    converges,
)


def test_command(shell: LocalShell) -> None:
    path = shell.folder / "done"
    converges(shell, Command("make it", f"[ -e '{path}' ]", f"set -e; : >'{path}'"))
    with pytest.raises(DidNotConverge):
        shell.apply(Command("never", "false", "echo tried"))
    with pytest.raises(ChangeFailed, match="exit code 9"):
        shell.apply(Command("fails", "false", "exit 9"))
