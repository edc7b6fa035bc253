"""What every exercise gets: `desk`, where it works.

`labctl rehearse` runs the sections of this folder with these fixtures beside its own (`host`,
`peers`, `wanted`).
"""

import contextlib
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from labctl.exercise import Desk


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
    items = request.session.items
    here = [item for item in items if item.path == request.path]
    desk.pulls.announce(desk.token, not any(uses(item, "overlay") for item in here))
    if peers and any(uses(item, "neighbour") for item in items):
        # As long as somebody is to come there, the other node keeps what was pulled for its own
        # rehearsal: to pull it again may be too late, see labctl/pulls.py.
        with contextlib.suppress(Exception):  # the exercise that needs it will tell
            next_desk(desk, peers)
    return desk


def uses(item: pytest.Item, fixture: str) -> bool:
    """Tell whether an exercise uses a fixture."""
    return fixture in getattr(item, "fixturenames", ())


@pytest.fixture
def desk(_own_desk: Desk) -> Iterator[Desk]:
    """Where the exercise works: what it makes there is gone when it ends."""
    yield _own_desk
    _own_desk.clean()


@pytest.fixture
def neighbour(desk: Desk, peers: Mapping[str, Host]) -> Desk:
    """The desk on the lab's next node; the last one's next is the first."""
    if not peers:
        pytest.skip("the lab has only one node")
    return next_desk(desk, peers)


def next_desk(desk: Desk, peers: Mapping[str, Host]) -> Desk:
    """Return the desk on the node after this one, of which there is one."""
    names = sorted((desk.node, *peers))
    return desk.on(names[(names.index(desk.node) + 1) % len(names)])


def images(folder: Path) -> dict[str, str]:
    """Return the names of the course's images, those of a section's own folder before labctl's."""
    names: dict[str, str] = {}
    for place in (Path(__file__).parent, folder):
        if (place / "images.toml").is_file():
            names |= tomllib.loads((place / "images.toml").read_text("utf-8"))
    return names
