"""Machines on which somebody once installed docker and podman from CentOS, and what else is wrong.

Two container nodes with these packages. On `old`, labctl replaces them and keeps a student's work.
`troubled` also has one of each other kind of trouble: the doctor names all of it, and the commands
that it prints solve it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.machine import DAEMON, Machine
from tests.testbed import Node, World

OLD, TROUBLED = NAMES = ("old", "troubled")
DROP_IN = "etc/systemd/system/docker.service.d/school.conf"
PACKAGES = ("docker", "docker-client", "docker-common", "podman", "runc")
INSTALL = (
    "yum -y -q --disablerepo='*' --nogpgcheck"
    " --repofrompath=centos,https://vault.centos.org/7.9.2009/extras/x86_64 install docker podman"
)
WORK = (
    "systemctl enable --now docker; docker pull -q busybox; docker volume create work >/dev/null;"
    " docker run -d --name student --restart always -v work:/data busybox"
    " sh -c 'echo exercise-3 >>/data/work; exec sleep 100000' >/dev/null"
)


@pytest.fixture(scope="module")
def machines(
    world: World, nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Machine]:
    """Both machines, on which labctl has never been."""
    folder = tmp_path_factory.mktemp("old")
    found = {name: Machine(world, nodes[name], folder / name / "lab") for name in NAMES}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: node.sh(f"set -e; {INSTALL}; {WORK}"), nodes.values()))
    return found


@pytest.fixture(scope="module")
def old(machines: dict[str, Machine]) -> Machine:
    """A machine with a student's work. Its engine has settings in a file of the package."""
    machine = machines[OLD]
    machine.file(DAEMON, '{"labels": ["room=7"]}')
    machine.node.sh("systemctl restart docker")
    return machine


def test_old_packages_are_named_in_one_line(old: Machine) -> None:
    """N12: the conflict was the last of 55 lines (kubespray PR#3101)."""
    before = old.container()
    error = old.run("up", code=1).result(OLD)["error"]
    message, hint = error["message"], error["hint"]
    assert "nothing was changed: packages that conflict with docker-ce are installed:" in message
    assert "\n" not in message + hint
    assert all(f"{name} " in message for name in PACKAGES)
    assert "docker 1.13.1-210.git7d71120.el7.centos" in message
    assert f"`sudo yum remove {' '.join(PACKAGES)}`" in hint
    assert "--replace-packages" in hint
    assert old.container() == before


def test_they_are_replaced_and_a_students_work_stays(old: Machine) -> None:
    before = old.container()
    run = old.run("up", "--replace-packages")
    told = "\n".join(event["message"] for event in run.of("Notice", OLD))
    assert "/usr/bin/dockerd-current" in told
    assert "--log-driver=journald" in told
    assert old.node.sh(f"rpm -q {' '.join(PACKAGES)}", check=False).stdout.count("not inst") == 5
    # The package took its daemon.json with it, and containers ask for a runtime of the package.
    assert old.settings()["labels"] == ["room=7"]
    assert old.settings()["runtimes"] == {"docker-runc": {"path": "/usr/bin/runc"}}
    identity, *_, volume = before.splitlines()
    assert identity.endswith(" true")
    now = old.container().splitlines()
    assert (now[0], now[1], now[-1]) == (identity, "exercise-3", volume)
    assert old.run("provision", "--replace-packages").changes(OLD) == []
    old.node.reboot()
    old.verify()
    assert old.container().startswith(identity)


# -- one of each kind of trouble


@pytest.fixture(scope="module")
def troubled(machines: dict[str, Machine]) -> Machine:
    """Old packages, a drop-in, bad repositories, a noisy shell, a wrong clock, noexec, a proxy."""
    machine = machines[TROUBLED]
    folder = "etc/yum.repos.d"
    machine.file(f"{folder}/sclo.repo", "[sclo]\nname=dead\nbaseurl=http://dead.lab/$basearch\n")
    machine.file(
        f"{folder}/epel.repo",
        "[epel]\nname=dead\nmirrorlist=https://vault.centos.org/nothing?arch=$basearch\n"
        "enabled = 1\ngpgcheck=0\n[epel-source]\nname=off\nbaseurl=http://dead.lab\nenabled=0\n"
        "[epel-skipped]\nname=may be dead\nbaseurl = http://dead.lab\nskip_if_unavailable=True\n"
        "#[epel-comment]\n[epel-alive]\nname=two\n"
        "baseurl = https://vault.centos.org/$contentdir/7.9.2009/extras/$basearch/ http://dead.lab",
    )
    alive = "baseurl=https://vault.centos.org/7.9.2009/os/$basearch\n"
    machine.file(f"{folder}/school.repo", f"[school]\nname=one\n{alive}[more]\nname=m\n{alive}")
    machine.file(f"{folder}/school2.repo", f"# again\n[school]\nname=another\n{alive}")
    start = "/usr/bin/dockerd-current --add-runtime docker-runc=/usr/libexec/docker/docker-runc"
    machine.file(DROP_IN, f"[Service]\nExecStart=\nExecStart={start}-current --log-level=info\n")
    proxy = "http://anna:secret@proxy.lab:3128"
    machine.file("etc/profile.d/proxy.sh", f"export https_proxy={proxy}\n")
    machine.node.sh(
        "set -e; echo 'echo Welcome to room 7' >>~vagrant/.bashrc;"
        " sysctl -qw net.ipv4.ip_forward=0; mount -t tmpfs -o noexec,mode=1777 tmpfs /tmp"
    )
    machine.wrong_clock(1433000000)
    return machine


def test_the_doctor_names_all_that_is_wrong(troubled: Machine) -> None:
    found = troubled.doctor(code=1)
    foreign, packages = found["fail"]
    assert (foreign["what"], packages["what"]) == ("engine", "packages")
    # It outlives its package, and the new engine would not start with it.
    assert f"/{DROP_IN} starts /usr/bin/dockerd-current (20.10.24" in foreign["found"]
    assert "docker 1.13.1-210" in packages["found"]
    assert [(warning["what"], warning["found"].partition(";")[0]) for warning in found["warn"]] == [
        ("clock", "its clock shows 2015-05-30 15:33 UTC"),
        (
            "repositories",
            "the repository epel of /etc/yum.repos.d/epel.repo does not answer"
            " (https://vault.centos.org/nothing?arch=x86_64: it has no such folder), so yum fails",
        ),
        (
            "repositories",
            "the repository sclo of /etc/yum.repos.d/sclo.repo does not answer"
            " (http://dead.lab/x86_64/repodata/repomd.xml: its name is unknown), so yum fails",
        ),
        (
            "repositories",
            "the repository school is defined in /etc/yum.repos.d/school.repo,"
            " /etc/yum.repos.d/school2.repo, and yum takes one of them",
        ),
        ("forwarding", "net.ipv4.ip_forward is 0, so containers reach no other host"),
        ("/tmp", "/tmp is mounted noexec"),
        (
            "login output",
            "logging in as vagrant prints “Welcome to room 7”, which breaks scp and rsync",
        ),
    ]
    passed = {finding["what"]: finding["found"] for finding in found["ok"]}
    assert passed["sudo"] == "vagrant becomes root"
    assert passed["login shell"] == "/bin/bash"
    assert "base, extras, updates of CentOS no longer answer" in passed["repositories"]
    words = str(found)
    assert "http://proxy.lab:3128 (/etc/profile.d/proxy.sh)" in words
    assert "secret" not in words


def test_a_noisy_login_breaks_no_copy(troubled: Machine, tmp_path: Path) -> None:
    """N4: scp said that the node sends no tar archive."""
    troubled.run("scp", f"{TROUBLED}:/etc/hostname", str(tmp_path))
    assert (tmp_path / "hostname").read_text() == f"{TROUBLED}\n"
    troubled.run("scp", str(tmp_path / "hostname"), f"{TROUBLED}:/home/vagrant/copy")
    assert (troubled.node.root / "home/vagrant/copy").read_text() == f"{TROUBLED}\n"


def test_the_first_run_names_the_same_and_stops(troubled: Machine) -> None:
    words = troubled.refusal("up")
    assert "because of 2 conflicts" in words
    assert "packages that conflict with docker-ce are installed" in words
    run = troubled.run("provision", code=1)
    told = [event["message"] for event in run.of("Notice", TROUBLED)]
    for finding in troubled.doctor(code=1)["warn"]:
        if finding["what"] != "clock":  # its remedy has the time in it
            assert f"{finding['found']} → {finding['remedy']}" in told


def test_the_printed_commands_solve_it(troubled: Machine) -> None:
    """Each command is run as it was printed, by the user who logs in."""
    found = troubled.doctor(code=1)
    for finding in (*found["fail"], *found["warn"]):
        _, command, _ = finding["remedy"].split("`", 2)
        troubled.typed(command)
    now = troubled.doctor()
    assert now["warn"] == []
    run = troubled.run("up")
    assert "clock" not in run.changes(TROUBLED)
    assert troubled.node.sh("yum -q repolist").stdout.count("school") == 1
    assert "engine" in {finding["what"] for finding in troubled.doctor()["ok"]}
