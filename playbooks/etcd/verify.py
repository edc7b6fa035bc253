"""The store of overlay networks works."""

import time
from typing import Any

import pytest
from testinfra.host import Host

from labctl.exercise import msg, on_failure

SECONDS = 120
"""Seconds until all members must see each other; all nodes are provisioned by now."""


@on_failure("etcd is not healthy", needs_engine=False)
def test_store_is_healthy(host: Host, wanted: dict[str, Any]) -> None:
    """this node sees every member of the store as healthy"""
    if wanted["etcd"]["mode"] != "etcd":
        pytest.skip(msg("this lab's networks use {mode}", mode=wanted["etcd"]["mode"]))
    end = time.monotonic() + SECONDS
    while (sick := _sick(host, wanted["etcd"]["members"])) and time.monotonic() < end:
        time.sleep(2)
    assert not sick, msg("not healthy: {names}", names=", ".join(sick))


def _sick(host: Host, members: dict[str, str]) -> dict[str, str]:
    """Return the members that are not healthy, with their answers."""
    sick = {}
    for name, address in members.items():
        result = host.run(
            "curl --silent --show-error --max-time 5 %s", f"http://{address}:2379/health"
        )
        if '"health":"true"' not in result.stdout.replace(" ", ""):
            sick[name] = result.stdout + result.stderr
    return sick
