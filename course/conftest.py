"""What every exercise gets: `desk`, where it works.

`labctl rehearse` runs the sections of this folder with these fixtures beside its own (`host`,
`peers`, `wanted`).
"""

import secrets
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from labctl.desk import Desk


@pytest.fixture(scope="session")
def _desks() -> Iterator[dict[str, Desk]]:
    """The desks by node; what was pulled for one section serves the next."""
    desks: dict[str, Desk] = {}
    yield desks
    for desk in desks.values():
        desk.close()


@pytest.fixture(scope="module")
def _own_desk(
    request: pytest.FixtureRequest,
    host: Host,
    peers: Mapping[str, Host],
    wanted: dict[str, Any],
    _desks: dict[str, Desk],
) -> Desk:
    """The node's desk, swept at the beginning of each section."""
    node = wanted["name"]
    if node not in _desks:
        token = wanted.get("rehearsal", {}).get("token") or secrets.token_hex(4)
        _desks[node] = Desk(host, node, node, token, {}, (node, *peers), peers)
    desk = _desks[node]
    desk.images = images(request.path.parent)
    desk.open()
    return desk


@pytest.fixture
def desk(_own_desk: Desk) -> Iterator[Desk]:
    """Where the exercise works: what it makes there is gone when it ends."""
    yield _own_desk
    _own_desk.clean()


def images(folder: Path) -> dict[str, str]:
    """Return the names of the course's images, those of a section's own folder before labctl's."""
    names: dict[str, str] = {}
    for place in (Path(__file__).parent, folder):
        if (place / "images.toml").is_file():
            names |= tomllib.loads((place / "images.toml").read_text("utf-8"))
    return names
