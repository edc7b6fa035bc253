"""A service that is just being started is waited for, not taken for one that is stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.provision.resources.service import Service
from labctl.remote.exchange import Observed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it runs sh")

# Stands in for systemd right after a boot: the first answers are those of a unit on its way up.
SYSTEMCTL = """\
#!/bin/sh
echo >>"{calls}"
case $(wc -l <"{calls}") in
  1) printf 'UnitFileState=enabled\\nActiveState=inactive\\nJob=71\\n';;
  2) printf 'UnitFileState=enabled\\nActiveState=activating\\nJob=71\\n';;
  *) printf 'UnitFileState=enabled\\nActiveState=%s\\n' {end};;
esac
"""


@pytest.mark.parametrize(("end", "wanted"), [("active", None), ("failed", "start docker")])
def test_it_is_judged_by_how_its_start_ends(tmp_path: Path, end: str, wanted: str | None) -> None:
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL.format(calls=tmp_path / "calls", end=end))
    program.chmod(0o755)
    service = Service("docker")
    done = subprocess.run(
        ["sh", "-c", service.probe()],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    change = service.plan(Observed(done.returncode, done.stdout))
    assert (change.summary if change else None) == wanted
    assert (tmp_path / "calls").read_text().count("\n") == 3
