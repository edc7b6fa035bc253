"""Names resolve: the lab's own, and Docker Hub's."""

from typing import Any

from testinfra.host import Host

from labctl.exercise import msg, on_failure


@on_failure(
    "another node of the lab is not found by its name",
    because="/etc/hosts was changed",
    needs_engine=False,
)
def test_nodes_resolve_by_name(host: Host, wanted: dict[str, Any]) -> None:
    """every node of the lab resolves by name"""
    for name, address in wanted["nodes"].items():
        if name != wanted["name"]:
            seen = host.run("getent hosts %s", name).stdout.split()[:1]
            assert seen == [address], msg(
                "{name} resolves to {seen} instead of {address}",
                name=name,
                seen=seen[0] if seen else msg("nothing"),
                address=address,
            )


@on_failure(
    "the node does not find itself by its name",
    because="/etc/hosts was changed",
    needs_engine=False,
)
def test_own_name_resolves(host: Host, wanted: dict[str, Any]) -> None:
    """the node finds itself by name"""
    assert host.run("getent hosts %s", wanted["name"]).rc == 0


@on_failure(
    "the names of Docker Hub do not resolve as measured",
    because="/etc/hosts was changed",
    fix="labctl provision --refresh",
    needs_engine=False,
)
def test_pins_are_used(host: Host, wanted: dict[str, Any]) -> None:
    """each pinned host of Docker Hub resolves to its pin, and no other host is pinned"""
    choices = wanted["choices"]
    pins = choices.get("hosts.pins", {}) if choices.get("hosts.broken") else {}
    pins = {name: pins[name] for name in pins if name in wanted["hosts"]["pinnable"]}
    for name in wanted["sources"]["hub_hosts"]:
        lines = host.run("getent ahostsv4 %s", name).stdout.splitlines()
        pinned = host.run("grep -w %s /etc/hosts", name).rc == 0
        assert pinned == (name in pins)
        if name in pins:
            assert {line.split()[0] for line in lines} == {pins[name]}
