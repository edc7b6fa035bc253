"""Speaking with a node over a real sshd: exchanges, bytes, host keys, and each way to fail."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import (
    AuthFailed,
    ConnectFailed,
    HostKeyChanged,
    ProtocolError,
    RemoteError,
    SudoRefused,
)
from labctl.remote.connection import Connection
from labctl.remote.exchange import exchange
from labctl.remote.hostkeys import HostKeys
from labctl.remote.passwords import Passwords
from labctl.remote.shell import ShellSession
from labctl.remote.transfer.local_source import Tree
from labctl.remote.transfer.node_sink import NodeSink
from labctl.remote.transfer.node_source import NodeSource
from tests.integration.sshd import Sshd

ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False
needs_root = pytest.mark.skipif(not ROOT, reason="only as root is there a root shell without sudo")


@pytest.fixture(scope="module")
def connection(sshd: Sshd) -> Iterator[Connection]:
    """A connection that the tests of this module share, unless they break it."""
    with sshd.connection() as found:
        yield found


@needs_root
class TestExchange:
    def test_each_snippet_has_its_own_result(self, connection: Connection) -> None:
        found = exchange(
            connection,
            [
                "echo one; echo two >&2",
                "exit 3",
                "cd /; x=1; set -e; false; echo not reached",
                'echo "${x-unset}"; pwd',
                "if then fi",
                "echo after",
                "",
                "printf 'no end'",
                "cat",
            ],
        )
        assert [(one.exit_code, one.output) for one in found[:4]] == [
            (0, "one\ntwo\n"),
            (3, ""),
            (1, ""),
            (0, f"unset\n{Path.home()}\n"),
        ]
        assert not found[4].ok
        assert [(one.exit_code, one.output) for one in found[5:]] == [
            (0, "after\n"),
            (0, ""),
            (0, "no end"),
            (0, ""),
        ]

    def test_many_snippets_go_in_one_exchange(self, connection: Connection) -> None:
        found = exchange(connection, [f"echo {index}; exit {index % 200}" for index in range(500)])
        assert [(one.exit_code, one.output) for one in found] == [
            (index % 200, f"{index}\n") for index in range(500)
        ]

    def test_bytes_that_are_no_utf8_come_back_as_they_are(
        self, connection: Connection, tmp_path: Path
    ) -> None:
        every = bytes(range(1, 256))
        (tmp_path / "f").write_bytes(every)
        (found,) = exchange(connection, [f"cat '{tmp_path}/f'"])
        assert found.output.encode("utf-8", "surrogateescape") == every
        text = found.output.replace("'", "'\\''")
        exchange(connection, [f"printf %s '{text}' > '{tmp_path}/g'"])
        assert (tmp_path / "g").read_bytes() == every

    def test_much_output_on_both_streams(self, connection: Connection) -> None:
        half = "head -c 5000000 /dev/zero | tr '\\0' x"
        (found,) = exchange(connection, [f"{half}; {half} >&2"])
        assert found.output == "x" * 10_000_000

    def test_a_script_may_be_large(self, connection: Connection) -> None:
        (found,) = exchange(connection, [f"printf %s '{'y' * 1_000_000}' | wc -c"])
        assert found.output.split() == ["1000000"]

    def test_a_snippet_that_ends_the_shell_around_it_is_an_error(
        self, connection: Connection
    ) -> None:
        with pytest.raises(ProtocolError, match="1 of 3"):
            exchange(connection, ["echo one", "kill -9 0", "echo three"])
        (found,) = exchange(connection, ["echo again"])  # in a shell of its own
        assert found.output == "again\n"

    def test_one_root_shell_serves_all_exchanges(self, connection: Connection) -> None:
        first, second = (exchange(connection, ["echo $PPID"])[0].output for _ in range(2))
        assert first == second

    def test_a_gate_that_is_shut_leaves_the_root_shell_open(self, connection: Connection) -> None:
        (first,) = exchange(connection, ["echo $PPID; exit 1", "echo never"], gate=True)
        (second,) = exchange(connection, ["echo $PPID"])
        assert first.output == second.output

    def test_a_root_shell_that_ended_while_idle_is_replaced(self, connection: Connection) -> None:
        (found,) = exchange(connection, ["echo $PPID"])
        pid = int(found.output)
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
            time.sleep(0.01)
        time.sleep(0.2)  # the end of the channel has to travel here too
        (found,) = exchange(connection, ["echo $PPID"])
        assert int(found.output) != pid

    def test_what_a_script_leaves_running_does_not_hold_up_the_next(
        self, connection: Connection
    ) -> None:
        began = time.monotonic()
        exchange(connection, ["sleep 30 & echo started"])
        (found,) = exchange(connection, ["echo next"])
        assert found.output == "next\n"
        assert time.monotonic() - began < 20

    def test_a_connection_that_breaks_off(self, sshd: Sshd) -> None:
        connection = sshd.connection()
        transport = connection.transport
        threading.Timer(0.5, transport.close).start()
        began = time.monotonic()
        with pytest.raises(RemoteError) as caught:
            exchange(connection, ["echo one", "sleep 20", "echo three"])
        assert time.monotonic() - began < 10
        assert caught.value.hint
        (found,) = exchange(connection, ["echo again"])  # by a connection of its own
        assert found.output == "again\n"
        connection.close()


def test_a_command_of_the_login_user(connection: Connection) -> None:
    assert connection.call("cat; echo err >&2; exit 7", b"\x00\xff") == (7, b"\x00\xff", b"err\n")
    assert connection.call("kill -9 $$") == (-1, b"", b"")
    status, out, err = connection.call("head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2")
    assert (status, len(out), len(err)) == (0, 5_000_000, 5_000_000)


def test_paramiko_exchanges_no_keys_before_openssh_would(connection: Connection) -> None:
    # At paramiko's own limit of half a GiB the thread that reads waits for itself, and gives up.
    assert connection.transport.packetizer.REKEY_BYTES >= 1 << 36
    assert connection.transport.local_cipher.endswith("gcm@openssh.com")


def test_a_session_keeps_its_shell_for_many_commands(connection: Connection) -> None:
    session = ShellSession(connection)
    assert session.run("echo $PPID; exit 3")[0] == 3
    assert session.run("printf out; printf err >&2") == (0, b"out", b"err")
    first, second = session.run("echo $PPID"), session.run("echo $PPID")
    assert first == second
    assert session.run("if then")[0] != 0
    assert session.run("cat") == (0, b"", b"")
    assert len(session.run("head -c 5000000 /dev/zero >&2; printf out")[2]) == 5_000_000
    session.close()


def test_the_host_key_is_recorded_once_and_another_one_refused(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    folder = tmp_path_factory.mktemp("own")
    server = Sshd(folder)
    server.start()
    known = tmp_path / "known_hosts"
    try:
        with server.connection(known) as connection:
            assert connection.call("echo hi")[1] == b"hi\n"
        recorded = HostKeys(known).get("docker-node1")
        assert recorded == tuple((folder / "host.pub").read_text().split()[:2])
        with server.connection(known) as connection:
            connection.call("true")
        assert len(known.read_text().splitlines()) == 1
        server.stop()
        server.make_key("host")
        server.start()
        with pytest.raises(HostKeyChanged) as caught:
            server.connection(known).call("echo not reached")
        assert str(known) in caught.value.hint
        assert "SHA256" in caught.value.details
        HostKeys(known).forget("docker-node1")
        with server.connection(known) as connection:
            assert connection.call("echo hi")[1] == b"hi\n"
    finally:
        server.stop()


def test_a_refused_login_names_the_offered_keys(
    sshd: Sshd, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    other = Sshd(tmp_path_factory.mktemp("other"))
    other.make_key("user")
    target = replace(sshd.target(), keys=(str(other.key),))
    with pytest.raises(AuthFailed) as caught:
        Connection(target, HostKeys(tmp_path / "known_hosts")).call("true")
    assert str(other.key) in caught.value.hint
    assert caught.value.node == "docker-node1"


def test_a_closed_port_is_reported_at_once(sshd: Sshd, tmp_path: Path) -> None:
    target = replace(sshd.target(), port=9)
    began = time.monotonic()
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1:9 does not answer") as caught:
        Connection(target, HostKeys(tmp_path / "known_hosts")).call("true")
    assert time.monotonic() - began < 5
    assert "`labctl up` starts a machine that is off" in caught.value.hint


def test_with_patience_a_node_may_come_late(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    server = Sshd(tmp_path_factory.mktemp("late"))
    server.start()
    server.stop()
    late = threading.Timer(1.0, server.start)
    late.start()
    connection = Connection(server.target(), HostKeys(tmp_path / "known_hosts"), patience=20)
    assert connection.call("echo hi")[1] == b"hi\n"
    late.join()
    connection.close()
    server.stop()


def test_what_sudo_has_to_say_before_a_script_is_not_the_script_s(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    folder = tmp_path_factory.mktemp("warns")
    shell = folder / "shell"
    shell.write_text(
        "#!/bin/sh\necho 'sudo: unable to resolve host pc1' >&2\n"
        'exec sh -c "${SSH_ORIGINAL_COMMAND#sudo -n }"\n'
    )
    shell.chmod(0o755)
    server = Sshd(folder, command=str(shell))
    server.start()
    target = replace(server.target(), user="")
    try:
        with Connection(target, HostKeys(tmp_path / "known_hosts")) as connection:
            assert connection.root.run("echo out; echo err >&2") == (0, b"out\n", b"err\n")
            assert connection.root.run("echo more >&2; exit 3") == (3, b"", b"more\n")
            connection.root.close()
            assert connection.root.run("echo last >&2; kill -9 $$") == (137, b"", b"last\n")
            code, out, err = connection.root.attempt("echo last >&2; kill -9 $PPID")
            assert (code, out, err.splitlines()[0]) == (None, b"", b"last")
            with pytest.raises(ProtocolError, match="0 of 1"):
                exchange(connection, ["kill -9 0"])
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("sudo: a password is required", "--ask-sudo-password"),
        ("sudo: a terminal is required to read the password", "--ask-sudo-password"),
        ("sudo: anna is not in the sudoers file", "allow the login user"),
        ("anna is not in the sudoers file", "allow the login user"),
        ("sh: sudo: not found", "allow the login user"),
    ],
)
def test_a_user_who_may_not_become_root(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, words: str, hint: str
) -> None:
    folder = tmp_path_factory.mktemp("user")
    shell = folder / "shell"
    shell.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    shell.chmod(0o755)
    server = Sshd(folder, command=str(shell))
    server.start()
    target = replace(server.target(), user="")
    try:
        with (
            Connection(target, HostKeys(tmp_path / "known_hosts")) as connection,
            pytest.raises(SudoRefused) as caught,
        ):
            exchange(connection, ["true"])
        assert hint in caught.value.hint
        assert words in caught.value.details
    finally:
        server.stop()


SCRIPT = "sh -c "
"""The start of every script of labctl; see labctl.remote.script."""


class Hasty(Connection):
    """A node on which every command of root has ended before anything is sent to it.

    A slow link does the same, now and then.
    """

    @contextlib.contextmanager
    def channel(self, command: str) -> Iterator[Any]:
        with super().channel(command) as channel:
            deadline = time.monotonic() + 10
            while SCRIPT in command and not channel.closed:
                assert time.monotonic() < deadline, "the command does not end"
                time.sleep(0.005)
            yield channel


MAY_ASK = """#!/bin/sh
case $SSH_ORIGINAL_COMMAND in
"sudo -n true") exit 1 ;;
"sudo -k -S -p '' true") exit 0 ;;
"cat "*) exit 7 ;;
esac
echo 'sudo: anna is not allowed to run this' >&2
exit 1
"""


@pytest.mark.parametrize("password", [None, "secret"])
@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda connection, _: exchange(connection, ["true"]), id="exchange"),
        pytest.param(
            lambda connection, _: connection.stream("true", print, print, root=True),
            id="exec",
        ),
        pytest.param(
            lambda connection, _: NodeSource(connection, "/etc/hosts", follow=False, sudo=True),
            id="look before a fetch",
        ),
        pytest.param(
            lambda connection, folder: NodeSink(
                connection, "/tmp/x", sudo=True, owner="", notice=print
            ).take(Tree([str(folder)]), lambda _: None, into=False),
            id="send",
        ),
    ],
)
def test_a_command_that_ends_before_its_stdin_is_sent_still_has_a_reason(
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    act: Callable[[Connection, Path], object],
    password: str | None,
) -> None:
    folder = tmp_path_factory.mktemp("hasty")
    shell = folder / "shell"
    shell.write_text(MAY_ASK)
    shell.chmod(0o755)
    server = Sshd(folder, command=str(shell))
    server.start()
    target = replace(server.target(), user="")
    keys = HostKeys(tmp_path / "known_hosts")
    try:
        with Hasty(target, keys, passwords=Passwords(sudo=password)) as connection:
            with pytest.raises(SudoRefused) as caught:
                act(connection, folder)
            assert "anna is not allowed" in caught.value.details
            # Not the connection ended, but the command.
            assert connection.call("cat /dev/null", b"x" * 100)[0] == 7
    finally:
        server.stop()
