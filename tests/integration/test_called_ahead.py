"""Nodes that are logged in to while the rest of labctl is still being loaded, over a real sshd."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.errors import ConnectFailed, HostKeyChanged
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from tests.integration.sshd import Sshd

ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False
pytestmark = pytest.mark.skipif(not ROOT, reason="only as root is there a root shell without sudo")
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIMyXK1TG2Xf3qmqf7PSHqPzJ1c0Kc0kT0bq8i0r5o3yF"
FIRST, SECOND, THIRD = "docker-node1", "docker-node2", "docker-node3"


@pytest.fixture
def lab(lab_folder: Path, sshd: Sshd) -> Lab:
    """A lab that has met its first two nodes, but not the third."""
    lab = Lab.open(Workspace.find(str(lab_folder)), {}, emit=lambda event: None)
    lab.workspace.make()
    for name in (FIRST, SECOND):
        with lab.remote(name) as remote:
            remote.run("true")
    return lab


@pytest.fixture
def logins(lab: Lab, sshd: Sshd) -> Callable[[], int]:
    """How often somebody logged in since the test began."""
    count = "Accepted publickey"
    before = sshd.log.count(count)
    return lambda: sshd.log.count(count) - before


def test_a_called_node_is_handed_out_once_and_connected_once(
    lab: Lab, logins: Callable[[], int]
) -> None:
    lab.call([FIRST])
    with lab.remote(FIRST) as remote:
        assert remote.run("echo here") == b"here\n"
        assert remote.run("echo again") == b"again\n"
    assert logins() == 1
    with lab.remote(FIRST) as another:
        assert another is not remote
        assert another.run("echo anew") == b"anew\n"
    assert logins() == 2


def test_a_node_that_was_never_met_is_not_called(lab: Lab, logins: Callable[[], int]) -> None:
    lab.call()
    assert lab.hostkeys.get(THIRD) is None
    for name in (FIRST, SECOND):
        lab.remote(name).close()
    assert logins() == 2


def test_what_went_wrong_is_told_when_the_node_is_needed(lab: Lab) -> None:
    lab.hostkeys.forget(FIRST)
    lab.hostkeys.record(FIRST, "ssh-ed25519", OTHER)
    lab.call([FIRST])
    with pytest.raises(HostKeyChanged):
        lab.remote(FIRST)


def test_a_node_that_does_not_answer_is_told_when_it_is_needed(lab: Lab, sshd: Sshd) -> None:
    sshd.stop()
    try:
        lab.call([FIRST])
        with pytest.raises(ConnectFailed, match="does not answer"):
            lab.remote(FIRST)
    finally:
        sshd.start()
    with lab.remote(FIRST) as remote:
        assert remote.run("echo back") == b"back\n"
