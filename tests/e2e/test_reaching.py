"""Ways to reach a machine that exists already: with a sudo password, and through another host."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Lab, machines, spec
from tests.testbed import Node, World

FIRST, SECOND = "docker-node1", "docker-node2"
PASSWORD = "pass word's"

# A check of a lab's own, which becomes root with the password that labctl was given.
ASKED = """\
def test_root(host):
    assert host.check_output("id -un") == "teacher"
    with host.sudo():
        assert host.check_output("id -un") == "root"
"""


@pytest.fixture(scope="module")
def nodes(world: World) -> Iterator[dict[str, Node]]:
    nodes = {node.name: node for node in world.nspawn_many([FIRST, SECOND])}
    nodes[FIRST].sh(
        "useradd -m teacher; mkdir -p ~teacher/.ssh;"
        "cp ~vagrant/.ssh/authorized_keys ~teacher/.ssh;"
        "chown -R teacher: ~teacher/.ssh;"
        f'echo "teacher:{PASSWORD}" | chpasswd;'
        "echo 'teacher ALL=(ALL) ALL' >/etc/sudoers.d/teacher"
    )
    yield nodes
    for node in nodes.values():
        node.remove()


def with_password(lab: Lab, password: str, *arguments: str) -> tuple[int, str]:
    """Run labctl on a terminal and answer its question for the sudo password."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(lab.folder)
        os.execvpe(
            sys.executable,
            [sys.executable, "-m", "labctl.cli.main", *arguments],
            {**os.environ, **lab.environment, "TERM": "dumb"},
        )
    said, asked = b"", False
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # the child has closed its side
            break
        if not data:
            break
        said += data
        if not asked and b"sudo password for" in said:
            # What is typed before the terminal has ceased to echo is thrown away.
            while termios.tcgetattr(terminal)[3] & termios.ECHO:
                time.sleep(0.01)
            os.write(terminal, password.encode() + b"\n")
            asked = True
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), said.decode("utf-8", "replace")


@pytest.fixture
def teachers(lab: Lab, world: World, nodes: dict[str, Node]) -> Lab:
    """A lab of one machine, whose user needs a password for sudo."""
    (machine,) = machines([nodes[FIRST]])
    lab.write(spec(world, machines=[{**machine, "user": "teacher"}], playbooks=["hosts", "asked"]))
    folder = lab.folder / "playbooks" / "asked"
    folder.mkdir(parents=True)
    (folder / "play.py").write_text("def play(play):\n    return iter(())\n")
    (folder / "verify.py").write_text(ASKED)
    return lab


def test_without_the_password_it_says_what_to_do(teachers: Lab) -> None:
    error = teachers.run("provision").expect(1).result(FIRST)["error"]
    assert error["kind"] == "SudoRefused"
    assert "--ask-sudo-password" in error["hint"]


def test_a_wrong_password_is_refused(teachers: Lab) -> None:
    code, said = with_password(teachers, "wrong", "provision", "-K")
    assert code == 1
    assert "cannot become root" in said


def test_with_the_password_it_works_and_is_not_stored(teachers: Lab) -> None:
    code, said = with_password(teachers, PASSWORD, "provision", "-K", "--verify")
    assert code == 0, said
    assert "4/4" in said
    assert PASSWORD not in said
    state = teachers.folder / ".labctl"
    for path in state.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes()


def test_through_another_host(
    lab: Lab, world: World, nodes: dict[str, Node], tmp_path: Path
) -> None:
    """The way leads over the second node, which is known and takes the user's usual key."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    shutil.copy(nodes[FIRST].key, home / ".ssh" / "id_ed25519")
    (machine,) = machines([nodes[FIRST]])
    jump = f"{nodes[SECOND].user}@{nodes[SECOND].address}"
    lab.write(spec(world, machines=[{**machine, "jump": jump}], playbooks=["hosts"]))
    lab.environment |= {"HOME": str(home), "SSH_AUTH_SOCK": ""}

    error = lab.run("provision").expect(1).result(FIRST)["error"]
    assert jump in json.dumps(error)  # an unknown host on the way is not trusted

    scan = subprocess.run(
        ["ssh-keyscan", "-t", "ed25519", nodes[SECOND].address],
        check=True,
        capture_output=True,
        text=True,
    )
    (home / ".ssh" / "known_hosts").write_text(scan.stdout)
    # For a while the first node takes nobody but the second: a way around would not get there.
    nodes[FIRST].sh(
        f"iptables -I INPUT -p tcp --dport 22 -s {world.service_address} -m state --state NEW"
        " -j DROP; (until [ -e /root/open ]; do sleep 1; done; iptables -F INPUT)"
        " >/dev/null 2>&1 </dev/null &"
    )
    try:
        lab.run("provision").expect(0)
        lab.write(spec(world, machines=[machine], playbooks=["hosts"]))
        assert lab.run("status").of("status")[0]["state"] == "no answer"
    finally:
        (nodes[FIRST].root / "root" / "open").touch()
