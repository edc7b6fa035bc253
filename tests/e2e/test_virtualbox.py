"""The course's provider: real Vagrant drives VirtualBox's double (tests/vbox), QEMU runs the nodes.

VirtualBox itself does not run here. What labctl makes Vagrant tell it stands in the double's log,
and the machines that come of it are real ones. One lab is brought up once; the tests of this file
build on one another. Only two playbooks run: what the engine does is the other files' matter.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Lab, spec
from tests.testbed import World
from tests.vbox import box, ending, log, process
from tests.vbox.home import Home
from tests.vbox.network import Interfaces
from tests.vbox.registry import Registry

NAMES = ("docker-node1", "docker-node2")
FIRST, SECOND = NAMES
SECOND_ONLY = f"--limit={SECOND}"
ADDRESSES = ("192.168.56.11", "192.168.56.12")
PROGRAMS = Path(box.__file__).with_name("bin")
WISHES = {
    "memory": 768,
    "cpus": 1,
    "dns_host_resolver": True,
    "boot_timeout": 1200,
    "playbooks": ["repos", "hosts"],
    "synced_folders": [{"host": "labs", "guest": "/srv/labs"}],
}


@pytest.fixture(scope="module")
def home(world: World) -> Iterator[Home]:
    # In the world's folder: a real file system with room, and removed with the world.
    place = Path(tempfile.mkdtemp(prefix="virtualbox-", dir=world.folder))
    home = Home.of({"VBOX_DOUBLE_HOME": str(place / "home")})
    yield home
    # After a failure too, or the machines would take the processors from the tests that follow.
    ending.end_all(home)
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def lab(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    vagrant = home.root.with_name("vagrant")
    box.add(box.cached(print), vagrant)
    folder = tmp_path_factory.mktemp("virtualbox") / "lab"
    (folder / "labs").mkdir(parents=True)
    (folder / "labs" / "first").write_text("one\n")
    environment = {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "VAGRANT_HOME": str(vagrant),
        "VBOX_DOUBLE_HOME": str(home.root),
        "VBOX_DOUBLE_VERSION": "6.1",
    }
    return Lab(folder, environment)


@pytest.fixture(scope="module")
def registry(home: Home) -> Registry:
    return Registry(home)


def told(home: Home, *words: str) -> list[log.Call]:
    """What VirtualBox was told, and did, with a command line that begins with `words`."""
    calls = log.read(home.log)
    return [c for c in calls if tuple(c.argv[: len(words)]) == words and not c.exit_code]


def test_a_network_that_virtualbox_refuses_touches_nothing(
    lab: Lab, world: World, home: Home
) -> None:
    lab.write(spec(world, network="192.168.205.0/24", **WISHES))
    run = lab.run("up", "--nodes", "2", "--provider", "virtualbox").expect(2)
    assert "192.168.56.0/21" in run.stdout
    assert not told(home, "import")
    assert not told(home, "hostonlyif")


def test_killed_while_a_machine_boots_and_up_again_gives_a_verified_lab(
    lab: Lab, world: World
) -> None:
    """labctl is gone at once; the Vagrant that it had started works on, and is waited for."""
    lab.write(spec(world, **WISHES))
    killed = lab.start("up", "--nodes", "2", "--provider", "virtualbox")
    assert killed.stdout is not None
    for line in killed.stdout:
        if "Booting VM" in line:
            break
    else:
        pytest.fail("no machine was booted")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    run = lab.run("up").expect(0)  # what the flags said is remembered
    for name in NAMES:
        checks = run.result(name)["checks"]
        assert checks
        assert {check["outcome"] for check in checks} == {"passed"}


@pytest.mark.parametrize("name", NAMES)
def test_virtualbox_was_told_what_lab_yaml_says(home: Home, registry: Registry, name: str) -> None:
    (interface,) = Interfaces(home).all()
    settings: dict[str, str] = {}
    for call in told(home, "modifyvm", registry.find(f"lab-{name}").uuid):
        settings |= call.pairs()
    wanted = {
        "name": f"lab-{name}",
        "memory": "768",
        "cpus": "1",
        "natdnshostresolver1": "on",
        "nic2": "hostonly",
        "hostonlyadapter2": interface.name,
    }
    assert {key: settings.get(key) for key in wanted} == wanted
    assert settings["natpf1"].startswith("ssh,tcp,127.0.0.1,")


def test_the_box_is_imported_once_and_its_disk_shared(home: Home, registry: Registry) -> None:
    (imported,) = [call for call in told(home, "import") if "-n" not in call.argv]
    clones = told(home, "clonevm")
    assert len(clones) == len(NAMES)
    assert all(call.argv[-2:] == ["--options", "link"] for call in clones)
    base = registry.find(imported.argv[imported.argv.index("--vmname") + 1])
    assert {registry.find(f"lab-{name}").base for name in NAMES} == {base.uuid}


def test_one_host_only_network_with_the_hosts_end(home: Home) -> None:
    assert len(told(home, "hostonlyif", "create")) == 1
    (interface,) = Interfaces(home).all()
    (configured,) = told(home, "hostonlyif", "ipconfig")
    assert configured.argv[2:] == [
        *(interface.name, "--ip", "192.168.56.1", "--netmask", "255.255.255.0")
    ]


def test_the_second_is_not_begun_before_the_first_is_made(home: Home, registry: Registry) -> None:
    # An import, and the making of a network, race in VirtualBox.
    started = told(home, "startvm", registry.find(f"lab-{FIRST}").uuid)[0]
    clones = sorted(call.began for call in told(home, "clonevm"))
    assert clones[1] >= started.began


def test_no_folder_is_shared_that_was_not_asked_for(home: Home) -> None:
    assert not told(home, "sharedfolder", "add")


def test_nodes_reach_each_other_and_the_host(lab: Lab) -> None:
    for target in (SECOND, "192.168.56.1"):
        lab.run("exec", "--limit", FIRST, "--", f"ping -c 1 -W 10 {target}").expect(0)
    for address in ADDRESSES:
        with socket.create_connection((address, 22), 20) as connection:
            assert connection.recv(4) == b"SSH-"


def on(lab: Lab, node: str, command: str) -> str:
    """Run a command on a node as root and return what it printed."""
    (ran,) = lab.run("exec", "--limit", node, "--sudo", "--", command).expect(0).of("executed")
    return str(ran["stdout"])


def steps(lab: Lab, node: str) -> None:
    """Fail unless the node's clock is in step with this machine's."""
    assert abs(int(on(lab, node, "date +%s")) - time.time()) < 30


def host_key(lab: Lab, node: str) -> list[str]:
    """The line of the node's host key; more than one would be one too many."""
    lines = (lab.folder / ".labctl" / "known_hosts").read_text().splitlines()
    return [line for line in lines if line.split()[0] == node]


def test_a_folder_is_pushed_and_pushed_again(lab: Lab) -> None:
    """The box has no Guest Additions, so a folder of type auto goes by rsync."""
    assert on(lab, FIRST, "cat /srv/labs/first") == "one\n"
    (lab.folder / "labs" / "first").write_text("two\n")
    results = lab.run("sync").expect(0).of("result")
    assert {(r["node"], r["ok"]) for r in results} == {(FIRST, True), (SECOND, True)}
    assert on(lab, SECOND, "cat /srv/labs/first") == "two\n"


def test_a_watch_goes_on_pushing_until_it_is_interrupted(lab: Lab) -> None:
    watch = lab.start("sync", SECOND, "--watch")
    assert watch.stdout is not None
    said = []
    for line in watch.stdout:
        said.append(line)
        if "Watching:" in line:
            break
    else:
        pytest.fail("".join(said))
    # The lab is not locked meanwhile.
    lab.run("provision", "--limit", SECOND).expect(0)
    deadline = time.monotonic() + 300
    content = ""
    while content != "three\n" and time.monotonic() < deadline:
        (lab.folder / "labs" / "first").write_text("three\n")
        content = on(lab, SECOND, "cat /srv/labs/first")
    assert content == "three\n"
    watch.send_signal(signal.SIGINT)
    assert lab.finish(watch, timeout=300).exit_code == 130


def test_a_checkpoint_goes_on_where_it_was_saved(lab: Lab) -> None:
    key = host_key(lab, SECOND)
    on(lab, SECOND, "echo before >/run/user-note")
    lab.run("checkpoint", "save", "noted", SECOND_ONLY).expect(0)
    on(lab, SECOND, "echo after >/run/user-note; date -s 2020-01-01")
    (listed,) = lab.run("checkpoint", "list", SECOND_ONLY).expect(0).of("checkpoints")
    assert listed["checkpoints"] == ["noted"]
    (other,) = lab.run("checkpoint", "list", f"--limit={FIRST}").expect(0).of("checkpoints")
    assert other["checkpoints"] == []
    lab.run("checkpoint", "restore", "noted", SECOND_ONLY).expect(0)
    # A file in memory: the machine did not boot, it went on.
    assert on(lab, SECOND, "cat /run/user-note") == "before\n"
    steps(lab, SECOND)
    assert host_key(lab, SECOND) == key
    lab.run("checkpoint", "delete", "noted", SECOND_ONLY).expect(0)
    error = lab.run("checkpoint", "restore", "noted", SECOND_ONLY).expect(1).result(SECOND)["error"]
    assert error["hint"] == "there are none"


def test_suspended_it_goes_on_where_it_was(lab: Lab) -> None:
    lab.run("suspend", SECOND).expect(0)
    (row,) = lab.run("status", SECOND_ONLY).expect(0).of("status")
    assert row["state"] == "suspended"
    assert lab.run("suspend", SECOND).expect(0).result(SECOND)["ok"]  # again: nothing to do
    lab.run("resume", SECOND).expect(0)
    assert on(lab, SECOND, "cat /run/user-note") == "before\n"
    steps(lab, SECOND)


def test_the_lab_outlives_a_reboot_of_the_host_under_virtualbox_7(
    lab: Lab, registry: Registry
) -> None:
    """One node was halted before, the other one's process just ends; nothing of them is lost."""
    lab.environment["VBOX_DOUBLE_VERSION"] = "7.0"
    on(lab, SECOND, "echo kept >/root/note")
    lab.run("halt", SECOND).expect(0)
    first = registry.find(f"lab-{FIRST}")
    process.stop(first, registry.folder(first))
    (row,) = lab.run("status", SECOND_ONLY).expect(0).of("status")
    assert row["state"] == "stopped"
    run = lab.run("heal", SECOND).expect(0)
    assert run.changes(SECOND) == []
    assert on(lab, SECOND, "cat /root/note") == "kept\n"
    run = lab.run("up", "--no-verify").expect(0)
    assert {e["node"] for e in run.of("MachineOutput")} == {FIRST}
    assert run.changes(FIRST) == run.changes(SECOND) == []


def test_what_drifted_is_healed_by_provisioning_alone(lab: Lab) -> None:
    on(lab, SECOND, "sed -i /labctl/,/labctl/d /etc/hosts")
    run = lab.run("heal", SECOND, "--rebuild").expect(0)
    assert run.changes(SECOND)
    assert not run.of("MachineOutput")
    assert on(lab, SECOND, "cat /root/note") == "kept\n"


def test_one_node_is_made_anew_and_the_other_left_alone(lab: Lab, registry: Registry) -> None:
    """The login is broken beyond provisioning; its key and its machine are new afterwards."""
    boot = on(lab, FIRST, "cat /proc/sys/kernel/random/boot_id")
    first, key = registry.find(f"lab-{FIRST}").uuid, host_key(lab, SECOND)
    second = registry.find(f"lab-{SECOND}").uuid
    on(lab, SECOND, "chmod 000 /home/vagrant/.ssh/authorized_keys; chown root: /home/vagrant/.ssh")
    run = lab.run("heal", SECOND, "--rebuild").expect(0)
    assert {e["node"] for e in run.of("MachineOutput")} == {SECOND}
    assert registry.find(f"lab-{FIRST}").uuid == first
    assert registry.find(f"lab-{SECOND}").uuid != second
    assert on(lab, FIRST, "cat /proc/sys/kernel/random/boot_id") == boot
    assert len(host_key(lab, SECOND)) == 1
    assert host_key(lab, SECOND) != key
    assert on(lab, SECOND, "ls /root/note 2>/dev/null || echo gone") == "gone\n"
    lab.run("verify").expect(0)


def test_destroy_leaves_nothing_of_the_lab(lab: Lab, home: Home, registry: Registry) -> None:
    lab.run("destroy", "--yes").expect(0)
    # Vagrant keeps the box's machine that the next lab's disks lie over, and the network.
    (base,) = registry.all()
    assert registry.clones(base) == []
    assert len(Interfaces(home).all()) == 1
    assert not [link for link in Path("/sys/class/net").iterdir() if link.name.endswith("n2")]
    assert not list(home.unfinished.iterdir())
