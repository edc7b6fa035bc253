"""Fixtures of every exercise: `sandbox` on its node, and `peer_sandbox` on another node.

`labctl rehearse` runs the sections of this folder with these fixtures and its own: `host`, `peers`
and `wanted`.
"""

import contextlib
import secrets
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl.exercise import Host, Peers, Sandbox, Wanted


@pytest.fixture(scope="session")
def _sandboxes() -> Iterator[dict[str, Sandbox]]:
    """The sandboxes by node. Later sections use the images that earlier ones pulled."""
    sandboxes: dict[str, Sandbox] = {}
    yield sandboxes
    for sandbox in sandboxes.values():
        sandbox.close()


@pytest.fixture(scope="module")
def _node_sandbox(
    request: pytest.FixtureRequest,
    host: Host,
    peers: Peers,
    wanted: Wanted,
    _sandboxes: dict[str, Sandbox],
) -> Sandbox:
    """The node's sandbox, opened again for each section."""
    node = wanted["name"]
    if node not in _sandboxes:
        token = wanted.get("rehearsal", {}).get("token") or secrets.token_hex(4)
        _sandboxes[node] = Sandbox(host, node, node, token, {}, (node, *peers), peers)
    sandbox = _sandboxes[node]
    sandbox.images = images(request.path.parent)
    sandbox.open()
    items = request.session.items
    here = [item for item in items if item.path == request.path]
    sandbox.lease.set_pulling(not any(uses(item, "overlay") for item in here))
    if peers and any(uses(item, "peer_sandbox") for item in items):
        # With a lease on the other node, images that its own rehearsal pulled there stay for this
        # one's exercises. Pulling again may fail once there are overlay networks. If the lease
        # fails, an exercise that needs the node reports why.
        with contextlib.suppress(Exception):
            next_sandbox(sandbox, peers)
    return sandbox


def uses(item: pytest.Item, fixture: str) -> bool:
    """Return True if an exercise uses a fixture."""
    return fixture in getattr(item, "fixturenames", ())


@pytest.fixture
def sandbox(_node_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox of the exercise. Everything created in it is removed when the exercise ends."""
    yield _node_sandbox
    _node_sandbox.clean()


@pytest.fixture
def peer_sandbox(sandbox: Sandbox, peers: Peers) -> Sandbox:
    """The sandbox on the lab's next node. The next node of the last one is the first."""
    if not peers:
        pytest.skip("the lab has only one node")
    return next_sandbox(sandbox, peers)


def next_sandbox(sandbox: Sandbox, peers: Peers) -> Sandbox:
    """Return the sandbox on the node after this one."""
    names = sorted((sandbox.node, *peers))
    return sandbox.on(names[(names.index(sandbox.node) + 1) % len(names)])


def images(folder: Path) -> dict[str, str]:
    """Return the names of images by word. The file in a section's folder overrides labctl's."""
    names: dict[str, str] = {}
    for place in (Path(__file__).parent, folder):
        if (place / "images.toml").is_file():
            names |= tomllib.loads((place / "images.toml").read_text("utf-8"))
    return names
