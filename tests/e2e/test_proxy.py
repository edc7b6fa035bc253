"""A room whose only way out is a proxy, with and without a password.

Two container nodes with the engine's packages. The world's firewall lets them reach the proxy and
nothing else: no web site, no registry, no resolver. The tests of `room` tell one story, in their
order; at its end the nodes' files are as before, byte by byte.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Lab, machines, spec
from tests.testbed import Node, World
from tests.testbed.names import BRIDGE, SERVICE_ADDRESS

FIRST, SECOND = NAMES = ("docker-node1", "docker-node2")
ENGINE_INSTALLED = True
OPEN, WITH_LOGIN = 3128, 3129
USER, PASSWORD = "anna", """p%4@:/#$'"~é"""
ENCODED = "p%254%40%3A%2F%23%24%27%22~%C3%A9"
PROXY = f"http://{SERVICE_ADDRESS}:{OPEN}"
LOGIN = f"http://{USER}:{ENCODED}@{SERVICE_ADDRESS}:{WITH_LOGIN}"
SQUID = f"""\
http_port {OPEN}
http_port {WITH_LOGIN}
auth_param basic program /usr/lib/squid/basic_ncsa_auth FOLDER/users
auth_param basic realm school
acl login proxy_auth REQUIRED
acl with_login myportname {WITH_LOGIN}
http_access allow with_login login
http_access deny with_login
http_access allow all
access_log stdio:FOLDER/access.log
cache_log FOLDER/cache.log
cache deny all
pid_filename FOLDER/squid.pid
coredump_dir FOLDER
shutdown_lifetime 0 seconds
netdb_filename none
dns_nameservers {SERVICE_ADDRESS}
"""
# EL7's bash reads them for commands over ssh too; Debian's leaves them to interactive shells.
BASHRC = """\
if [ -f /etc/bashrc ]; then . /etc/bashrc; fi
"""
ETC_BASHRC = """\
if ! shopt -q login_shell; then
  for script in /etc/profile.d/*.sh; do if [ -r "$script" ]; then . "$script" >/dev/null; fi; done
fi
"""
DOCKER_CONFIG = '{"auths":  {"school.example": {"auth": "c3R1ZGVudDpzZWNyZXQ="}}}\n'
FILES = (
    "etc/sudoers.d etc/profile.d etc/environment etc/yum.conf etc/systemd/system/docker.service.d"
    " etc/labctl-proxy.env home/vagrant/.docker root/.docker var/lib/labctl/proxy"
)


class Squid:
    """A proxy in the world, as many schools have it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        shutil.chown(folder, "proxy", "proxy")
        folder.chmod(0o755)
        hashed = subprocess.run(
            ["openssl", "passwd", "-apr1", "-stdin"],
            input=PASSWORD, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        (folder / "users").write_text(f"{USER}:{hashed}")
        config = folder / "squid.conf"
        config.write_text(SQUID.replace("FOLDER", str(folder)))
        self.process = subprocess.Popen(["squid", "-N", "-f", config], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while subprocess.run(["curl", "-s", "-o", "/dev/null", PROXY], check=False).returncode:
            assert time.monotonic() < deadline, (folder / "cache.log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def asked(self) -> str:
        """Return what it was asked for since the last call."""
        log = self.folder / "access.log"
        text = log.read_text()
        log.write_text("")
        return text


@pytest.fixture(scope="module")
def squid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Squid]:
    # pytest's own folders are closed to the proxy's user.
    folder = Path(f"/run/labctl-squid-{time.time_ns()}")
    squid = Squid(folder)
    yield squid
    squid.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module", autouse=True)
def only_way_out(squid: Squid, nodes: dict[str, Node]) -> Iterator[None]:
    """Let the nodes reach the proxy alone, and give their shells EL7's files."""
    rules = [
        ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"],
        ["-p", "tcp", "-m", "multiport", "--dports", f"{OPEN},{WITH_LOGIN}", "-j", "ACCEPT"],
        ["-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"],
        ["-j", "REJECT"],
    ]
    for rule in rules:
        subprocess.run(["iptables", "-A", "INPUT", "-i", BRIDGE, *rule], check=True)
    for node in nodes.values():
        (node.root / "etc/bashrc").write_text(ETC_BASHRC)
        for home in ("root", "home/vagrant"):
            (node.root / home / ".bashrc").write_text(BASHRC)
        node.sh(
            "mkdir -m 700 ~vagrant/.docker; chown vagrant: ~vagrant/.docker;"
            f"printf %s '{DOCKER_CONFIG}' >~vagrant/.docker/config.json;"
            "chown vagrant: ~vagrant/.docker/config.json"
        )
    yield
    for rule in reversed(rules):
        subprocess.run(["iptables", "-D", "INPUT", "-i", BRIDGE, *rule], check=True)


@pytest.fixture(scope="module")
def room(world: World, nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The lab of both machines, with a registry on the first."""
    folder = tmp_path_factory.mktemp("room") / "lab"
    folder.mkdir()
    return Lab(folder)


def describe(lab: Lab, world: World, nodes: dict[str, Node], proxy: Any, **more: Any) -> None:
    """Write lab.yaml; with no `proxy`, the key is left out."""
    whole = spec(world, machines=machines(list(nodes.values())), **more)
    whole["playbooks"] = ["repos", "hosts", "engine", "mirrors", "compose", "registry"]
    lab.write(whole if proxy is None else {**whole, "proxy": proxy})


def files(node: Node) -> str:
    """Return names, owners, modes and digests of all files that the proxy is set in."""
    return node.sh(
        f"cd /; for file in {FILES}; do find $file -printf '%p %u:%g %m %y\\n' 2>/dev/null; done"
        f" | sort; for file in {FILES}; do find $file -type f -exec sha256sum {{}} + 2>/dev/null;"
        " done | sort"
    ).stdout


def secrets_in(text: str) -> list[str]:
    return [secret for secret in (PASSWORD, ENCODED) if secret in text]


@pytest.fixture(scope="module")
def before(nodes: dict[str, Node]) -> dict[str, str]:
    """The files before labctl came."""
    return {name: files(node) for name, node in nodes.items()}


def test_there_is_no_other_way_out(nodes: dict[str, Node], before: dict[str, str]) -> None:
    for node in nodes.values():
        assert node.sh("getent ahostsv4 vault.centos.org", check=False).returncode
        assert node.sh(
            f"curl -s --resolve vault.centos.org:443:{SERVICE_ADDRESS} https://vault.centos.org/",
            check=False,
        ).returncode
        node.sh(f"https_proxy={PROXY} curl -sI https://vault.centos.org/")


@pytest.mark.parametrize(
    ("proxy", "message", "remedy"),
    [
        (
            f"http://{SERVICE_ADDRESS}:9",
            f"the proxy {SERVICE_ADDRESS}:9 does not answer the node",
            "correct proxy in lab.yaml",
        ),
        (
            "http://proxy.school.example:3128",
            "cannot look up the name of the proxy proxy.school.example:3128",
            "set its address in lab.yaml",
        ),
        (
            f"http://{SERVICE_ADDRESS}:{WITH_LOGIN}",
            "wants a user and a password",
            f"set http://USER:PASSWORD@{SERVICE_ADDRESS}:{WITH_LOGIN}",
        ),
        (
            f"http://{USER}:wr%40ng@{SERVICE_ADDRESS}:{WITH_LOGIN}",
            "refuses the password of anna",
            "write special characters as %XX",
        ),
        (
            f"http://{SERVICE_ADDRESS}:53",
            f"{SERVICE_ADDRESS}:53",
            "proxy in lab.yaml",
        ),
    ],
    ids=["closed port", "unknown name", "no login", "wrong password", "no proxy there"],
)
def test_a_wrong_proxy_is_one_line_before_any_change(
    lab: Lab,
    world: World,
    nodes: dict[str, Node],
    before: dict[str, str],
    proxy: str,
    message: str,
    remedy: str,
) -> None:
    describe(lab, world, nodes, proxy)
    run = lab.run("up", "--limit", FIRST).expect(1)
    error = run.result(FIRST)["error"]
    assert error["message"].startswith("nothing was changed: ")
    assert message in error["message"]
    assert remedy in error["hint"]
    assert files(nodes[FIRST]) == before[FIRST]
    assert "wr%40ng" not in run.stdout + run.stderr


def test_a_whole_lab_behind_a_proxy_with_a_password(
    room: Lab, world: World, nodes: dict[str, Node], squid: Squid, before: dict[str, str]
) -> None:
    """N11: the lab comes up, is verified, and pins no name."""
    describe(room, world, nodes, LOGIN)
    planned = room.run("provision", "--check", "--diff").expect(3)
    shown = json.dumps([planned.result(name)["changes"] for name in NAMES], ensure_ascii=False)
    assert f"http_proxy=http://{USER}:•••@{SERVICE_ADDRESS}:{WITH_LOGIN}" in shown
    assert not secrets_in(planned.stdout + planned.stderr)
    assert {name: files(node) for name, node in nodes.items()} == before

    run = room.run("up").expect(0)
    assert not secrets_in(run.stdout + run.stderr)
    for name in NAMES:
        checks = run.result(name)["checks"]
        assert {check["outcome"] for check in checks} <= {"passed", "skipped"}, checks
        ours = [check["outcome"] for check in checks if check["section"] == "proxy"]
        assert ours == ["passed"] * 3
        choices = json.loads((room.folder / f".labctl/nodes/{name}.json").read_text())["choices"]
        assert choices["mirrors.live"]["answer"] == ["https://docker.1ms.run"]
        assert "hosts.pins" not in choices
        assert "pins" not in (nodes[name].root / "etc/hosts").read_text()
    assert "vault.centos.org:443 anna" in squid.asked()

    again = room.run("provision").expect(0)
    assert [again.changes(name) for name in NAMES] == [[], []]
    assert [again.exchanges(name) for name in NAMES] == [1, 1]
    room.run("provision", "--check").expect(0)


def test_status_names_the_proxy(room: Lab) -> None:
    rows = room.run("status").expect(0).of("status")
    assert [row["health"]["proxy"] for row in rows] == [
        f"http://{USER}:•••@{SERVICE_ADDRESS}:{WITH_LOGIN}"
    ] * 2


def test_the_password_is_in_no_file_and_no_process_that_others_can_read(
    room: Lab, nodes: dict[str, Node]
) -> None:
    state = room.folder / ".labctl"
    holding = {
        str(path.relative_to(state))
        for path in state.rglob("*")
        if path.is_file() and secrets_in(path.read_text(errors="replace"))
    }
    # wanted.*.json hides the password in what checks print, as for the registry's.
    assert {name for name in holding if not re.fullmatch(r"wanted\..*\.json", name)} == set()
    stored = json.loads((state / "private/proxy-http.json").read_text())
    assert stored["password"] == PASSWORD  # JSON writes it in other characters
    assert oct((state / "private/proxy-http.json").stat().st_mode & 0o777) == "0o600"
    for node in nodes.values():
        open_files = node.sh(
            f"grep -rlF '{ENCODED}' /etc /var/lib/labctl /home /root /run/systemd 2>/dev/null"
            " | xargs stat -c '%n %a %U:%G' | sort"
        ).stdout.splitlines()
        assert open_files == [
            "/etc/labctl-proxy.env 640 root:docker",
            "/home/vagrant/.docker/config.json 600 vagrant:vagrant",
            "/root/.docker/config.json 600 root:root",
        ]
        assert ENCODED not in node.sh("systemctl show docker; ps -e -o args").stdout


def test_students_work_behind_it(room: Lab, nodes: dict[str, Node], squid: Squid) -> None:
    """curl, yum with sudo, pull, an image build, compose, and the registry without the proxy."""
    squid.asked()
    node = FIRST

    def works(*command: str) -> str:
        run = room.run("exec", "--limit", node, "--", *command).expect(0)
        return run.stdout

    works("curl", "-sSf", "-o", "/dev/null", "https://download.docker.com/linux/centos/gpg")
    works("sudo", "yum", "-q", "--disablerepo=*", "--enablerepo=base", "makecache")
    works("sh", "-c", "docker rmi -f busybox >/dev/null 2>&1; docker pull -q busybox")
    said = squid.asked()
    assert "download.docker.com:443 anna" in said
    assert "vault.centos.org:443 anna" in said
    assert "docker.1ms.run:443 anna" in said

    build = (
        "mkdir -p b && cd b && printf '%s\\n' 'FROM busybox:latest'"
        " 'RUN wget -q -O /gpg http://download.docker.com/linux/centos/gpg' >Dockerfile &&"
        " docker build --no-cache -q ."
    )
    works("sh", "-c", build)
    assert "http://download.docker.com/linux/centos/gpg anna" in squid.asked()

    compose = (
        "mkdir -p c && cd c && printf '%s\\n' 'version: \"3\"' 'services:' '  a:' '    build: ../b'"
        " '  r:' '    image: redis' >docker-compose.yml && docker-compose --no-ansi pull -q r &&"
        " docker-compose --no-ansi build --no-cache a"
    )
    works("sh", "-c", compose)
    said = squid.asked()
    assert "http://download.docker.com/linux/centos/gpg anna" in said
    assert "docker.1ms.run:443 anna" in said

    works("sh", "-c", f"docker tag busybox {FIRST}:5000/b && docker push -q {FIRST}:5000/b")
    node = SECOND
    works("docker", "pull", "-q", f"{FIRST}:5000/b")
    assert FIRST not in squid.asked()


def test_the_password_may_leave_lab_yaml_and_a_changed_one_is_loaded(
    room: Lab, world: World, nodes: dict[str, Node]
) -> None:
    describe(room, world, nodes, f"http://{USER}@{SERVICE_ADDRESS}:{WITH_LOGIN}")
    run = room.run("provision").expect(0)
    assert [run.changes(name) for name in NAMES] == [[], []]
    describe(room, world, nodes, {"https": PROXY, "http": PROXY})
    run = room.run("provision", "--verify").expect(0)
    assert "service:docker" in run.changes(FIRST)
    assert (nodes[FIRST].root / "etc/labctl-proxy.env").stat().st_mode & 0o777 == 0o644


def test_inherited_from_this_computer(room: Lab, world: World, nodes: dict[str, Node]) -> None:
    describe(room, world, nodes, "inherit")
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in names:
        room.environment[name] = room.environment[name.upper()] = ""
    room.environment["HTTPS_PROXY"] = room.environment["http_proxy"] = PROXY
    run = room.run("provision").expect(0)
    assert [run.changes(name) for name in NAMES] == [[], []]
    room.environment["HTTPS_PROXY"] = "socks5://127.0.0.1:1080"
    assert "SOCKS" in room.run("provision").expect(2).error["message"]
    room.environment["HTTPS_PROXY"] = room.environment["http_proxy"] = ""
    run = room.run("provision", "--check").expect(3)  # at home: the nodes would use none
    assert "names no proxy to inherit" in run.of("Notice")[0]["message"]
    for name in names:
        del room.environment[name], room.environment[name.upper()]


def test_settings_of_the_machine_are_kept_and_named(
    room: Lab, world: World, nodes: dict[str, Node]
) -> None:
    node = nodes[SECOND]
    describe(room, world, nodes, PROXY)
    theirs = node.root / "etc/systemd/system/docker.service.d/school.conf"
    theirs.write_text(f'[Service]\nEnvironment="HTTPS_PROXY={PROXY}" "NO_PROXY={FIRST}"\n')
    node.sh(f"cat /etc/yum.conf >/root/kept; echo 'proxy={PROXY}' >>/etc/yum.conf")
    try:
        run = room.run("provision").expect(0)
        told = "\n".join(event["message"] for event in run.of("Notice", SECOND))
        assert "/etc/systemd/system/docker.service.d/school.conf of the node names a proxy" in told
        assert "/etc/yum.conf of the node names a proxy" in told
        assert not run.of("Notice", FIRST)
        assert not (theirs.parent / "labctl-proxy.conf").exists()
        assert theirs.exists()
    finally:
        theirs.unlink()
        node.sh("cat /root/kept >/etc/yum.conf")
    run = room.run("provision").expect(0)
    assert not run.of("Notice", SECOND)
    assert (theirs.parent / "labctl-proxy.conf").exists()


def test_without_the_key_all_is_as_before(
    room: Lab, world: World, nodes: dict[str, Node], before: dict[str, str]
) -> None:
    """The registry's logins are none of the proxy's business, and would hide what it left."""
    describe(room, world, nodes, None)
    for node in nodes.values():
        for user in ("vagrant", "root"):
            node.sh(f"sudo -u {user} -H docker logout {FIRST}:5000")
    run = room.run("provision", "--only", "proxy").expect(0)
    for name, node in nodes.items():
        assert {change["resource"] for change in run.result(name)["changes"]} >= {
            "client-proxy",
            "absent:/etc/labctl-proxy.env",
        }
        # The client's own login and logout have made it.
        assert json.loads((node.root / "root/.docker/config.json").read_text()) == {"auths": {}}
        node.sh("rm -r /root/.docker")
        assert files(node) == before[name]
    run = room.run("provision", "--only", "proxy", "--only", "engine").expect(0)
    for node in nodes.values():
        assert not node.sh("docker info --format '{{.HTTPProxy}}{{.HTTPSProxy}}'").stdout.strip()
        environment = node.sh("tr '\\0' '\\n' </proc/$(pidof dockerd)/environ").stdout
        assert "proxy" not in environment.lower()
    again = room.run("provision", "--only", "proxy", "--only", "engine").expect(0)
    assert [again.changes(name) for name in NAMES] == [[], []]
