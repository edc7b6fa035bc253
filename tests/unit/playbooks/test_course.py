"""labctl's playbooks for a course: what each wants of a node, and what they add to daemon.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labctl.config.packaged import packaged
from labctl.config.playbook_modules import load_module
from labctl.playbook import (
    Command,
    DaemonJson,
    File,
    NoSwarm,
    Resource,
    SwarmManager,
    shell_script,
)
from labctl.provision.loader import Playbook, load, load_all
from labctl.provision.play import Play
from labctl.provision.secret_store import SecretStore
from tests.unit.fakes import CENTOS, lab_spec

FOLDERS = [packaged("playbooks")]
overlay: Any = load_module("overlay", "settings", FOLDERS)
store: Any = load_module("etcd", "store", FOLDERS)
MEASURE = shell_script(str(FOLDERS[0] / "engine/daemon.py"), "networks.sh", "runtimes.sh")
COURSE = ("registry", "hub-cache", "images", "etcd", "overlay", "compose-app")
PLAIN = ("repos", "hosts", "engine", "mirrors", "compose")


def resources(
    tmp_path: Path,
    name: str,
    running: tuple[str, ...],
    node: int = 0,
    networks: dict[str, Any] | None = None,
    **raw: Any,
) -> list[Resource]:
    """Return what a shipped playbook wants of a node, where these playbooks run."""
    lab = lab_spec(**{"docker": {"mirrors": ["https://mirror.example"]}, **raw})
    (book,) = load([name], FOLDERS)
    books = load(running, FOLDERS)
    play = Play(
        lab=lab,
        node=lab.lab_nodes[node],
        facts=CENTOS,
        user="vagrant",
        addresses={n.name: n.address for n in lab.lab_nodes if n.address},
        choices={"engine.measured": {"script": MEASURE, "answer": networks or {}}},
        templates=(packaged("templates"),),
        playbooks=running,
        secrets=SecretStore(tmp_path / "private", "lab"),
        daemon_functions=tuple(one.daemon_json for one in books if one.daemon_json),
    )
    return list(book.play(play))


def settings(found: list[Resource]) -> dict[str, Any]:
    """Return what daemon.json says besides that no registry is insecure, which it always says."""
    (config,) = [one for one in found if isinstance(one, DaemonJson)]
    said = dict(json.loads(config.content))
    assert said.pop("insecure-registries") == []
    return said


def test_daemon_json_without_the_courses_playbooks_is_as_ever(tmp_path: Path) -> None:
    found = resources(tmp_path, "mirrors", PLAIN)
    assert settings(found) == {"registry-mirrors": ["https://mirror.example"]}
    assert not any(isinstance(one, NoSwarm) for one in found)


def test_daemon_json_is_written_before_the_engine_first_starts(tmp_path: Path) -> None:
    """The packages are those of the wanted engine by then, and the first start takes networks."""
    for toolchain, major in (("course", 19), ("latest-el7", 26)):
        found = resources(tmp_path, "engine", PLAIN, toolchain=toolchain)
        kinds = [type(one).__name__ for one in found]
        at = kinds.index("DaemonJson")
        assert kinds[at - 1 : at + 2] == ["Packages", "DaemonJson", "Service"]
        config = found[at]
        assert isinstance(config, DaemonJson)
        assert config.engine_major == major
        # The playbook mirrors wants the same file, so `--only mirrors` does as much.
        assert config in resources(tmp_path, "mirrors", PLAIN, toolchain=toolchain)


def test_the_networks_of_docker_keep_away_from_the_instructor(tmp_path: Path) -> None:
    """As measured on the node; see test_networks.py."""
    moved = {"bip": "10.213.0.1/16"}
    for name in ("engine", "mirrors"):
        found = resources(tmp_path, name, PLAIN, networks=moved)
        assert settings(found) == {"registry-mirrors": ["https://mirror.example"], **moved}
    own = {"daemon": {"bip": "10.9.0.1/24"}, "mirrors": []}
    found = resources(tmp_path, "engine", PLAIN, networks=moved, docker=own)
    assert settings(found) == {"registry-mirrors": [], "bip": "10.9.0.1/24"}


def test_a_lab_without_mirrors_writes_the_other_keys(tmp_path: Path) -> None:
    found = resources(tmp_path, "engine", ("repos", "engine"), docker={"daemon": {"mtu": 1400}})
    assert settings(found) == {"registry-mirrors": [], "mtu": 1400}


def test_the_cache_comes_before_the_mirrors_on_the_other_nodes(tmp_path: Path) -> None:
    found = resources(tmp_path, "mirrors", (*PLAIN, "hub-cache"), node=1)
    cache = "https://docker-node1:5001"
    assert settings(found) == {"registry-mirrors": [cache, "https://mirror.example"]}
    found = resources(tmp_path, "mirrors", (*PLAIN, "hub-cache"), node=0)
    assert settings(found) == {"registry-mirrors": ["https://mirror.example"]}
    own = {"url": "https://mirror.example/"}
    found = resources(tmp_path, "mirrors", (*PLAIN, "hub-cache"), hub_cache=own)
    assert settings(found) == {"registry-mirrors": ["https://mirror.example"]}


def test_etcd_is_named_only_after_the_swarm_was_left(tmp_path: Path) -> None:
    found = resources(tmp_path, "mirrors", (*PLAIN, "overlay"), node=1)
    kinds = [type(one).__name__ for one in found]
    assert kinds == ["NoSwarm", "DaemonJson", "Service"]
    assert settings(found)["cluster-store"] == "etcd://192.168.56.11:2379,192.168.56.12:2379"
    assert settings(found)["cluster-advertise"] == "192.168.56.12:2376"


@pytest.mark.parametrize("raw", [{"overlay": "swarm"}, {"toolchain": "latest-el7"}])
def test_swarm_wants_nothing_of_daemon_json(tmp_path: Path, raw: dict[str, Any]) -> None:
    found = resources(tmp_path, "mirrors", (*PLAIN, "overlay"), **raw)
    assert settings(found) == {"registry-mirrors": ["https://mirror.example"]}


@pytest.mark.parametrize(
    ("raw", "mode"),
    [
        ({}, "etcd"),
        ({"toolchain": "latest-el7"}, "swarm"),
        ({"overlay": "swarm"}, "swarm"),
        ({"overlay": "etcd"}, "etcd"),
        ({"toolchain": {"base": "course", "docker": "22.0.1-3.el7"}}, "etcd"),
        ({"toolchain": {"base": "course", "docker": "23.0.0-1.el7"}}, "swarm"),
    ],
)
def test_the_way_of_networks_follows_the_engine(raw: dict[str, Any], mode: str) -> None:
    assert overlay.mode(lab_spec(**raw)) == mode


@pytest.mark.parametrize(("nodes", "members"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_at_most_three_keep_the_store(nodes: int, members: int) -> None:
    assert len(store.members(lab_spec(nodes=nodes))) == members


@pytest.mark.parametrize(
    ("name", "node", "ids"),
    [
        ("registry", 1, ["file:/etc/docker/certs.d/docker-node1:5000/ca.crt", "login:", "login:"]),
        ("hub-cache", 1, ["file:/etc/docker/certs.d/docker-node1:5001/ca.crt"]),
        ("images", 0, ["image:nginx:1.22"]),
        ("images", 1, ["image:nginx:1.22"]),
        ("etcd", 3, ["command:stop etcd, which other nodes run now"]),
        ("overlay", 3, ["command:connect the engine to the other engines"]),
        ("compose-app", 1, []),
    ],
)
def test_what_the_other_nodes_have_to_do(
    tmp_path: Path, name: str, node: int, ids: list[str]
) -> None:
    raw: dict[str, Any] = {
        "nodes": 4,
        "images": ["nginx:1.22"],
        "compose_app": {"folder": "nowhere"},
    }
    found = [one.id for one in resources(tmp_path, name, (*PLAIN, *COURSE), node, **raw)]
    assert len(found) == len(ids)
    assert all(seen.startswith(wanted) for seen, wanted in zip(found, ids, strict=True))


def test_each_brings_what_it_needs() -> None:
    def order(*names: str) -> list[str]:
        return [book.name for book in load_all(names, FOLDERS)]

    assert order("images") == ["hosts", "registry", "images"]
    assert order(*PLAIN, "images") == [*PLAIN, "registry", "images"]
    assert order("overlay") == ["hosts", "mirrors", "etcd", "overlay"]
    assert order(*PLAIN, "overlay") == [*PLAIN, "etcd", "overlay"]
    assert order(*PLAIN, *COURSE) == [*PLAIN, *COURSE]


def test_only_what_spans_the_nodes_is_checked_together() -> None:
    books: tuple[Playbook, ...] = load((*PLAIN, *COURSE), FOLDERS)
    assert [book.name for book in books if book.together] == ["etcd", "overlay"]


@pytest.mark.parametrize("raw", [{"overlay": "swarm"}, {"toolchain": "latest-el7"}])
def test_networks_by_swarm_only_stop_what_was_the_store(
    tmp_path: Path, raw: dict[str, Any]
) -> None:
    found = resources(tmp_path, "etcd", (*PLAIN, *COURSE), **raw)
    assert [one.id for one in found] == ["command:stop etcd, which swarm networks do not need"]


def asks(found: list[Resource]) -> list[list[tuple[str, str]]]:
    """Return whom the commands would ask, each with who stands in for whom that fails."""
    chains: list[list[tuple[str, str]]] = []
    for one in found:
        if isinstance(one, Command):
            chains.append([])
            query = one.query
            while query is not None:
                chains[-1].append((query.node, query.playbook))
                query = query.fallback
    return chains


def test_a_lab_that_grows_leaves_the_members_files_alone(tmp_path: Path) -> None:
    """Else they would be restarted, and away, just when the new one asks for its place."""
    files = [
        [one for one in resources(tmp_path, "etcd", COURSE, nodes=n) if isinstance(one, File)]
        for n in (1, 2, 3)
    ]
    assert files[0]
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize(
    ("nodes", "node", "wanted"),
    [
        (1, 0, [[], []]),
        (2, 0, [[("docker-node2", "etcd")], [], []]),
        (2, 1, [[("docker-node1", "etcd"), ("docker-node2", "mirrors")], []]),
        (3, 0, [[], [], []]),
        (3, 1, [[("docker-node1", "etcd"), ("docker-node2", "mirrors")], []]),
        (
            3,
            2,
            [[("docker-node2", "etcd"), ("docker-node1", "etcd"), ("docker-node3", "mirrors")], []],
        ),
    ],
)
def test_new_members_join_one_after_another(
    tmp_path: Path, nodes: int, node: int, wanted: list[list[tuple[str, str]]]
) -> None:
    """Each waits for those before it, of whom none waits for it."""
    found = resources(tmp_path, "etcd", COURSE, node, nodes=nodes)
    assert asks(found) == wanted


def test_without_data_a_member_does_not_begin_a_store_by_itself(tmp_path: Path) -> None:
    (config, unit) = [
        one for one in resources(tmp_path, "etcd", COURSE, nodes=3) if isinstance(one, File)
    ]
    assert 'ETCD_INITIAL_CLUSTER_STATE="existing"' in config.content
    assert "ETCD_INITIAL_CLUSTER=" not in config.content
    assert "EnvironmentFile=-/run/labctl-etcd.conf" in unit.content


def test_the_first_node_of_a_swarm_may_ask_every_other(tmp_path: Path) -> None:
    (manager,) = resources(tmp_path, "overlay", COURSE, nodes=3, overlay="swarm")
    assert isinstance(manager, SwarmManager)
    assert [(at, query.node, query.playbook) for at, query in manager.others] == [
        ("192.168.56.12", "docker-node2", "etcd"),
        ("192.168.56.13", "docker-node3", "etcd"),
    ]


@pytest.mark.parametrize(
    ("folder", "project"), [("a/My App", "myapp"), ("a/counter", "counter"), ("a/…", "app")]
)
def test_a_project_is_named_after_its_folder(tmp_path: Path, folder: str, project: str) -> None:
    (book,) = load(["compose-app"], FOLDERS)
    assert book.expected is not None
    found = book.expected(lab_spec(compose_app={"folder": folder}), SecretStore(tmp_path, "lab"))
    assert found == {"node": "docker-node1", "folder": f"/srv/{project}", "project": project}
