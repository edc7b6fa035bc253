"""What every exercise gets: `sandbox`, where it works.

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

from labctl.exercise import Sandbox


@pytest.fixture(scope="session")
def _desks() -> Iterator[dict[str, Sandbox]]:
    """The desks by node; what was pulled for one section serves the next."""
    desks: dict[str, Sandbox] = {}
    yield desks
    for sandbox in desks.values():
        sandbox.close()


@pytest.fixture(scope="module")
def _own_desk(
    request: pytest.FixtureRequest,
    host: Host,
    peers: Mapping[str, Host],
    wanted: dict[str, Any],
    _desks: dict[str, Sandbox],
) -> Sandbox:
    """The node's sandbox, swept at the beginning of each section."""
    node = wanted["name"]
    if node not in _desks:
        token = wanted.get("rehearsal", {}).get("token") or secrets.token_hex(4)
        _desks[node] = Sandbox(host, node, node, token, {}, (node, *peers), peers)
    sandbox = _desks[node]
    sandbox.images = images(request.path.parent)
    sandbox.open()
    items = request.session.items
    here = [item for item in items if item.path == request.path]
    sandbox.pulls.announce(sandbox.token, not any(uses(item, "overlay") for item in here))
    if peers and any(uses(item, "neighbour") for item in items):
        # As long as somebody is to come there, the other node keeps what was pulled for its own
        # rehearsal: to pull it again may be too late, see labctl/pulls.py.
        with contextlib.suppress(Exception):  # the exercise that needs it will tell
            next_desk(sandbox, peers)
    return sandbox


def uses(item: pytest.Item, fixture: str) -> bool:
    """Tell whether an exercise uses a fixture."""
    return fixture in getattr(item, "fixturenames", ())


@pytest.fixture
def sandbox(_own_desk: Sandbox) -> Iterator[Sandbox]:
    """Where the exercise works: what it makes there is gone when it ends."""
    yield _own_desk
    _own_desk.clean()


@pytest.fixture
def neighbour(sandbox: Sandbox, peers: Mapping[str, Host]) -> Sandbox:
    """The sandbox on the lab's next node; the last one's next is the first."""
    if not peers:
        pytest.skip("the lab has only one node")
    return next_desk(sandbox, peers)


def next_desk(sandbox: Sandbox, peers: Mapping[str, Host]) -> Sandbox:
    """Return the sandbox on the node after this one, of which there is one."""
    names = sorted((sandbox.node, *peers))
    return sandbox.on(names[(names.index(sandbox.node) + 1) % len(names)])


def images(folder: Path) -> dict[str, str]:
    """Return the names of the course's images, those of a section's own folder before labctl's."""
    names: dict[str, str] = {}
    for place in (Path(__file__).parent, folder):
        if (place / "images.toml").is_file():
            names |= tomllib.loads((place / "images.toml").read_text("utf-8"))
    return names
