"""Which networks docker gets, by what a node needs to reach."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.config.packaged import packaged
from labctl.config.playbook_modules import load_module
from labctl.playbook import Observed

networks: Any = load_module("engine", "networks", [packaged("playbooks")])
MOVED = {
    "bip": "10.213.0.1/16",
    "default-address-pools": [{"base": "10.87.0.0/16", "size": 24}],
}
"""Both, because the next network would get the one that the bridge has left."""
ROUTES = "route default via 10.0.2.2 dev eth0\nroute 10.0.2.0/24 dev eth0 scope link\n"


@pytest.mark.parametrize(
    ("output", "lab", "keys"),
    [
        (ROUTES + "ssh 10.0.2.2 50000 10.0.2.15 22\naddress 10.0.2.3\n", (), {}),
        ("", (), {}),
        # The instructor's own address (moby#27213).
        (ROUTES + "ssh 172.17.4.9 50000 10.0.2.15 22\n", (), MOVED),
        (
            ROUTES + "route 172.17.3.0/24 via 10.0.2.9 dev eth0\nssh 10.0.2.2 5 10.0.2.15 22\n",
            (),
            {"bip": "10.213.0.1/16"},
        ),
        (ROUTES + "address 172.17.0.53\n", (), MOVED),
        (ROUTES, ("172.17.9.1",), MOVED),
        ("route default via 172.17.0.1 dev eth0\n", (), MOVED),
        # Networks that others use are not moved to.
        (
            ROUTES + "route 10.0.0.0/8 via 10.0.2.9 dev eth0\nssh 172.17.4.9 1 10.0.2.15 22\n",
            (),
            {
                "bip": "172.30.0.1/16",
                "default-address-pools": [{"base": "172.23.0.0/16", "size": 24}],
            },
        ),
        # A compose project's network would cut the connection as well.
        (
            ROUTES + "ssh 172.20.4.9 50000 10.0.2.15 22\n",
            (),
            {"default-address-pools": [{"base": "10.87.0.0/16", "size": 24}]},
        ),
        # docker looks at the node's routes itself.
        (ROUTES + "route 172.20.0.0/16 dev eth1\nssh 172.20.4.9 1 172.20.0.5 22\n", (), {}),
        # There is a bridge, and this connection came through.
        (ROUTES + "bridge 172.17.0.1/16\nssh 172.17.4.9 50000 10.0.2.15 22\n", (), {}),
        (
            ROUTES + "bridge 10.87.0.1/16\nssh 172.17.4.9 50000 10.0.2.15 22\n",
            (),
            {
                "bip": "10.87.0.1/16",
                "default-address-pools": [{"base": "10.213.0.0/16", "size": 24}],
            },
        ),
        # Addresses that are none are not looked at.
        (ROUTES + "address fe80::1\nssh fd00::2 50000 fd00::1 22\nroute unreachable x\n", (), {}),
    ],
)
def test_networks(output: str, lab: tuple[str, ...], keys: dict[str, Any]) -> None:
    assert networks.keys(Observed(0, output), lab) == keys
