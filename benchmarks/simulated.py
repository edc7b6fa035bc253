"""Simulated machines: one sshd of this machine, at any number of addresses."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from benchmarks.errors import BenchError
from benchmarks.lab import Host
from tests.integration.sshd import executable

PORT = 2200


class Here:
    """This machine, as a witness sees it."""

    name: str = "this machine"

    def sh(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a bash script as root."""
        return subprocess.run(
            ["bash", "-s"], input=script, capture_output=True, text=True, check=check
        )


class Sshd:
    """An sshd that lets root in by a key of its own.

    Parameters:
        folder: takes its keys and its configuration; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def hosts(self, count: int) -> list[Host]:
        """Return the first machines; each has an address of its own."""
        return [
            Host(
                f"node{number}",
                f"127.1.{number // 250}.{number % 250 + 1}",
                PORT,
                "root",
                self._folder / "user",
            )
            for number in range(count)
        ]

    def __enter__(self) -> Sshd:
        self._folder.mkdir()
        for name in ("host", "user"):
            path = str(self._folder / name)
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        lines = (
            f"ListenAddress 0.0.0.0:{PORT}",
            f"HostKey {self._folder / 'host'}",
            f"AuthorizedKeysFile {self._folder / 'user.pub'}",
            "UsePAM no",
            "UseDNS no",
            "StrictModes no",
            "PidFile none",
            "PermitRootLogin yes",
            "MaxStartups 1000",
            "MaxSessions 100",
            "Subsystem sftp internal-sftp",
            # bash takes this for a shell in a shell, and leaves out root's .bashrc.
            "SetEnv SHLVL=2",
        )
        config = self._folder / "sshd_config"
        config.write_text("\n".join(lines) + "\n", "utf-8")
        Path("/run/sshd").mkdir(exist_ok=True)
        sshd = executable()
        if sshd is None:
            raise BenchError("OpenSSH's sshd is not installed")
        log = self._folder / "log"
        self._process = subprocess.Popen(
            [sshd, "-D", "-f", config, "-E", log], stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", PORT), 1).close()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise BenchError(f"sshd does not answer: {log.read_text()[-2000:]}") from None
                time.sleep(0.05)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
