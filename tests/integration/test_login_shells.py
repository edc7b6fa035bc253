"""Commands on a node under each login shell, and apart from what the shell prints by itself."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labctl.errors import ProtocolError, RemoteError
from labctl.remote import channel
from labctl.remote.connection import Connection
from labctl.remote.exchange import exchange
from labctl.remote.shell import ShellSession
from labctl.remote.transfer.local_source import Tree
from labctl.remote.transfer.node_sink import NodeSink
from labctl.remote.transfer.node_source import NodeSource
from tests.integration.sshd import Sshd
from tests.needs import require

Connect = Callable[..., Connection]

NOISE = "\n".join(
    (
        "echo 'Welcome to the course!'",
        "echo 'bash: fortune: command not found' >&2",
        "head -c 3000000 /dev/urandom",
        "head -c 300000 /dev/zero >&2",
        "printf '\\033]0;title\\007no end'",
    )
)
"""Output of a ~/.bashrc: text, junk, megabytes of it."""

SHELLS = ("sh", "bash", "dash", "zsh", "tcsh", "csh", "fish", "rbash")


@pytest.fixture
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    """Connects to a node with a login shell, which prints `noise` first."""
    servers: list[Sshd] = []
    connections: list[Connection] = []

    def start(shell: str, noise: str = "") -> Connection:
        folder = tmp_path_factory.mktemp("node")
        login = folder / "login"
        login.write_text(f'#!/bin/sh\n{noise}\nexec {shell} -c "$SSH_ORIGINAL_COMMAND"\n')
        login.chmod(0o755)
        servers.append(Sshd(folder, command=str(login)))
        servers[-1].start()
        connections.append(servers[-1].connection())
        return connections[-1]

    yield start
    for one in connections:
        one.close()
    for server in servers:
        server.stop()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_channel_works_under_every_login_shell(
    connect: Connect, tmp_path: Path, shell: str
) -> None:
    require(shell)
    connection = connect(shell, NOISE)
    awkward = ("it's", 'say "no"', "a\\b \\\\", "!x !! $HOME `id`", "two\nlines", "~ * {a,b}")
    script = "printf '%s|' \"$@\"; echo err >&2; cat; exit 3"
    found = connection.call_script(script, *awkward)
    assert found == (3, "".join(f"{word}|" for word in awkward).encode(), b"err\n")

    session = ShellSession(connection)
    assert session.run("printf '%s|' 'a\\b' !x \"$0\"; exit 4") == (4, b"a\\b|!x|sh|", b"")
    assert session.run("echo one\necho two >&2") == (0, b"one\n", b"two\n")
    session.close()

    results = exchange(connection, ["echo one; echo two >&2", "exit 5"])
    assert [(one.exit_code, one.output) for one in results] == [(0, "one\ntwo\n"), (5, "")]

    source = tmp_path / "it's a file!"
    source.write_bytes(b"x" * 100_000)
    sink = NodeSink(connection, str(tmp_path / "copy !"), sudo=False, owner="", notice=print)
    sink.take(Tree([str(source)]), lambda size: None, into=False)
    assert (tmp_path / "copy !").read_bytes() == source.read_bytes()
    entries = list(NodeSource(connection, str(source), follow=False, sudo=False).members())
    assert len(entries) == 1


def test_what_the_login_shell_prints_is_known(connect: Connect) -> None:
    connection = connect("sh", "echo Welcome; echo tip >&2")
    for _ in range(2):
        connection.run("echo said")
        assert connection.noise == b"Welcome\n\ntip"
    silent = connect("sh")
    silent.run("echo said")
    assert silent.noise == b""


def test_a_command_of_the_user_runs_in_the_login_shell(connect: Connect) -> None:
    require("tcsh")
    out: list[bytes] = []
    assert connect("tcsh").stream("echo $version", out.append, print) == 0
    assert out[0].startswith(b"tcsh ")


@pytest.mark.parametrize("shell", ["nologin", "false"])
def test_a_login_shell_that_runs_no_commands_is_named(connect: Connect, shell: str) -> None:
    require("nologin")
    connection = connect(f"{'/usr/sbin/' * (shell == 'nologin')}{shell}", "echo some words")
    acts: tuple[Callable[[], object], ...] = (
        lambda: connection.call_script("true"),
        lambda: ShellSession(connection).run("true"),
        lambda: exchange(connection, ["true"]),
        lambda: NodeSource(connection, "/etc/hosts", follow=False, sudo=False),
    )
    for act in acts:
        with pytest.raises(RemoteError, match="does not run commands") as caught:
            act()
        assert "some words" in caught.value.details
        assert "chsh" in caught.value.hint


def test_noise_without_end_is_cut_off(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "ANSWER", 1 << 20)
    connection = connect("sh", "yes")
    acts: tuple[Callable[[], object], ...] = (
        lambda: connection.call_script("true"),
        lambda: ShellSession(connection).run("true"),
    )
    for act in acts:
        with pytest.raises(ProtocolError, match="answered more than"):
            act()


# -- outputs of commands do not mix


@pytest.fixture
def session(sshd: Sshd) -> Iterator[ShellSession]:
    with sshd.connection() as connection:
        session = ShellSession(connection)
        yield session
        session.close()


LEAVES_SOMETHING = pytest.mark.parametrize(
    "start",
    [
        "( sleep 0.5; echo late ) &",
        "( sleep 0.5; echo late >&2 ) &",
        "( exec 5>&1 >/dev/null; sleep 0.5; echo late >&5 ) &",
        "nohup sh -c 'sleep 0.5; echo late' 2>/dev/null &",
        "setsid sh -c 'sleep 0.5; echo late; echo late >&2' &",
        "setsid sh -c 'sleep 0.5; echo late >&2' >/dev/null &",
        # A daemon that has closed its outputs, and kept another number of one.
        "setsid sh -c 'exec 7>&1 >/dev/null 2>&1; sleep 0.5; echo late >&7' &",
        "setsid sh -c 'exec 8>&2 >/dev/null 2>&1; sleep 0.5; echo late >&8' &",
        "setsid -f sh -c 'setsid -f sh -c \"sleep 0.5; echo late\"'; sleep 0.1;",
        "for i in 1 2 3; do ( sleep 0.$i; echo late ) & done;",
        "trap '' HUP TERM; ( while sleep 0.1; do echo late; done ) & sleep 0.01;",
    ],
)


@LEAVES_SOMETHING
def test_what_a_command_left_running_writes_to_no_other_command(
    session: ShellSession, start: str
) -> None:
    session.run(":")
    began = time.monotonic()
    code, out, err = session.run(f"{start} echo now")
    assert (code, out.replace(b"late\n", b""), err) == (0, b"now\n", b"")
    assert time.monotonic() - began < 0.5
    assert session.run("sleep 1; echo next") == (0, b"next\n", b"")


@LEAVES_SOMETHING
def test_what_a_snippet_left_running_writes_to_no_other_snippet(sshd: Sshd, start: str) -> None:
    with sshd.connection() as connection:
        exchange(connection, [":"])
        began = time.monotonic()
        first, now, *others = exchange(
            connection,
            ["echo first", f"{start} echo now", "echo next", "sleep 1", "exit 3", "echo last"],
        )
        assert 1 < time.monotonic() - began < 2.5
        assert [first.output, now.output.replace("late\n", "")] == ["first\n", "now\n"]
        assert [(seen.exit_code, seen.output) for seen in others] == [
            *((0, "next\n"), (0, ""), (3, ""), (0, "last\n"))
        ]
        assert [seen.output for seen in exchange(connection, ["echo again"])] == ["again\n"]


def test_a_gate_that_leaves_something_is_one(sshd: Sshd, tmp_path: Path) -> None:
    """The snippets behind it are another script then, which must not begin if it failed."""
    with sshd.connection() as connection:
        late = "( sleep 0.5; echo late ) & echo now"
        seen = exchange(connection, [f"{late}; exit 4", f"touch {tmp_path}/f"], gate=True)
        assert [(one.exit_code, one.output) for one in seen] == [(4, "now\n")]
        assert not (tmp_path / "f").exists()
        seen = exchange(connection, [late, "exit 5", "sleep 1; echo next"], gate=True)
        assert [(one.exit_code, one.output) for one in seen] == [
            *((0, "now\n"), (5, ""), (0, "next\n"))
        ]


def test_each_snippet_may_leave_something(sshd: Sshd) -> None:
    with sshd.connection() as connection:
        numbers = [f"{number}\n" for number in range(15)]
        seen = exchange(connection, [f"sleep 20 & echo {number}" for number in range(15)])
        assert [one.output for one in seen] == numbers


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.needs("setpriv", "bash")
def test_a_daemon_of_another_user(connect: Connect) -> None:
    """As `sudo` leaves it: the login user may not see which outputs it has."""
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        other = Path(folder) / "as-another-user"
        shutil.copy(shutil.which("bash") or "", other)
        os.chown(other, 12345, 12345)
        other.chmod(0o4755)
        Path(folder).chmod(0o711)
        session = ShellSession(connect(f"{nobody} sh"))
        daemon = "setsid sh -c 'sleep 0.5; echo late; echo late >&2'"
        command = f'{other} -p -c "{daemon} & sleep 0.1"; id -u; echo now'
        assert session.run(command) == (0, b"65534\nnow\n", b"")
        assert session.run("sleep 1; echo next") == (0, b"next\n", b"")
        session.close()


def test_what_was_left_running_may_go_on_writing(session: ShellSession, tmp_path: Path) -> None:
    session.run(f"( sleep 0.5; echo late; echo $? > {tmp_path}/f ) & echo now")
    session.run("sleep 1")
    assert (tmp_path / "f").read_text() == "0\n"


def test_many_commands_that_leave_something_behind(session: ShellSession) -> None:
    # sshd allows ten channels at once.
    for number in range(15):
        assert session.run(f"sleep 20 & echo {number}") == (0, f"{number}\n".encode(), b"")


def test_what_writes_elsewhere_needs_no_other_shell(session: ShellSession) -> None:
    first = session.run("echo $PPID")
    session.run("true | cat; yes | head -1; sleep 0 & wait")
    session.run("setsid sleep 2 >/dev/null 2>&1 </dev/null & sleep 0.3")
    assert session.run("echo $PPID") == first


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("kill -TERM $$", 128 + signal.SIGTERM),
        ("kill -KILL $$", 128 + signal.SIGKILL),
        ("set -e; false; echo not reached", 1),
        ("exec true", 0),
        ("trap 'exit 7' TERM; kill $$; sleep 5", 7),
        ("exit 300", 300 % 256),
    ],
)
def test_a_command_has_a_shell_of_its_own(session: ShellSession, command: str, code: int) -> None:
    first = session.run("echo $PPID")
    for line in (command, f"{command} #{'x' * 3000}"):
        assert session.run(line) == (code, b"", b"")
    assert session.run("echo $PPID") == first


def test_a_command_sees_no_variable_of_the_shell_around_it(session: ShellSession) -> None:
    names = "line left labctl_stat labctl_group labctl_session labctl_first labctl_pid labctl_fd"
    shown = " ".join(f"${{{name}-unset}}" for name in names.split())
    assert session.run(f"echo {shown}")[1] == b" ".join([b"unset"] * 8) + b"\n"
    assert session.run("labctl_begin")[0] == 127
    code, out, err = session.run("set -u; echo $nothing; echo not reached")
    assert (code != 0, out, b"nothing" in err) == (True, b"", True)
    assert session.run("echo ${nothing-unset}")[1] == b"unset\n"


def test_a_nul_in_a_command_is_refused_and_not_dropped(session: ShellSession) -> None:
    with pytest.raises(ValueError, match="NUL"):
        session.run("echo a\0b")
