"""labctl with standard streams that are closed, full, or no longer read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs a POSIX shell and a device that is always full"
)

LAB = "machines:\n  - {name: pc1, host: 127.0.0.1, port: 9, user: anna}\n"
FULL = "error: the output cannot be written: No space left on device"
CLOSED = "error: the output cannot be written: Bad file descriptor"
NOBODY = "error: entering the sudo password for pc1 (anna@127.0.0.1:9) needs a terminal"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("--version >/dev/full", 1, FULL),
        ("--help >/dev/full", 1, FULL),
        ("schema >/dev/full", 1, FULL),
        ("--json ssh-config >/dev/full", 1, FULL),
        ("--json ssh-config pc2 >/dev/full", 2, FULL),  # the error is JSON, on stdout
        ("status --limit pc2 2>/dev/full", 2, ""),
        ("schema >&-", 1, CLOSED),
        ("ssh-config >&- 2>&-", 1, ""),
        ("ssh-config >&- 2>&- <&-", 1, ""),
        ("status --limit pc2 2>&-", 2, ""),
        ("exec -K true <&-", 2, NOBODY),
        ("exec -K true </dev/null", 2, NOBODY),
        ("schema | head -n 1 >/dev/null", 0, ""),
    ],
)
def test_one_clear_error(tmp_path: Path, line: str, code: int, words: str) -> None:
    unbuffered = "1" if line.startswith("--") else ""  # both ways
    (tmp_path / "lab.yaml").write_text(LAB)
    done = subprocess.run(
        ["sh", "-c", f'"$PYTHON" -m labctl.cli.main {line}'],
        cwd=tmp_path,
        env={**os.environ, "PYTHON": sys.executable, "PYTHONUNBUFFERED": unbuffered},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,  # no terminal, whoever runs the tests
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    first, *rest = done.stderr.splitlines() or [""]
    assert first == words
    assert all(row.startswith("  ") for row in rest)


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """Else a program that labctl starts would write its output into that file."""
    script = "import os\nfrom labctl.cli.output import streams\nstreams.reserve()\n"
    script += "print(open('new', 'w').fileno(), file=open('answer', 'w'))\n"
    done = subprocess.run(
        ["sh", "-c", '"$PYTHON" -c "$SCRIPT" <&- >&- 2>&-'],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHON": sys.executable,
            "SCRIPT": script,
            "PYTHONPATH": str(Path(__file__).parents[3]),
        },
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert int((tmp_path / "answer").read_text()) > 2


@pytest.mark.parametrize("typed", ["secret\n", "secret"])
def test_a_password_from_a_pipe(tmp_path: Path, typed: str) -> None:
    """No warning that it may be echoed, and no question that nobody reads."""
    (tmp_path / "lab.yaml").write_text(LAB)
    done = subprocess.run(
        [sys.executable, "-m", "labctl.cli.main", "exec", "-K", "true"],
        cwd=tmp_path,
        input=typed,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "127.0.0.1:9 does not answer" in done.stderr
    assert "Warning" not in done.stderr
    assert "secret" not in done.stderr + done.stdout
