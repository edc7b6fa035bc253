"""A real sshd on the loopback interface, as the node of a lab.

It stands for what a node is over ssh: OpenSSH's server, a login shell, coreutils and tar. It is the
machine that the tests run on, so it stands for no other system, and sudo is not part of it.
"""

from __future__ import annotations

import getpass
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from labctl.remote.connection import Connection
from labctl.remote.hostkeys import HostKeys
from labctl.remote.target import Target

NODES = 3
"""How many nodes it can be at once; a port each."""


def executable() -> str | None:
    """Return OpenSSH's sshd, which stands outside of most users' PATH."""
    return shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")


@dataclass(slots=True)
class Sshd:
    """An sshd that lets the current user in by a key of its own.

    Parameters:
        folder: takes its keys, its configuration and its log.
        command: what every session runs instead of what was asked for, as `ForceCommand` has it;
            it finds that in SSH_ORIGINAL_COMMAND.
        more: further lines of its configuration, which win over its own.
        inside: a command that runs the one behind it, such as in a namespace of its own.
    """

    folder: Path
    command: str = ""
    ports: tuple[int, ...] = ()
    more: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def key(self) -> Path:
        return self.folder / "user"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def make_key(self, name: str) -> None:
        """Make a key pair; one of the same name is replaced."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    def start(self) -> None:
        """Start it and wait until it answers."""
        for name in ("host", "user"):
            if not (self.folder / name).exists():
                self.make_key(name)
        if not self.ports:
            self.ports = _free_ports(NODES)
        if Path("/run").is_dir() and getpass.getuser() == "root":
            Path("/run/sshd").mkdir(exist_ok=True)  # where a root sshd goes before login
        lines = [
            *self.more,  # of two values, sshd takes the first
            "ListenAddress 127.0.0.1",
            *(f"Port {port}" for port in self.ports),
            f"HostKey {self.folder / 'host'}",
            f"AuthorizedKeysFile {self.folder / 'user.pub'}",
            "UsePAM no",
            "StrictModes no",
            "PidFile none",
            "PermitRootLogin yes",
            "MaxStartups 100",
            # bash takes this for a shell in a shell, and leaves out the user's .bashrc, which may
            # do anything, such as take half a second or print something.
            "SetEnv SHLVL=2",
            *([f"ForceCommand {self.command}"] if self.command else []),
        ]
        config = self.folder / "sshd_config"
        config.write_text("\n".join(lines) + "\n", "utf-8")
        sshd = executable()
        assert sshd is not None
        self._process = subprocess.Popen(
            [*self.inside, sshd, "-D", "-f", str(config), "-E", str(self.folder / "log")],
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.ports[-1]), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop it; sessions that are open go on, as with any sshd."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)
            self._process = None

    def target(self, node: int = 1) -> Target:
        """Return how it is reached as the node of that number."""
        port = self.ports[node - 1]
        return Target(f"docker-node{node}", "127.0.0.1", port, getpass.getuser(), (str(self.key),))

    def connection(self, known_hosts: Path | None = None) -> Connection:
        """Return a connection to it."""
        return Connection(self.target(), HostKeys(known_hosts or self.folder / "known_hosts"))


def _free_ports(count: int) -> tuple[int, ...]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = tuple(probe.getsockname()[1] for probe in probes)
    for probe in probes:
        probe.close()
    return ports
