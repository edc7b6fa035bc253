"""Programs of a Debian that is unpacked and not installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.testbed.errors import TestbedError


def libraries(root: Path, program: Path) -> list[tuple[Path, str]]:
    """(file, name) of each shared library that `program` below `root` loads, from `root` alone."""
    folders = [root / "lib/x86_64-linux-gnu", root / "usr/lib/x86_64-linux-gnu"]
    path = ":".join(str(folder) for folder in folders)
    done = subprocess.run(
        ["ldd", program], capture_output=True, text=True, check=False,
        env={**os.environ, "LD_LIBRARY_PATH": path},
    )  # fmt: skip
    found = []
    for line in done.stdout.splitlines():
        if "not found" in line:
            raise TestbedError(f"{program} lacks a library: {line.strip()}")
        place = next((word for word in line.split() if word.startswith("/")), None)
        if place:
            file = Path(place)
            inside = file if file.is_relative_to(root) else root / place.lstrip("/")
            found.append((inside.resolve() if inside.exists() else file.resolve(), file.name))
    return found
