"""Existing machines: provisioned, drifted, repaired, verified, and copied to.

Three nspawn nodes of the testbed, reached over ssh like the PCs of a classroom. The tests of this
file build on one another, in their order.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ENGINE, Lab, machines, spec
from tests.testbed import Node, World

NAMES = ("docker-node1", "docker-node2", "docker-node3")
FIRST, SECOND, THIRD = NAMES


@pytest.fixture(scope="module")
def lab(
    world: World, nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("existing") / "lab"
    folder.mkdir()
    lab = Lab(folder)
    lab.write(spec(world, machines=machines(list(nodes.values()))))
    yield lab
    world.dns.restore()


def test_yum_fails_on_a_fresh_box(nodes: dict[str, Node]) -> None:
    """The purpose of the playbook `repos`."""
    result = nodes[FIRST].sh("yum -y install lvm2", check=False)
    assert result.returncode != 0
    assert "Could not resolve host: mirrorlist.centos.org" in result.stdout + result.stderr


def test_check_changes_nothing(lab: Lab, nodes: dict[str, Node]) -> None:
    everything = "cat /etc/yum.repos.d/* /etc/hosts | sha256sum; rpm -qa | sort | sha256sum"
    before = nodes[FIRST].sh(everything).stdout
    run = lab.run("provision", "--check", "--limit", FIRST).expect(3)
    assert "key:labctl-centos-7" in run.changes(FIRST)
    assert not run.result(FIRST)["complete"]  # what it may still need cannot be measured yet
    assert nodes[FIRST].sh(everything).stdout == before


def test_one_node_fails_half_way_and_the_others_finish(
    lab: Lab, nodes: dict[str, Node], world: World
) -> None:
    world.clear_access_log()
    nodes[THIRD].sh("echo '127.0.0.1 download.docker.com' >>/etc/hosts")
    run = lab.run("up").expect(1)
    for name in (FIRST, SECOND):
        assert run.result(name)["ok"], run.stdout[-4000:]
        assert "packages:engine" in run.changes(name)
        assert {check["outcome"] for check in run.result(name)["checks"]} == {"passed"}
    failed = run.result(THIRD)
    assert not failed["ok"]
    assert failed["error"]["resource"] == "key:labctl-docker"
    done = [event["resource"] for event in run.of("ChangeDone", THIRD)]
    assert "key:labctl-centos-7" in done  # it got half way


def test_the_next_run_mends_the_failed_node(lab: Lab, nodes: dict[str, Node]) -> None:
    nodes[THIRD].sh("sed -i '/download.docker.com/d' /etc/hosts")
    run = lab.run("up").expect(0)
    assert run.changes(FIRST) == run.changes(SECOND) == []
    assert "packages:engine" in run.changes(THIRD)


def test_a_second_run_takes_one_exchange_and_changes_nothing(lab: Lab) -> None:
    run = lab.run("provision").expect(0)
    for name in NAMES:
        assert run.changes(name) == []
        assert run.exchanges(name) == 1


def test_yum_works_now_and_packages_are_signed(lab: Lab, nodes: dict[str, Node]) -> None:
    node = nodes[FIRST]
    node.sh("yum -y reinstall yum-utils")
    seen = node.sh("rpm -q --qf '%{VERSION}-%{RELEASE} %{RSAHEADER:pgpsig}' docker-ce").stdout
    assert seen.startswith(ENGINE["docker"])
    assert "Key ID" in seen


def test_pulls_came_through_the_mirror(lab: Lab, nodes: dict[str, Node], world: World) -> None:
    node = nodes[FIRST]
    node.sh("docker image rm --force busybox")
    world.clear_access_log()
    node.sh("docker pull busybox")
    hosts = {request.host for request in world.access_log() if "/busybox/" in request.path}
    assert hosts == {"docker.1ms.run"}


@pytest.mark.parametrize(
    ("drift", "resources"),
    [
        pytest.param(
            "echo '{}' >/etc/docker/daemon.json; systemctl reload docker",
            ["file:/etc/docker/daemon.json", "service:docker"],
            id="daemon.json edited",
        ),
        pytest.param(
            'echo \'{"proxies": {"http-proxy": "http://a"}}\' >/etc/docker/daemon.json;'
            "systemctl restart docker || :",
            ["file:/etc/docker/daemon.json", "service:docker"],
            id="daemon.json of a newer engine, with which this one does not start",
        ),
        pytest.param("systemctl stop docker.socket docker", ["service:docker"], id="stopped"),
        pytest.param("systemctl disable docker", ["service:docker"], id="disabled"),
        pytest.param(
            "yum -y downgrade docker-ce-20.10.23-3.el7",
            ["packages:engine"],  # the package restarts the engine
            id="older package",
        ),
        pytest.param(
            "sed -i '/ docker-node2$/d' /etc/hosts", ["block:/etc/hosts:nodes"], id="line removed"
        ),
        pytest.param(
            "echo >>/usr/local/bin/docker-compose",
            ["download:/usr/local/bin/docker-compose"],
            id="compose damaged",
        ),
        pytest.param("gpasswd -d vagrant docker", ["member:docker:vagrant"], id="left group"),
    ],
)
def test_a_drift_is_undone_by_exactly_its_changes(
    lab: Lab, nodes: dict[str, Node], drift: str, resources: list[str]
) -> None:
    nodes[FIRST].sh(drift)
    check = lab.run("provision", "--check", "--limit", FIRST).expect(3)
    assert check.changes(FIRST)[:1] == resources[:1]
    run = lab.run("provision", "--limit", FIRST).expect(0)
    assert run.changes(FIRST) == resources
    assert run.exchanges(FIRST) == 1 + len(resources)
    assert lab.run("provision", "--limit", FIRST).expect(0).changes(FIRST) == []


def test_an_engine_that_a_slip_in_daemon_json_stopped_runs_again(
    lab: Lab, nodes: dict[str, Node]
) -> None:
    """It cannot start with the file; nothing that somebody wrote is lost over it."""
    node = nodes[FIRST]
    slip = '{\n  "debug": true\n  "labels": ["mine"]\n}\n'
    path = node.root / "etc/docker/daemon.json"
    where = "line 3, column 3"
    path.write_text(slip)
    node.sh("systemctl restart docker || :")
    run = lab.run("provision", "--limit", FIRST).expect(0)
    assert run.changes(FIRST) == ["file:/etc/docker/daemon.json", "service:docker"]
    assert where in run.result(FIRST)["changes"][0]["summary"]
    assert (node.root / "etc/docker/daemon.json.no-json").read_text() == slip
    assert lab.run("provision", "--limit", FIRST).expect(0).changes(FIRST) == []


def test_what_a_user_wrote_into_hosts_stays(lab: Lab, nodes: dict[str, Node]) -> None:
    node = nodes[FIRST]
    node.sh("printf '10.1.2.3 caf\\351\\n' >>/etc/hosts; sed -i '/ docker-node3$/d' /etc/hosts")
    lab.run("provision", "--limit", FIRST).expect(0)
    lines = (node.root / "etc/hosts").read_bytes().splitlines()
    assert b"10.1.2.3 caf\xe9" in lines
    assert any(line.endswith(b" docker-node3") for line in lines)


def test_a_container_survives_a_change_of_mirrors(
    lab: Lab, nodes: dict[str, Node], world: World
) -> None:
    node = nodes[SECOND]
    node.sh("docker run -d --name student busybox sleep 600")
    started = node.sh("docker inspect -f '{{.State.StartedAt}}' student").stdout
    whole = spec(world, machines=machines(list(nodes.values())))
    lab.write({**whole, "docker": {"mirrors": ["http://mirror.lab"]}})
    run = lab.run("provision", "--limit", SECOND).expect(0)
    assert run.changes(SECOND) == ["file:/etc/docker/daemon.json", "service:docker"]
    assert "http://mirror.lab/" in node.sh("docker info -f '{{.RegistryConfig.Mirrors}}'").stdout
    # None is left, as when all have died; the engine goes on with those that no file takes away.
    lab.write({**whole, "docker": {"mirrors": []}})
    run = lab.run("provision", "--limit", SECOND).expect(0)
    assert run.changes(SECOND) == ["file:/etc/docker/daemon.json", "service:docker"]
    assert node.sh("docker info -f '{{.RegistryConfig.Mirrors}}'").stdout == "[]\n"
    assert node.sh("docker inspect -f '{{.State.StartedAt}}' student").stdout == started
    assert node.sh("docker inspect -f '{{.State.Running}}' student").stdout == "true\n"
    node.sh("docker rm -f student")
    lab.write(whole)


def test_a_key_that_needs_a_restart_restarts(
    lab: Lab, nodes: dict[str, Node], world: World
) -> None:
    node = nodes[SECOND]
    whole = spec(world, machines=machines(list(nodes.values())))
    lab.write({**whole, "docker": {"daemon": {"log-opts": {"max-size": "5m"}}}})
    before = node.sh("systemctl show -p MainPID docker").stdout
    lab.run("provision", "--limit", SECOND).expect(0)
    assert node.sh("systemctl show -p MainPID docker").stdout != before


def test_an_engine_that_does_not_come_back_gets_its_old_file(
    lab: Lab, nodes: dict[str, Node], world: World
) -> None:
    """A daemon.json that is well formed and that the engine refuses to start with."""
    node = nodes[SECOND]
    whole = spec(world, machines=machines(list(nodes.values())))
    before = (node.root / "etc/docker/daemon.json").read_bytes()
    lab.write({**whole, "docker": {"daemon": {"storage-driver": "nonsense"}}})
    run = lab.run("provision", "--limit", SECOND).expect(1)
    assert run.result(SECOND)["error"]["resource"] == "service:docker"
    assert "former files were put back" in run.result(SECOND)["error"]["details"]
    assert (node.root / "etc/docker/daemon.json").read_bytes() == before
    assert node.sh("systemctl is-active docker").stdout == "active\n"
    lab.write(whole)
    lab.run("provision", "--limit", SECOND).expect(0)


def test_another_pin_upgrades_and_downgrades(
    lab: Lab, nodes: dict[str, Node], world: World
) -> None:
    node = nodes[THIRD]
    whole = spec(world, machines=machines(list(nodes.values())))
    for version in ("20.10.23-3.el7", "20.10.24-3.el7"):
        lab.write({**whole, "toolchain": {**ENGINE, "docker": version, "docker_cli": version}})
        lab.run("provision", "--limit", THIRD).expect(0)
        assert node.sh("rpm -q docker-ce").stdout == f"docker-ce-{version}.x86_64\n"
    lab.write(whole)


def test_names_are_pinned_only_where_the_lookup_is_broken(
    lab: Lab, nodes: dict[str, Node], world: World
) -> None:
    node = nodes[THIRD]
    assert "registry-1.docker.io" not in (node.root / "etc/hosts").read_text()
    world.dns.refuse("registry-1.docker.io")
    world.dns.poison("auth.docker.io", "192.0.2.1")
    try:
        run = lab.run("provision", "--refresh", "--limit", THIRD).expect(0)
        # Measured again while the lookup is as broken, and the pins make it look as if it were not.
        again = lab.run("provision", "--refresh", "--limit", THIRD).expect(0)
    finally:
        world.dns.restore()
    hosts = (node.root / "etc/hosts").read_text()
    assert f"{world.service_address} registry-1.docker.io" in hosts
    assert f"{world.service_address} auth.docker.io" in hosts
    assert "production.cloudflare.docker.com" not in hosts
    assert "block:/etc/hosts:pins" in run.changes(THIRD)
    assert again.changes(THIRD) == []
    run = lab.run("provision", "--refresh", "--limit", THIRD).expect(0)
    assert "registry-1.docker.io" not in (node.root / "etc/hosts").read_text()


def test_verify_reports_what_was_seen(lab: Lab, nodes: dict[str, Node], tmp_path: Path) -> None:
    nodes[FIRST].sh("mv /usr/bin/docker-compose /usr/bin/docker-compose.away")
    junit = tmp_path / "junit.xml"
    run = lab.run("verify", "--junit", str(junit)).expect(1)
    nodes[FIRST].sh("mv /usr/bin/docker-compose.away /usr/bin/docker-compose")
    failed = [c for c in run.result(FIRST)["checks"] if c["outcome"] != "passed"]
    assert [c["name"] for c in failed] == ["test_version"]
    assert "docker-compose" in failed[0]["details"]
    assert run.result(SECOND)["ok"]
    assert f'<testsuite name="{FIRST}"' in junit.read_text()


def test_the_checks_run_without_labctl(lab: Lab) -> None:
    """The same files, under plain pytest with testinfra's own ssh backend."""
    names = ("repos", "hosts", "engine", "mirrors", "compose")
    files = [f"playbooks/{name}/verify.py" for name in names]
    ssh_config = lab.folder / ".labctl/ssh_config"
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--import-mode=importlib", "-q"),
            *("-p", "no:cacheprovider", f"--hosts=ssh://{FIRST}", f"--ssh-config={ssh_config}"),
            *files,
        ],
        env={**os.environ, "LABCTL_WANTED": str(lab.folder / f".labctl/wanted.{FIRST}.json")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "skipped" not in result.stdout


def test_files_travel_both_ways(lab: Lab, nodes: dict[str, Node], tmp_path: Path) -> None:
    course = tmp_path / "labs"
    (course / "chapter 5").mkdir(parents=True)
    (course / "chapter 5" / "Dockerfile").write_text("FROM busybox\n")
    (course / "big").write_bytes(os.urandom(3_000_000))
    lab.run("scp", str(course), f"{FIRST}:/home/chapter5").expect(0)
    back = tmp_path / "back"
    lab.run("scp", f"{FIRST}:/home/chapter5", str(back)).expect(0)
    assert _digests(back) == _digests(course)
    owner = nodes[FIRST].sh("stat -c %U /home/chapter5/big").stdout
    assert owner == "vagrant\n"


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
