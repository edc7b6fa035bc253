"""Programs that tests need and that are not part of labctl's environment.

A developer may lack some of them, so a test without its program is skipped. CI has all of them, so
there it fails: a test that is always skipped would hide a gap.
"""

from __future__ import annotations

import os
import shutil

import pytest

# sshd and the like are outside of most users' PATH.
_ALSO = "/usr/sbin:/usr/local/sbin:/sbin"


def find(program: str) -> str | None:
    """Return the path of a program, None if it is not installed."""
    return shutil.which(program) or shutil.which(program, path=_ALSO)


def require(*programs: str) -> None:
    """Skip the test if one of the programs is missing; fail it if `CI` is set."""
    missing = [program for program in programs if find(program) is None]
    if missing:
        reason = f"not installed: {', '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; CI must have it", pytrace=False)
        pytest.skip(reason)
