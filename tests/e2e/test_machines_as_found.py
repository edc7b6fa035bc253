"""Machines as people have them: an engine that somebody set up, and what is wrong with it.

Two container nodes with the engine's packages. `kept` is a machine with a student's work: its tests
tell one story, in their order, and the student's container and volume have the same ids at its end.
On `odd` each test makes one situation, and puts the machine back.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.machine import DAEMON, Machine
from tests.testbed import Node, World
from tests.testbed.names import BRIDGE, SERVICE_ADDRESS

KEPT, ODD = NAMES = ("kept", "odd")
ENGINE_INSTALLED = True
DROP_IN = "etc/systemd/system/docker.service.d/school.conf"
START = "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"


@pytest.fixture(scope="module")
def kept(world: World, nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which labctl has never been, with a student's work in a folder of its own.

    The engine is set by a daemon.json (N2) and by a drop-in (N1).
    """
    machine = Machine(world, nodes[KEPT], tmp_path_factory.mktemp("kept") / "lab")
    machine.file(DAEMON, '{\n    "data-root": "/srv/docker",\n    "labels": ["room=7"]\n}')
    machine.file(
        DROP_IN,
        f"[Service]\nExecStart=\nExecStart={START} --insecure-registry=10.9.9.9:5000 \\\n"
        "  --registry-mirror=http://mirror.lab\n",
    )
    machine.node.sh(
        "mkdir -p /srv/docker; mount --bind /var/lib/docker /srv/docker;"
        " echo '/var/lib/docker /srv/docker none bind 0 0' >>/etc/fstab;"
        " systemctl enable --now docker && docker pull -q busybox && docker volume create work &&"
        " docker run -d --name student --restart always -v work:/data busybox"
        " sh -c 'echo exercise-3 >>/data/work; exec sleep 100000'"
    )
    return machine


@pytest.fixture(scope="module")
def first(kept: Machine) -> str:
    """The student's container and volume, before labctl came."""
    return kept.container()


def test_a_flag_that_labctl_sets_too_is_named_before_anything_is_touched(
    kept: Machine, first: str
) -> None:
    """N1: the engine would be dead after the next reboot (docker/for-linux#327)."""
    for command in (("up",), ("provision",), ("provision", "--check", "--diff")):
        words = kept.refusal(*command)
        assert f"/{DROP_IN} starts dockerd with --registry-mirror=http://mirror.lab" in words
        assert "docker: {mirrors: []}" in words
        assert "insecure-registries" not in words  # the lab has none of its own
    assert kept.container() == first


def test_a_folder_of_data_does_not_go_out_of_sight(kept: Machine, first: str) -> None:
    """N2: containers and volumes were gone, and all was said to be well."""
    kept.describe(mirrors=[], daemon={"data-root": "/var/lib/docker2", "labels": ["room=8"]})
    words = kept.refusal("up")
    assert 'data-root: lab.yaml sets "/var/lib/docker2"' in words
    assert 'labels: lab.yaml sets ["room=8"], and /etc/docker/daemon.json sets ["room=7"]' in words
    assert "in /srv/docker; the engine would not see them in /var/lib/docker2" in words
    assert kept.container() == first


def test_what_is_there_is_shown_and_kept(kept: Machine, first: str) -> None:
    kept.describe(mirrors=[], daemon={"debug": True})
    run = kept.run("up")
    told = "\n".join(event["message"] for event in run.of("Notice", KEPT))
    assert "engine found: /usr/bin/dockerd 20.10.24" in told
    assert "--registry-mirror=http://mirror.lab" in told
    assert "/srv/docker: 1 containers, 1 volumes" in told
    assert 'labels=["room=7"]' in told
    assert kept.settings() == {"data-root": "/srv/docker", "labels": ["room=7"], "debug": True}
    copy = kept.node.root / f"{DAEMON}.before-labctl"
    assert copy.read_text().startswith('{\n    "data-root"')
    assert kept.container() == first
    assert kept.run("provision").changes(KEPT) == []
    assert kept.run("provision").exchanges(KEPT) == 1


def test_all_of_it_outlives_a_reboot(kept: Machine, first: str) -> None:
    kept.node.reboot()
    kept.verify()
    identity, _, rest = kept.container().partition("\n")
    assert identity == first.partition("\n")[0]
    assert rest == "exercise-3\n" + first.partition("\n")[2]


def test_a_key_that_leaves_lab_yaml_leaves_the_file(kept: Machine) -> None:
    kept.describe(mirrors=[])
    kept.run("provision")
    assert kept.settings() == {"data-root": "/srv/docker", "labels": ["room=7"]}


def test_an_engine_that_would_not_start_again_is_found(kept: Machine) -> None:
    """Somebody edits the file; the engine runs on, until the next reboot."""
    identity = kept.container().partition("\n")[0]
    text = (kept.node.root / DAEMON).read_text()
    kept.file(DAEMON, json.dumps({**json.loads(text), "registry-mirrors": ["http://a.lab"]}))
    run = kept.verify("test_engine_would_start_again")
    (check,) = [c for c in run.result(KEPT)["checks"] if c["outcome"] == "failed"]
    assert (
        "registry-mirrors is set twice: --registry-mirror=http://mirror.lab in" in check["details"]
    )
    assert "registry-mirrors is set twice" in kept.refusal("provision")
    kept.file(DAEMON, text)
    kept.verify()
    assert kept.container().partition("\n")[0] == identity


def test_a_reload_that_the_engine_refuses_is_a_failure(kept: Machine) -> None:
    """systemctl says that all is well. Here it is over a key that labctl does not know either."""
    theirs = {**kept.settings(), "nobody-has-heard-of": 1}
    kept.file(DAEMON, json.dumps(theirs))
    kept.describe(mirrors=[], daemon={"debug": True})
    error = kept.run("provision", code=1).result(KEPT)["error"]
    assert error["resource"] == "service:docker"
    assert "unable to configure the Docker daemon" in error["message"]
    assert "nobody-has-heard-of" in error["message"]
    assert kept.settings() == theirs
    del theirs["nobody-has-heard-of"]
    kept.file(DAEMON, json.dumps(theirs))


def test_a_flag_that_was_removed_as_labctl_said(kept: Machine, first: str) -> None:
    """The engine still runs with it, and would refuse the key in a reload."""
    kept.file(DROP_IN, None)
    kept.describe()
    run = kept.run("up")
    assert run.changes(KEPT)[-2:] == ["file:/etc/docker/daemon.json", "service:docker"]
    assert kept.settings()["registry-mirrors"] == ["https://docker.1ms.run"]
    assert kept.container().partition("\n")[0] == first.partition("\n")[0]


# -- one thing at a time


@pytest.fixture(scope="module")
def set_up(
    world: World, nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory
) -> Machine:
    """The other machine, before its engine has ever started."""
    return Machine(world, nodes[ODD], tmp_path_factory.mktemp("odd") / "lab")


@pytest.fixture
def odd(set_up: Machine) -> Iterator[Machine]:
    """The other machine; what a test wrote is taken back, so that one failure stays alone."""
    root = set_up.node.root
    paths = (DAEMON, "etc/hosts", "etc/containerd/config.toml")
    before = {path: (root / path).read_text() for path in paths if (root / path).exists()}
    yield set_up
    for path in paths:
        if path in before or path != DAEMON:
            set_up.file(path, before.get(path))
    written = ("systemd/system/docker.service", "systemd/system/docker.service.d/bound.conf")
    for path in (*written, "yum.repos.d/aaa.repo", "sysctl.d/99-school.conf"):
        set_up.file(f"etc/{path}", None)
    set_up.describe()


@contextlib.contextmanager
def seen_from(node: Node, address: str) -> Iterator[None]:
    """Let connections to a node come from another address, as an instructor's in another network.

    The node has no route to it but the default one.
    """

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    ip("address", "add", f"{address}/32", "dev", BRIDGE)
    ip("route", "add", node.address, "dev", BRIDGE, "src", address)
    try:
        yield
    finally:
        ip("route", "del", node.address, "dev", BRIDGE)
        ip("address", "del", f"{address}/32", "dev", BRIDGE)


def test_the_first_start_does_not_cut_the_connection(set_up: Machine) -> None:
    """N3: docker's bridge takes the network of the instructor (moby#27213)."""
    odd = set_up

    def networks() -> str:
        found = odd.doctor()
        assert found["warn"] == []
        return next(one["found"] for one in found["ok"] if one["what"] == "docker's networks")

    # A neighbour: a network behind another router of the school.
    odd.node.sh(f"ip route add 172.17.32.0/24 via {SERVICE_ADDRESS}")
    assert networks().endswith("labctl sets bip=10.213.0.1/16")
    odd.node.sh("ip route del 172.17.32.0/24")
    with seen_from(odd.node, "172.17.5.1"):
        assert "labctl sets bip=10.213.0.1/16, default-address-pools=" in networks()
        run = odd.run("up")
        assert odd.settings()["bip"] == "10.213.0.1/16"
        assert run.seconds < 120
        # Measured again, with the bridge in place.
        assert odd.run("provision", "--refresh").changes(ODD) == []
        odd.node.reboot()
        odd.verify()
    assert "10.213.0.1/16" in odd.node.sh("ip -4 addr show docker0").stdout


def test_conflicts_of_all_kinds_are_named_at_once(odd: Machine) -> None:
    """N5, N16: hosts beside -H (moby#25471), a number that must be text, a stale line."""
    text = (odd.node.root / DAEMON).read_text()
    hosts = (odd.node.root / "etc/hosts").read_text()
    odd.file(
        DAEMON, json.dumps({**json.loads(text), "hosts": ["fd://"], "log-opts": {"max-file": 3}})
    )
    odd.file("etc/hosts", f"10.9.9.9 peer # old\n{hosts}")
    odd.lab.write(
        {
            **odd.whole,
            "machines": [*odd.whole["machines"], {"name": "peer", "host": "10.77.0.250"}],
        }
    )
    words = odd.refusal("provision", "--limit", ODD)
    assert "because of 3 conflicts" in words
    assert "hosts is set twice: -H fd:// in /usr/lib/systemd/system/docker.service" in words
    assert "daemon.json.log-opts.max-file: must be a string, is 3" in words
    assert "line 1 of /etc/hosts maps peer to 10.9.9.9 instead of 10.77.0.250" in words
    (command,) = [line for line in words.splitlines() if "sed -i" in line]
    odd.node.sh(command.split("`")[1])
    odd.file(DAEMON, text)
    odd.describe()
    odd.file("etc/hosts", hosts)
    assert odd.run("provision").changes(ODD) == []


def test_a_service_that_does_not_start_says_why(odd: Machine) -> None:
    """N5: containerd's reason is in containerd's journal.

    The engine is bound to containerd as 19.03's unit has it: 20.10 waits for it for a minute.
    """
    odd.file(
        "etc/systemd/system/docker.service.d/bound.conf",
        "[Unit]\nBindsTo=containerd.service\nAfter=containerd.service\n",
    )
    config = odd.node.root / "etc/containerd/config.toml"
    before = config.read_text() if config.exists() else None
    odd.file("etc/containerd/config.toml", "version = = 2\n")
    odd.node.sh("systemctl stop docker.socket docker containerd", check=False)
    error = odd.run("provision", code=1).result(ODD)["error"]
    odd.file("etc/containerd/config.toml", before)
    assert error["resource"] == "service:docker"
    assert "containerd.service, which docker.service needs" in error["details"]
    assert "config.toml" in error["message"], error
    odd.run("provision")  # systemd may have been faster
    odd.verify()


def test_live_restore_in_a_swarm_is_refused(odd: Machine) -> None:
    """N6: the engine's next start would be fatal (docker/docs#16059)."""
    odd.node.sh(f"docker swarm init --advertise-addr {odd.node.address}")
    odd.describe(daemon={"live-restore": True})
    assert "live-restore is on and this node is in a swarm" in odd.refusal("provision")
    odd.node.sh("systemctl stop docker.socket docker")  # its folder says the same
    assert "live-restore is on and this node is in a swarm" in odd.refusal("provision")
    odd.node.sh("systemctl start docker; docker swarm leave --force")
    odd.run("provision")
    odd.describe()
    odd.run("provision")


def test_a_unit_that_starts_another_program_is_named(odd: Machine) -> None:
    """N7: an engine from a tarball goes on running (docker/for-linux#660)."""
    odd.node.sh("mkdir -p /opt/docker; cp /usr/bin/dockerd /opt/docker/dockerd")
    unit = (odd.node.root / "usr/lib/systemd/system/docker.service").read_text()
    odd.file(
        "etc/systemd/system/docker.service", unit.replace("/usr/bin/dockerd", "/opt/docker/dockerd")
    )
    odd.node.sh("systemctl restart docker")
    words = odd.refusal("provision")
    assert "/etc/systemd/system/docker.service starts /opt/docker/dockerd (20.10.24" in words
    odd.verify("test_running_engine_is_the_pinned_one")
    (command,) = [line for line in words.splitlines() if "sudo mv" in line]
    odd.node.sh(command.split("`")[1])
    odd.run("up")
    odd.node.sh("rm -rf /opt/docker /etc/systemd/system/docker.service.before-labctl")


def test_an_engine_whose_program_was_replaced_is_restarted(odd: Machine) -> None:
    """N7's neighbour: the package is the wanted one, and the old program still runs."""
    odd.node.sh("cp -p /usr/bin/dockerd /root/dockerd; mv -f /root/dockerd /usr/bin/dockerd")
    odd.verify("test_running_engine_is_the_pinned_one")
    run = odd.run("provision")
    assert run.changes(ODD) == ["engine:docker"]
    odd.verify()


@pytest.fixture
def student(odd: Machine) -> str:
    """A container that nothing starts again, but labctl."""
    odd.node.sh("docker rm -f student", check=False)
    return odd.node.sh("docker run -d --name student busybox sleep 100000").stdout.strip()


def is_running(machine: Machine, container: str) -> bool:
    seen = machine.node.sh("docker inspect -f '{{.Id}} {{.State.Running}}' student").stdout
    return seen == f"{container} true\n"


def test_forwarding_that_was_turned_off(odd: Machine, student: str) -> None:
    """N8: containers are cut off, and nothing says so (moby#30205).

    A neighbour: a file of the machine turns it off at each boot, and labctl's file wins.
    """
    odd.file("etc/sysctl.d/99-school.conf", "net.ipv4.ip_forward = 0\n")
    read_all = (
        "for file in /etc/sysctl.d/*; do sysctl -q -p $file; done; sysctl net.ipv4.ip_forward"
    )
    assert odd.node.sh(read_all).stdout == "net.ipv4.ip_forward = 0\n"
    (warning,) = odd.doctor()["warn"]
    assert "`sudo sysctl -w net.ipv4.ip_forward=1`" in warning["remedy"]
    odd.verify("test_container_is_reached_and_reaches_out")
    assert odd.run("provision").changes(ODD) == ["kernel:net.ipv4.ip_forward"]
    assert odd.node.sh(read_all).stdout == "net.ipv4.ip_forward = 1\n"
    odd.verify()
    assert is_running(odd, student)


@pytest.mark.parametrize("flush", ["iptables -F; iptables -t nat -F", "iptables -t nat -F"])
def test_firewall_rules_that_are_gone(odd: Machine, student: str, flush: str) -> None:
    """N9: as after a reload of firewalld (moby#16816). Heal restarts docker."""
    odd.node.sh(flush)
    odd.verify("test_container_is_reached_and_reaches_out")
    run = odd.run("heal", ODD)
    assert run.changes(ODD) == ["engine:docker"]
    assert is_running(odd, student)
    odd.node.sh("docker rm -f student")


def test_repositories_of_others_do_not_matter(odd: Machine) -> None:
    """N10: a dead one, and one that shadows labctl's ids without signatures."""
    odd.file(
        "etc/yum.repos.d/aaa.repo",
        "[sclo]\nname=dead\nbaseurl=http://dead.lab/\nenabled=1\n"
        "[base]\nname=shadow\nbaseurl=http://dead.lab/\nenabled=1\ngpgcheck=0\n",
    )
    odd.node.sh(
        "yum -y --disablerepo='*' --enablerepo='labctl-*' downgrade docker-ce-20.10.23-3.el7"
    )
    run = odd.run("provision")
    assert run.changes(ODD) == ["packages:engine"]
    odd.file("etc/yum.repos.d/aaa.repo", None)
    odd.verify()


@pytest.mark.parametrize("seconds", [1433000000, 2200000000], ids=["behind", "ahead"])
def test_a_clock_that_is_wrong_by_years(odd: Machine, seconds: int) -> None:
    """N14."""
    odd.wrong_clock(seconds)
    run = odd.run("provision")
    odd.node.sh("mv /usr/bin/date.real /usr/bin/date")
    assert run.changes(ODD) == ["clock"]
    assert "set the clock to 20" in run.result(ODD)["changes"][0]["summary"]


def test_tmp_from_which_nothing_starts(odd: Machine) -> None:
    """N13: docker-compose unpacks itself there (docker/compose#6990)."""
    odd.node.sh("mount -t tmpfs -o noexec,mode=1777 tmpfs /tmp")
    odd.verify("test_version", "test_project_comes_up")
    odd.run("provision", "--refresh")
    odd.verify()
    odd.node.sh("umount /tmp")
    odd.run("provision", "--refresh")
    odd.verify()


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("Defaults:vagrant requiretty", "remove 'Defaults requiretty'"),
        ("vagrant ALL=(ALL) ALL", "--ask-sudo-password"),
    ],
)
def test_sudo_that_is_refused(odd: Machine, line: str, remedy: str) -> None:
    """N15. Without it, the doctor looks at what the login user can see."""
    # The last file counts; an earlier one excepts Vagrant's user. The testbed uses sudo, too.
    demand = odd.node.root / "etc/sudoers.d/zz-refuses"
    demand.write_text(f"{line}\n")
    try:
        error = odd.run("provision", code=1).result(ODD)["error"]
        found = odd.run("doctor", ODD, code=1).of("finding", ODD)
    finally:
        demand.unlink()
    assert remedy in error["hint"]
    assert [(one["what"], one["remedy"]) for one in found if one["level"] == "fail"] == [
        ("sudo", error["hint"])
    ]
    others = {one["what"]: one["level"] for one in found if one["level"] != "fail"}
    assert {*others.values()} == {"ok"}
    assert {"clock", "disk", "repositories", "/tmp", "docker's networks"} <= others.keys()


def test_a_file_that_nobody_may_change(odd: Machine) -> None:
    """N16."""
    changed = odd.node.sh("sed -i '/ odd$/d' /etc/hosts; chattr +i /etc/hosts", check=False)
    if changed.returncode:
        pytest.skip("this file system has no immutable files")
    error = odd.run("provision", code=1).result(ODD)["error"]
    odd.node.sh("chattr -i /etc/hosts")
    assert "/etc/hosts is immutable" in error["message"]
    assert "chattr -i /etc/hosts" in error["hint"]
    assert odd.run("provision").changes(ODD) == ["block:/etc/hosts:nodes"]


def test_a_resolver_that_is_dead(odd: Machine) -> None:
    """N16's neighbour."""
    resolver = odd.node.root / "etc/resolv.conf"
    before = resolver.read_text()
    odd.node.sh("rm /usr/local/bin/docker-compose")
    resolver.write_text("nameserver 127.0.0.9\n")
    try:
        (warning,) = odd.doctor()["warn"]
        error = odd.run("provision", code=1).result(ODD)["error"]
    finally:
        resolver.write_text(before)
    assert "it cannot look up " in warning["found"]
    assert "github.com" in warning["found"]
    assert "nameservers: 127.0.0.9" in warning["found"]
    assert "/etc/resolv.conf" in warning["remedy"]
    assert error["resource"] == "download:/usr/local/bin/docker-compose"
    assert error["message"].endswith("the node cannot look up github.com")
    assert "/etc/resolv.conf" in error["hint"]
    assert odd.run("provision").changes(ODD) == ["download:/usr/local/bin/docker-compose"]
