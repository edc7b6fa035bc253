"""The testbed's build stages and their inputs, in one list."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.testbed import base, box, buildroot, compose, guest, images, keys, repository, rpms
from tests.testbed.cache import Cache, Stage

_HERE = Path(__file__).parent


def _sources(*names: str) -> tuple[Path, ...]:
    return tuple(_HERE / name for name in names)


STAGES = (
    # The base first: it is the longest way to the box.
    Stage(
        "base",
        base.build,
        _sources("debian.py", "base.py", "el7/configure.sh"),
        programs=("first",),
    ),
    Stage("buildroot", buildroot.build, _sources("debian.py", "buildroot.py"), programs=("first",)),
    Stage("keys", keys.build, _sources("keys.py", "names.py"), ("buildroot",)),
    Stage("seeds", rpms.build_seeds, _sources("rpms.py", "seeds.py"), ("buildroot", "keys")),
    Stage("compose", compose.build, _sources("compose.py"), ("buildroot",), ("python",)),
    Stage(
        "rpms",
        rpms.build,
        _sources("rpms.py", "packages.py", "el7/packages"),
        ("buildroot", "keys", "compose"),
    ),
    Stage(
        "repository",
        repository.build,
        _sources("repository.py"),
        ("buildroot", "keys", "rpms", "compose"),
    ),
    Stage(
        "images",
        images.build,
        _sources("images.py", "el7/images"),
        ("buildroot",),
        ("packages",),
    ),
    Stage(
        "guest",
        guest.build,
        _sources("guest.py", "el7/customize.sh", "el7/files", "el7/initrd-init"),
        ("base", "buildroot", "keys", "seeds"),
    ),
    Stage("box", box.build, _sources("box.py"), ("buildroot", "guest"), ("packages",)),
)


def cache() -> Cache:
    """The testbed's cache, where `default_root` says."""
    return Cache(STAGES)


def version(cache: Cache) -> str:
    """The name of a world for this cache and the testbed's code; changes with either."""
    digest = hashlib.sha256("".join(cache.digests.values()).encode())
    for file in sorted(_HERE.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
