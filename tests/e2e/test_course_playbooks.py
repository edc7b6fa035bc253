"""The course's playbooks on two nodes: registry, hub-cache, images, overlay, compose-app.

The tests of this file build on one another, in their order.
"""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labctl.certificates import authority
from tests.e2e.conftest import Lab, Run, machines, spec
from tests.testbed import Node, World

NAMES = ("docker-node1", "docker-node2")
FIRST, SECOND = NAMES
BASE = ["repos", "hosts", "engine", "mirrors", "compose"]
COURSE = ["registry", "hub-cache", "images", "overlay", "compose-app"]
APP = Path(__file__).parent / "app"
IMAGES = ["alpine:3.18", "nginx:1.22"]
REGISTRY = f"{FIRST}:5000"


@pytest.fixture(scope="module")
def nodes(world: World) -> Iterator[dict[str, Node]]:
    nodes = {node.name: node for node in world.nspawn_many(NAMES)}
    yield nodes
    for node in nodes.values():
        node.remove()


@pytest.fixture(scope="module")
def lab(nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("course") / "lab"
    folder.mkdir()
    return Lab(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application's folder, which tests change."""
    return Path(shutil.copytree(APP, tmp_path_factory.mktemp("course") / "counter"))


@pytest.fixture(scope="module")
def whole(world: World, nodes: dict[str, Node], folder: Path) -> dict[str, Any]:
    return spec(
        world,
        machines=machines(list(nodes.values())),
        playbooks=[*BASE, *COURSE],
        images=IMAGES,
        compose_app={"folder": str(folder), "node": SECOND},
    )


@pytest.fixture(scope="module")
def first_run(lab: Lab, whole: dict[str, Any]) -> Run:
    lab.write(whole)
    return lab.run("up")


def test_everything_comes_up_in_one_run_and_is_verified(first_run: Run) -> None:
    first_run.expect(0)
    for name in NAMES:
        checks = first_run.result(name)["checks"]
        assert {c["outcome"] for c in checks} <= {"passed", "skipped"}, checks
        assert {c["playbook"] for c in checks} >= set(COURSE)


def test_a_second_run_takes_one_exchange_and_changes_nothing(lab: Lab, first_run: Run) -> None:
    run = lab.run("provision").expect(0)
    for name in NAMES:
        assert run.changes(name) == []
        assert run.exchanges(name) == 1


# -- registry


def login(lab: Lab) -> dict[str, str]:
    """Return the registry's user and password, from where an instructor has them."""
    (record,) = lab.run("status").expect(0).of("registry")
    assert record["address"] == REGISTRY
    return {"user": record["user"], "password": record["password"]}


def test_no_secret_is_told(lab: Lab, first_run: Run) -> None:
    password = login(lab)["password"]
    key = (lab.folder / ".labctl/private/registry.pem").read_text().splitlines()[1]
    for text in (first_run.stdout, first_run.stderr):
        assert password not in text
        assert key not in text
    for path in (lab.folder / ".labctl/private").iterdir():
        assert path.stat().st_mode & 0o077 == 0
    assert (lab.folder / f".labctl/wanted.{FIRST}.json").stat().st_mode & 0o077 == 0


def test_what_one_node_pushes_the_other_pulls(lab: Lab, nodes: dict[str, Node]) -> None:
    name = f"{REGISTRY}/class/hello:1"
    dockerfile = 'FROM busybox\\nCMD ["echo", "hello"]\\n'
    nodes[SECOND].sh(
        f"printf '{dockerfile}' | sudo -u vagrant -H docker build -t {name} -\n"
        f"sudo -u vagrant -H docker push {name}"
    )
    assert nodes[FIRST].sh(f"sudo -u vagrant -H docker run --rm {name}").stdout == "hello\n"


def test_who_has_no_password_is_refused(lab: Lab, nodes: dict[str, Node]) -> None:
    name = f"{REGISTRY}/class/hello:1"
    pull = nodes[SECOND].sh(f"HOME=/tmp/nobody docker pull {name}", check=False)
    assert pull.returncode != 0
    assert "no basic auth credentials" in pull.stderr
    nodes[SECOND].sh(f"HOME=/tmp/nobody docker login -u student -p wrong {REGISTRY}; [ $? = 1 ]")


def test_another_ca_is_not_believed(lab: Lab, nodes: dict[str, Node]) -> None:
    node = nodes[SECOND]
    folder = f"/etc/docker/certs.d/{REGISTRY}"
    other = authority("another CA", datetime.datetime.now(datetime.UTC))
    node.sh(f"printf %s '{other.certificate}' >{folder}/ca.crt")
    pull = node.sh(f"docker pull {REGISTRY}/class/hello:1", check=False)
    assert "certificate signed by unknown authority" in pull.stderr
    run = lab.run("provision", "--limit", SECOND).expect(0)
    assert run.changes(SECOND) == [f"file:{folder}/ca.crt"]
    node.sh(f"docker pull {REGISTRY}/class/hello:1")


def test_what_was_pushed_outlives_the_container(lab: Lab, nodes: dict[str, Node]) -> None:
    nodes[FIRST].sh("docker rm -f -v labctl-registry")
    run = lab.run("provision").expect(0)
    assert run.changes(FIRST) == ["container:labctl-registry"]
    assert run.changes(SECOND) == []
    name = f"{REGISTRY}/class/hello:1"
    nodes[SECOND].sh(f"docker rmi -f {name}; docker pull {name}")


def test_another_password_opens_it_and_the_old_one_no_more(
    lab: Lab, nodes: dict[str, Node], whole: dict[str, Any]
) -> None:
    old = login(lab)
    lab.write({**whole, "registry": {"password": "another-secret"}})
    run = lab.run("provision").expect(0)
    assert f"login:{REGISTRY}:vagrant" in run.changes(SECOND)
    command = f"HOME=/tmp/nobody docker login -u {old['user']} --password-stdin {REGISTRY}"
    assert nodes[SECOND].sh(f"echo {old['password']} | {command}", check=False).returncode != 0
    nodes[SECOND].sh(f"echo another-secret | {command}; rm -rf /tmp/nobody")
    lab.write(whole)


def test_a_flag_alone_brings_a_playbook(lab: Lab, whole: dict[str, Any]) -> None:
    """Off by default: without its name nothing of it is looked at."""
    lab.write({**whole, "playbooks": BASE})
    run = lab.run("provision").expect(0)
    without = run.of("Exchanged", FIRST)
    assert [run.exchanges(name) for name in NAMES] == [1, 1]
    flags = ("--with", "registry", "--only", "registry", "--verify", "--limit", FIRST)
    run = lab.run("provision", *flags).expect(0)
    assert {c["playbook"] for c in run.result(FIRST)["checks"]} == {"registry"}
    wanted = json.loads((lab.folder / f".labctl/wanted.{FIRST}.json").read_text())
    assert wanted["registry"]["address"] == REGISTRY
    lab.write(whole)
    with_all = lab.run("provision").expect(0).of("Exchanged", FIRST)
    assert with_all[0]["snippets"] > without[0]["snippets"]
