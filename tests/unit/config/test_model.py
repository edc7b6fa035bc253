"""LabSpec: the defaults, what is worked out from them, and what a provider refuses."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from labctl.config import network as addresses
from labctl.config.model import LabSpec
from labctl.config.node import Node
from labctl.config.toolchains import TOOLCHAINS
from labctl.config.validate import validate


def lab(**raw: Any) -> LabSpec:
    """Return the lab that `raw` describes."""
    result = validate(raw)
    assert isinstance(result, LabSpec), result
    return result


def test_the_defaults_are_the_course() -> None:
    spec = lab()
    assert spec.lab_nodes == (
        Node("docker-node1", "192.168.56.11", 1024, 1),
        Node("docker-node2", "192.168.56.12", 1024, 1),
    )
    assert (spec.box.name, spec.box.pinned_version) == ("centos/7", "2004.01")
    assert spec.uses_vagrant
    assert spec.resolved_toolchain == TOOLCHAINS["course"]
    assert spec.compose_sha256 == spec.sources.compose.sha256["1.25.5"]
    assert spec.docker.mirrors == "auto"


def test_a_lab_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        lab().nodes = 3


def test_equal_labs_are_equal_whatever_was_read_of_them() -> None:
    asked = lab()
    assert asked.lab_nodes
    assert asked.resolved_toolchain
    assert asked == lab()


@pytest.mark.parametrize(
    ("raw", "nodes"),
    [
        ({"nodes": 1, "node_prefix": "n"}, [("n1", "192.168.56.11", 1024, 1)]),
        ({"nodes": 1, "network": "10.1.0.0/16"}, [("docker-node1", "10.1.0.11", 1024, 1)]),
        (
            {"nodes": [{"name": "a", "memory": 2048}, {"name": "b", "cpus": 2}], "memory": 512},
            [("a", "192.168.56.11", 2048, 1), ("b", "192.168.56.12", 512, 2)],
        ),
        ({"nodes": [{"name": "a", "address": "192.168.56.2"}]}, [("a", "192.168.56.2", 1024, 1)]),
        (
            {"machines": [{"name": "a", "host": "10.0.0.5"}, {"name": "b", "host": "b.example"}]},
            [("a", "10.0.0.5", 0, 0), ("b", None, 0, 0)],
        ),
        (
            {"machines": [{"name": "a", "host": "gate", "port": 2201, "address": "10.0.0.5"}]},
            [("a", "10.0.0.5", 0, 0)],
        ),
    ],
)
def test_nodes(raw: dict[str, Any], nodes: list[tuple[str, str | None, int, int]]) -> None:
    spec = lab(**raw)
    assert spec.lab_nodes == tuple(Node(*node) for node in nodes)
    assert spec.node_names == tuple(node[0] for node in nodes)
    assert spec.uses_vagrant == ("machines" not in raw)


def test_fifty_nodes_have_room() -> None:
    assert lab(nodes=50).lab_nodes[-1].address == "192.168.56.60"


@pytest.mark.parametrize(
    ("toolchain", "expected"),
    [
        ("latest-el7", {"docker": "26.1.4-1.el7", "compose": None}),
        ({"docker": "20.10.24-3.el7"}, {"docker": "20.10.24-3.el7", "compose": "1.25.5"}),
        ({"compose": None}, {"docker": "19.03.9-3.el7", "compose": None}),
        (
            {"base": "latest-el7", "buildx": None},
            {"buildx": None, "compose_plugin": "2.27.1-1.el7"},
        ),
    ],
)
def test_a_toolchain_is_a_known_one_with_changes(toolchain: Any, expected: dict[str, Any]) -> None:
    chain = lab(toolchain=toolchain).resolved_toolchain
    assert {name: getattr(chain, name) for name in expected} == expected


def test_without_compose_there_is_no_checksum() -> None:
    assert lab(toolchain="latest-el7").compose_sha256 is None


def test_checksums_are_added_to_the_known_ones() -> None:
    spec = lab(
        toolchain={"compose": "1.27.4"}, sources={"compose": {"sha256": {"1.27.4": "A" * 64}}}
    )
    assert spec.compose_sha256 == "a" * 64
    assert set(spec.sources.compose.sha256) == {"1.25.5", "1.27.4", "1.29.2"}


def test_a_source_keeps_what_is_not_replaced() -> None:
    vault = lab(sources={"vault": {"baseurl": "http://vault.test/7"}}).sources.vault
    assert vault.baseurl == "http://vault.test/7"
    assert vault.fingerprint == "6341AB2753D78A78A7C27BB124C6A8A7F4A80EB5"


def test_a_fingerprint_may_have_the_blanks_that_gpg_prints() -> None:
    printed = "060a 61c5 1b55 8a7f 742b  77aa c52f eb6b 621e 9f35"
    docker = lab(sources={"docker": {"fingerprint": printed}}).sources.docker
    assert docker.fingerprint == "060A61C51B558A7F742B77AAC52FEB6B621E9F35"


@pytest.mark.parametrize(
    ("box", "version"),
    [
        ("centos/7", "2004.01"),
        ({"name": "centos/7", "version": "1905.1"}, "1905.1"),
        ({"name": "centos/7", "url": "file:///boxes/centos.box"}, None),
        ("generic/centos7", None),
    ],
)
def test_a_box_file_has_no_version(box: Any, version: str | None) -> None:
    assert lab(box=box).box.pinned_version == version


@pytest.mark.parametrize(
    "mirror",
    [
        "https://mirror.example",
        "https://mirror.example/",
        "http://10.0.0.1:5000",
        "http://[fd00::1]:5000",
        "http://localhost",
    ],
)
def test_mirrors_that_docker_takes(mirror: str) -> None:
    assert lab(docker={"mirrors": [mirror]}).docker.mirrors == (mirror.rstrip("/"),)


def test_capacity_is_what_gets_an_address() -> None:
    network = IPv4Network("192.168.56.0/28")
    count = addresses.capacity(network)
    assert addresses.node_address(network, count) is not None
    assert addresses.node_address(network, count + 1) is None
