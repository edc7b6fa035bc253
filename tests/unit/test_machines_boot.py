"""A machine that never boots: Vagrant is ended when boot_timeout has passed, and not before."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from labctl.errors import MachineError
from labctl.machines import vagrant
from labctl.machines.vagrant import VagrantMachines

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a sh script")

# Stands in for a Vagrant whose machine never gets an address, and which cleans up when interrupted.
VAGRANT = """\
#!/bin/sh
[ "$1" = up ] || exit 0
trap 'echo "==> a: Removing domain..."; exit 1' INT
echo "==> a: Waiting for domain to get an IP address..."
for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1; done
exit 1
"""


def machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boot_timeout: float
) -> VagrantMachines:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "vagrant").write_text(VAGRANT)
    (programs / "vagrant").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(vagrant, "_GRACE", 0.0)
    return VagrantMachines(tmp_path, "libvirt", lambda _: tmp_path / "log", boot_timeout)


def test_it_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = machines(tmp_path, monkeypatch, 1.0)
    began = time.monotonic()
    with pytest.raises(MachineError) as caught:
        lab.up("a", emit=lambda _: None, booting=lambda: None)
    assert time.monotonic() - began < 10
    assert caught.value.message == "it did not boot within 1 s"
    assert "boot_timeout" in caught.value.hint
    assert "Removing domain" in (tmp_path / "log").read_text()  # Vagrant cleaned up
