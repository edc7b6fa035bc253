"""Messages of `make demo` and `make test` on an unsuitable machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "testbed/preflight.sh"
pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")
DEBIAN = 'ID=debian\nVERSION_ID="13"\n'
ROOT = "#!/bin/sh\necho 0\n"
USER = "#!/bin/sh\necho 1000\n"
AMD64 = "#!/bin/sh\necho x86_64\n"
ENOUGH = "#!/bin/sh\necho 99000000\n"
YES, NO = "#!/bin/sh\n", "#!/bin/sh\nexit 1\n"
FITTING = {"id": ROOT, "uname": AMD64, "unshare": YES, "df": ENOUGH, "awk": ENOUGH}


def preflight(folder: Path, system: str, programs: dict[str, str]) -> tuple[int, str]:
    """Exit code and words of the script on a machine with these programs."""
    tools = folder / "bin"
    tools.mkdir()
    for name, text in {**FITTING, **programs}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    for name in ("sh", "tail"):
        (tools / name).symlink_to(str(shutil.which(name)))
    release = folder / "os-release"
    release.write_text(system)
    done = subprocess.run(
        ["sh", SCRIPT], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env={"PATH": str(tools), "LABCTL_TESTBED_OS_RELEASE": str(release)},
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("version", ["12", "13"])
@pytest.mark.parametrize("programs", [{}, {"id": USER, "sudo": YES}])
def test_both_debians_will_do(tmp_path: Path, version: str, programs: dict[str, str]) -> None:
    assert preflight(tmp_path, f"ID=debian\nVERSION_ID={version}\n", programs) == (0, "")


@pytest.mark.parametrize(
    ("system", "programs", "words"),
    [
        ("ID=ubuntu\nVERSION_ID=24.04\n", {}, "Debian 12 or 13"),
        ("ID=debian\nVERSION_ID=11\n", {}, "this is 'debian 11'"),
        ("ID=arch\n", {}, "this is 'arch'"),
        (DEBIAN, {"uname": "#!/bin/sh\necho aarch64\n"}, "amd64"),
        (DEBIAN, {"id": USER}, "install sudo"),
        (DEBIAN, {"id": USER, "sudo": NO}, "may use sudo"),
        (DEBIAN, {"unshare": NO}, "--privileged"),
        (DEBIAN, {"df": "#!/bin/sh\necho 1000\n"}, "free disk space"),
        (DEBIAN, {"awk": "#!/bin/sh\necho 500000\n"}, "500 MB are free"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path, system: str, programs: dict[str, str], words: str
) -> None:
    code, said = preflight(tmp_path, system, programs)
    assert (code, said.count("\n")) == (1, 1)
    assert words in said
