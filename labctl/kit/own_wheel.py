"""labctl's own wheel: built from a checkout, or put together again from the installed files."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path, PurePosixPath

from labctl.errors import KitError
from labctl.messages import msg

DISTRIBUTION = "labctl-vagrant"
_OWN_TO_AN_INSTALLATION = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every file, so that the same files make the same wheel."""


def own_wheel(target: Path) -> Path:
    """Put labctl's own wheel into a folder, and return the file.

    Raises:
        KitError: it cannot be built.
    """
    checkout = Path(__file__).parents[2]
    if not (checkout / "pyproject.toml").is_file():
        return repacked(metadata.distribution(DISTRIBUTION), target)
    # pip would install the build's tools from the network; a developer has them.
    tools = all(importlib.util.find_spec(name) for name in ("hatchling", "babel"))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--wheel-dir", str(target)),
            *(("--no-build-isolation",) if tools else ()),
            str(checkout),
        ],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    found = sorted(target.glob("labctl_vagrant-*.whl"))
    if done.returncode != 0 or not found:
        raise KitError(
            msg("labctl's wheel cannot be built from {folder}", folder=checkout),
            hint="install labctl from a wheel, or leave it out with --no-wheels",
            details=done.stderr.strip()[-2000:],
        )
    return found[0]


def repacked(distribution: metadata.Distribution, target: Path) -> Path:
    """Return a wheel of an installed distribution, put into a folder.

    Raises:
        KitError: it has no list of its files.
    """
    name = distribution.metadata["Name"].replace("-", "_").replace(".", "_")
    files = {
        str(file): Path(str(distribution.locate_file(file)))
        for file in distribution.files or ()
        if ".." not in file.parts
        and file.suffix != ".pyc"
        and not (file.name in _OWN_TO_AN_INSTALLATION and file.parent.suffix == ".dist-info")
    }
    described = next((path for path in files if path.endswith(".dist-info/WHEEL")), "")
    if not described:
        raise KitError(
            msg("labctl's installation has no list of its files"),
            hint="install labctl with pip, or leave it out with --no-wheels",
        )
    info = str(PurePosixPath(described).parent)
    tags = [
        line.partition(":")[2].strip()
        for line in files[described].read_text("utf-8").splitlines()
        if line.startswith("Tag:")
    ]
    parts = [sorted({tag.split("-")[n] for tag in tags}) for n in range(3)]
    wheel = target / f"{name}-{distribution.version}-{'-'.join(map('.'.join, parts))}.whl"
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            content = files[path].read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            archive.writestr(_entry(path), content)
            record.append(f"{path},sha256={digest.decode()},{len(content)}")
        record.append(f"{info}/RECORD,,")
        archive.writestr(_entry(f"{info}/RECORD"), "\n".join(record) + "\n")
    return wheel


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
