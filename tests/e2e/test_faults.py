"""Failures on real nodes: one clear message each, no partial files, and a fix.

One fresh nspawn node serves all; the tests do not depend on their order unless noted.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ENGINE, Lab, machines, spec
from tests.testbed import Node, World

NAME = "docker-node1"
ENGINE_PACKAGES = "packages:engine"


@pytest.fixture(scope="module")
def node(world: World) -> Iterator[Node]:
    node = world.nspawn(NAME)
    yield node
    node.remove()


@pytest.fixture
def whole(world: World, node: Node) -> dict[str, object]:
    """A lab.yaml in which nothing is wrong."""
    return spec(world, machines=machines([node]))


def until_a_change(lab: Lab, resource: str = "") -> subprocess.Popen[str]:
    """Start provisioning and return as soon as a change has begun, that of `resource` if named."""

    def begun(line: str) -> bool:
        event = json.loads(line)
        return event["event"] == "ChangeStarted" and resource in ("", event["resource"])

    return lab.start_until(begun, "provision")


def test_a_key_with_another_fingerprint_is_refused(
    lab: Lab, node: Node, whole: dict[str, object], world: World
) -> None:
    vault = {**world.sources["vault"], "fingerprint": "0" * 40}
    lab.write({**whole, "sources": {**world.sources, "vault": vault}})
    error = lab.run("provision").expect(1).result(NAME)["error"]
    assert error["resource"] == "key:labctl-centos-7"
    assert "nothing was imported" in error["details"]
    assert not list((node.root / "etc/pki/rpm-gpg").glob("labctl-centos-7*"))


def test_a_package_that_does_not_exist(lab: Lab, node: Node, whole: dict[str, object]) -> None:
    """One of three packages of a transaction is missing: none of them is installed."""
    lab.write({**whole, "toolchain": {**ENGINE, "docker": "20.10.99-3.el7"}})
    error = lab.run("provision").expect(1).result(NAME)["error"]
    assert error["resource"] == ENGINE_PACKAGES
    assert "docker-ce-20.10.99-3.el7" in error["details"]
    seen = node.sh("rpm -q containerd.io docker-ce docker-ce-cli", check=False).stdout
    assert seen.count("is not installed") == 3


def test_an_unsigned_package_is_refused(lab: Lab, node: Node, whole: dict[str, object]) -> None:
    """Asked for by a playbook of the lab's own, which finds its place without being told."""
    folder = lab.folder / "playbooks" / "extra"
    folder.mkdir(parents=True)
    (folder / "play.py").write_text(
        "from labctl.playbook import Package, Packages, Play, Plays\n\n"
        "def play(play: Play) -> Plays:\n"
        "    yield Packages((Package('labctl-unsigned'),))\n"
    )
    lab.write({**whole, "playbooks": ["repos", "hosts", "engine", "extra"]})
    error = lab.run("provision").expect(1).result(NAME)["error"]
    assert error["resource"] == "packages:labctl-unsigned"
    assert "not signed" in error["details"]
    assert "not installed" in node.sh("rpm -q labctl-unsigned", check=False).stdout


def test_a_wrong_digest_of_compose(
    lab: Lab, node: Node, whole: dict[str, object], world: World
) -> None:
    wrong = {"sha256": {ENGINE["compose"]: "0" * 64}}
    lab.write({**whole, "sources": {**world.sources, "compose": wrong}, "playbooks": ["compose"]})
    error = lab.run("provision").expect(1).result(NAME)["error"]
    assert error["resource"] == "download:/usr/local/bin/docker-compose"
    assert f"expected sha256 {'0' * 64}" in error["details"]
    assert not list((node.root / "usr/local/bin").glob("docker-compose*"))


def test_killed_during_a_transaction(lab: Lab, node: Node, whole: dict[str, object]) -> None:
    """labctl dies while yum works on the node; the next run waits for yum and goes on."""
    lab.write(whole)
    node.sh("yum -y remove docker-ce docker-ce-cli containerd.io", check=False)
    process = until_a_change(lab, ENGINE_PACKAGES)
    node.sh("for i in $(seq 600); do pgrep -f '[y]um -y ' && exit; sleep 0.1; done; exit 1")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run = lab.run("provision").expect(0)
    assert run.result(NAME)["ok"]
    assert lab.run("provision").expect(0).changes(NAME) == []


def test_interrupted(lab: Lab, node: Node, whole: dict[str, object]) -> None:
    lab.write(whole)
    lab.run("provision").expect(0)
    node.sh("yum -y downgrade docker-ce-20.10.23-3.el7")
    process = until_a_change(lab)
    process.send_signal(signal.SIGINT)
    run = lab.finish(process)
    assert run.exit_code == 130
    assert lab.run("provision").expect(0).result(NAME)["ok"]


def test_two_at_once(lab: Lab, node: Node, whole: dict[str, object]) -> None:
    lab.write(whole)
    lab.run("provision").expect(0)
    node.sh("yum -y downgrade docker-ce-20.10.23-3.el7")
    process = lab.start("provision")
    assert process.stdout is not None
    process.stdout.readline()
    error = lab.run("provision").expect(1).error
    assert error["kind"] == "LabLocked"
    assert f"process {process.pid}" in error["message"]
    assert "since " in error["message"]
    assert lab.finish(process).exit_code == 0


def test_full_disk_on_the_node(lab: Lab, node: Node, whole: dict[str, object]) -> None:
    """/etc/docker is full: daemon.json stays as it was, and nothing half-written stands beside."""
    lab.write(whole)
    lab.run("provision").expect(0)
    node.sh(
        "cp -a /etc/docker /tmp/kept; mount -t tmpfs -o size=64k tmpfs /etc/docker;"
        "cp -a /tmp/kept/. /etc/docker/; dd if=/dev/zero of=/etc/docker/full bs=1k count=999 || :"
    )
    long = {"labels": [f"label{number}=" + "x" * 90 for number in range(200)]}
    lab.write({**whole, "docker": {"daemon": long}})
    error = lab.run("provision").expect(1).result(NAME)["error"]
    assert "No space left on device" in error["details"]
    left = node.sh("ls /etc/docker; cmp /etc/docker/daemon.json /tmp/kept/daemon.json").stdout
    assert "daemon.json." not in left
    node.sh("umount /etc/docker; rm -rf /tmp/kept")
    lab.run("provision").expect(0)


def test_a_node_loses_its_power(lab: Lab, node: Node, whole: dict[str, object]) -> None:
    lab.write(whole)
    lab.run("provision").expect(0)
    node.sh("yum -y downgrade docker-ce-20.10.23-3.el7")
    process = until_a_change(lab)
    node.power_off(cleanly=False)
    try:
        run = lab.finish(process, timeout=120).expect(1)
    finally:
        node.start()
    # ChangeFailed names the change during which the connection broke.
    kinds = ("ProtocolError", "ConnectFailed", "ChangeFailed")
    assert run.result(NAME)["error"]["kind"] in kinds
    assert lab.run("provision").expect(0).result(NAME)["ok"]


def test_full_disk_on_this_machine(
    lab: Lab, node: Node, whole: dict[str, object], tmp_path: Path
) -> None:
    """The state folder has no room left: nothing is touched, and the old state stands."""
    lab.write(whole)
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(state)], check=True)
    lab.environment["LABCTL_STATE_DIR"] = str(state)
    try:
        lab.run("provision", "--only", "hosts").expect(0)
        before = (state / "nodes" / f"{NAME}.json").read_bytes()
        with contextlib.suppress(OSError), (state / "full").open("wb") as full:
            full.write(bytes(1_000_000))
        run = lab.run("provision", "--refresh", "--only", "hosts").expect(1)
        assert "No space left on device" in run.stdout
        assert (state / "nodes" / f"{NAME}.json").read_bytes() == before
        (state / "full").unlink()
        lab.run("provision", "--refresh", "--only", "hosts").expect(0)
    finally:
        subprocess.run(["umount", str(state)], check=True)


def test_another_host_key_is_refused(lab: Lab, node: Node, whole: dict[str, object]) -> None:
    lab.write(whole)
    lab.run("provision", "--only", "hosts").expect(0)
    known = lab.folder / ".labctl" / "known_hosts"
    other = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(lab.folder / "other")],
        check=True,
        capture_output=True,
    )
    assert other.returncode == 0
    _, key, _ = (lab.folder / "other.pub").read_text().split(" ")
    good = known.read_text()
    known.write_text(f"{NAME} ssh-ed25519 {key}\n")
    error = lab.run("provision", "--only", "hosts").expect(1).result(NAME)["error"]
    assert error["kind"] == "HostKeyChanged"
    assert str(known) in error["hint"]
    known.write_text(good)
    lab.run("provision", "--only", "hosts").expect(0)


def wait_for_port(node: Node, *, opened: bool) -> None:
    """Wait until the node's ssh port is open, or closed."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            socket.create_connection((node.address, node.port), 5).close()
            found = True
        except OSError:
            found = False
        if found is opened:
            return
        time.sleep(0.5)
    pytest.fail(f"the ssh port is {'closed' if opened else 'open'}")


def test_a_closed_ssh_port(lab: Lab, node: Node, whole: dict[str, object]) -> None:
    lab.write(whole)
    lab.run("provision", "--only", "hosts").expect(0)
    # There is no other way in, so the node opens it again by itself when a file appears.
    node.sh(
        "(systemctl stop sshd; while [ ! -e /root/open ]; do sleep 1; done; rm /root/open;"
        " systemctl start sshd) >/dev/null 2>&1 </dev/null &"
    )
    wait_for_port(node, opened=False)
    try:
        error = lab.run("provision", "--only", "hosts").expect(1).result(NAME)["error"]
    finally:
        (node.root / "root" / "open").touch()
    assert error["kind"] == "ConnectFailed"
    assert error["hint"]
    wait_for_port(node, opened=True)
    lab.run("provision", "--only", "hosts").expect(0)


def test_a_host_that_does_not_answer(lab: Lab, whole: dict[str, object]) -> None:
    machine = {"name": "nobody", "host": "127.0.0.1", "port": 9, "user": "vagrant"}
    lab.write({**whole, "machines": [machine]})
    error = lab.run("provision").expect(1).result("nobody")["error"]
    assert error["kind"] == "ConnectFailed"
    assert "127.0.0.1:9" in error["message"]


def test_no_vagrant_on_path(lab: Lab, world: World, tmp_path: Path) -> None:
    lab.environment["PATH"] = str(tmp_path)
    lab.write(spec(world))
    error = lab.run("up").expect(1).error
    assert error["kind"] == "VagrantMissing"
    assert not (lab.folder / ".labctl" / "Vagrantfile").exists()


def test_no_provider(lab: Lab, world: World, tmp_path: Path) -> None:
    """vagrant is there, and neither VBoxManage nor libvirt's plugin can be found."""
    (tmp_path / "vagrant").symlink_to("/usr/bin/vagrant")
    lab.environment["PATH"] = str(tmp_path)
    lab.write(spec(world, provider="virtualbox"))
    error = lab.run("up").expect(1).error
    assert error["kind"] == "ProviderMissing"
    assert "VBoxManage" in error["message"]
    assert not (lab.folder / ".labctl" / "Vagrantfile").exists()


def test_a_machine_that_never_boots(lab: Lab, world: World, tmp_path: Path) -> None:
    """A box with an empty disk: Vagrant gives up, and labctl says so and names the log."""
    box = tmp_path / "box"
    box.mkdir()
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", str(box / "box.img"), "1G"], check=True
    )
    (box / "metadata.json").write_text(
        '{"provider": "libvirt", "format": "qcow2", "virtual_size": 1}'
    )
    (box / "Vagrantfile").write_text("")
    archive = tmp_path / "empty.box"
    subprocess.run(
        ["tar", "-C", str(box), "-cf", str(archive), *(path.name for path in box.iterdir())],
        check=True,
    )
    lab.write(
        spec(
            world,
            provider="libvirt",
            nodes=1,
            boot_timeout=10,
            box={"name": "empty", "url": archive.as_uri()},
        )
    )
    error = lab.run("up").expect(1).result(NAME)["error"]
    assert error["kind"] == "MachineError"
    assert Path(error["log"]).is_file()
    lab.run("destroy", "--yes").expect(0)
