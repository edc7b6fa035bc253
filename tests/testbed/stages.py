"""What the testbed builds, from what: the one list that ties the builders together."""

from __future__ import annotations

from pathlib import Path

from tests.testbed import box, compose, debian, guest, images, keys, repository, rpms
from tests.testbed.cache import Cache, Stage

_HERE = Path(__file__).parent


def _sources(*names: str) -> tuple[Path, ...]:
    return tuple(_HERE / name for name in names)


STAGES = (
    Stage("keys", keys.build, _sources("keys.py", "names.py")),
    # The base first: it is the longest way to the box.
    Stage("base", debian.build_base, _sources("debian.py")),
    Stage("payload", debian.build_payload, _sources("debian.py")),
    Stage("seeds", rpms.build_seeds, _sources("rpms.py", "seeds.py"), ("keys",)),
    Stage("compose", compose.build, _sources("compose.py"), ("payload",)),
    Stage(
        "rpms",
        rpms.build,
        _sources("rpms.py", "programs.py", "packages.py", "el7/packages"),
        ("keys", "payload", "compose"),
    ),
    Stage("repository", repository.build, _sources("repository.py"), ("keys", "rpms", "compose")),
    Stage("images", images.build, _sources("images.py", "programs.py", "el7/images"), ("payload",)),
    Stage(
        "guest",
        guest.build,
        _sources("guest.py", "el7/customize.sh", "el7/files"),
        ("base", "keys", "seeds"),
    ),
    Stage("box", box.build, _sources("box.py"), ("guest",)),
)


def cache() -> Cache:
    """The testbed's cache, where `default_root` says."""
    return Cache(STAGES)
