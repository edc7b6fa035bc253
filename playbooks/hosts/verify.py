"""Names resolve: the lab's own, and Docker Hub's."""

from typing import Any

from testinfra.host import Host


def test_nodes_resolve_by_name(host: Host, wanted: dict[str, Any]) -> None:
    """every node of the lab resolves by name"""
    for name, address in wanted["nodes"].items():
        if name != wanted["name"]:
            assert host.run("getent hosts %s", name).stdout.split()[:1] == [address]


def test_own_name_resolves(host: Host, wanted: dict[str, Any]) -> None:
    """the node finds itself by name"""
    assert host.run("getent hosts %s", wanted["name"]).rc == 0


def test_pins_are_used(host: Host, wanted: dict[str, Any]) -> None:
    """each host of Docker Hub that had to be pinned resolves to its pin, and no other is pinned"""
    choices = wanted["choices"]
    pins = choices.get("hosts.pins", {}) if choices.get("hosts.broken") else {}
    for name in wanted["sources"]["hub_hosts"]:
        lines = host.run("getent ahostsv4 %s", name).stdout.splitlines()
        pinned = host.run("grep -w %s /etc/hosts", name).rc == 0
        assert pinned == (name in pins)
        if name in pins:
            assert {line.split()[0] for line in lines} == {pins[name]}
