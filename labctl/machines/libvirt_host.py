"""A computer with libvirt: this one, or one that is reached over ssh alone.

Vagrant, virsh and connections to machines reach a host by one script, which runs ssh with limits:
without them, a host that is silent would hang each of them for ever. They share one ssh connection,
because an sshd refuses many that come at once (MaxStartups).
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, urlsplit

from labctl.errors import MachineError, UsageError
from labctl.machines import processor
from labctl.messages import msg
from labctl.storage import read_again, write

LOCAL = "qemu:///system"

_SILENCE = 20
"""Seconds after which ssh gives up a host that connected and then fell silent; see _SCRIPT."""

_SCRIPT = """\
#!/bin/sh
# Written by labctl: ssh to the host {name}, with limits and one shared connection.
cd "$(dirname "$0")" || exit
exec ssh -o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 \\
  -o ControlMaster=auto -o ControlPath=shared -o ControlPersist=120 \\
  -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="known_hosts ~/.ssh/known_hosts" \\
  {options} "$@"
"""

_MARK = "==labctl=="
"""Stands between the outputs of several commands."""

_STATES_LAST = 3.0
"""Seconds for which the states of a host's machines count as current."""


class LibvirtHost:
    """A libvirt host.

    Parameters:
        name: its name, for messages.
        uri: as in lab.yaml; `LOCAL`: this computer.
        folder: of the ssh script, the known host key and the shared connection.
        key: private key file; empty: what ssh uses.
    """

    def __init__(self, name: str, uri: str, folder: Path, key: str = "") -> None:
        self.name = name
        self.uri = uri
        self.is_local = uri == LOCAL
        self._folder = folder
        self._key = key
        self._guard = threading.Lock()
        self._states: dict[str, str] = {}
        self._seen = 0.0
        self._unanswered: MachineError | None = None
        self._emulated: bool | None = None
        self._running: set[subprocess.Popen[bytes]] = set()

    @property
    def address(self) -> str:
        """The host's name for ssh; empty for this computer."""
        return "" if self.is_local else str(urlsplit(self.uri).hostname)

    @property
    def _wrapper(self) -> Path:
        return self._folder / "ssh"

    @property
    def libvirt_uri(self) -> str:
        """The URI for libvirt, without user and port, on which the plugin fails."""
        if self.is_local:
            return LOCAL
        return f"qemu+ssh://{self.address}/system?command={quote(str(self._wrapper))}"

    @property
    def proxy(self) -> str:
        """The ProxyCommand that leads to machines of the host; empty: they are reached directly."""
        if self.is_local:
            return ""
        return f"{shlex.quote(str(self._wrapper)).replace('%', '%%')} -W %h:%p {self.address}"

    def make(self) -> None:
        """Write the script.

        Raises:
            UsageError: this computer cannot use it, or lacks a program.
        """
        wanted = ("virsh",) if self.is_local else ("virsh", "ssh")
        if sys.platform == "win32" and not self.is_local:
            raise UsageError(
                "hosts of a class are reached from Linux and macOS only",
                hint="remove 'hosts' to use this computer, or run labctl on one of the hosts",
            )
        for program in wanted:
            if shutil.which(program) is None:
                raise UsageError(
                    msg("{program} is not installed on this computer", program=program),
                    hint="install the clients of libvirt and OpenSSH",
                )
        if self.is_local:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        parts = urlsplit(self.uri)
        options = [f"User={parts.username}"] if parts.username else []
        options += [f"Port={parts.port}"] if parts.port else []
        options += [f"IdentityFile={self._key}", "IdentitiesOnly=yes"] if self._key else []
        words = " ".join(f"-o {shlex.quote(option)}" for option in options)
        text = _SCRIPT.format(name=self.name, options=words)
        if read_again(self._wrapper) != text:
            write(self._wrapper, text)
            self._wrapper.chmod(0o700)

    def run(self, command: str, timeout: float = 30.0) -> str:
        """Return the output of a shell command on the host.

        Raises:
            MachineError: the host did not answer in time, or the command failed.
        """
        line = [str(self._wrapper), self.address, command]
        if self.is_local:
            line = ["sh", "-c", command]
        return self._call(line, timeout)

    def virsh(self, commands: Iterable[str], timeout: float = 60.0) -> str:
        """Return the output of virsh commands, which share one connection.

        Commands after one that failed are run too; the last one's status counts.

        Raises:
            MachineError: the host did not answer in time, or the last command failed.
        """
        words = ["virsh", "--quiet", "--connect", self.libvirt_uri, "; ".join(commands)]
        return self._call(words, timeout)

    def ask(self, *questions: str, timeout: float = 60.0) -> list[str]:
        """Return the output of each of several virsh commands, which share one connection.

        A command that fails has an empty output.

        Raises:
            MachineError: the host did not answer in time.
        """
        commands = [part for one in questions for part in (one, f"echo {_MARK}")]
        # virsh's echo ends no line.
        return self.virsh(commands, timeout).split(_MARK)[: len(questions)]

    def _call(self, words: list[str], timeout: float) -> str:
        # Files, because an ssh that serves others may keep a pipe open after the end.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            self._running.add(process)
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise self.lost(msg("no answer within {seconds:.0f} s", seconds=timeout)) from None
            finally:
                self._running.discard(process)
            for stream in (out, err):
                stream.seek(0)
            text, said = (stream.read().decode("utf-8", "replace") for stream in (out, err))
        if code:
            lines = [line for line in said.splitlines() if line.strip()]
            reason = "; ".join(line.removeprefix("error: ") for line in lines[-3:])
            raise self.lost(reason or msg("exit code {code}", code=code))
        return text

    def interrupt(self) -> None:
        """End the commands that run on the host, because the user pressed Ctrl-C."""
        for process in tuple(self._running):
            process.kill()

    def lost(self, reason: str) -> MachineError:
        """Return the error for a host that cannot be used."""
        hint = msg("check that libvirt runs on this computer")
        if not self.is_local:
            hint = msg(
                "check that `ssh {host}` works without a password; `--without {name}` leaves the "
                "host out",
                host=urlsplit(self.uri).netloc,
                name=self.name,
            )
        return MachineError(msg("host {name}: {reason}", name=self.name, reason=reason), hint=hint)

    def connect(self) -> bool:
        """Open the shared connection; return whether the host's machines are emulated.

        Raises:
            MachineError: the host does not answer.
        """
        if self._emulated is None:
            if self.is_local:
                self._emulated = processor.emulated()
            else:
                flags = "grep -cwE 'vmx|svm' /proc/cpuinfo || :"
                self._emulated = self.run(flags, _SILENCE + 5).strip() in ("", "0")
        return self._emulated

    def states(self) -> dict[str, str]:
        """Return libvirt's state of each machine of the host, by its name there.

        Labs that ask at the same time share one connection, or wait once for a silent host.

        Raises:
            MachineError: the host does not answer.
        """
        with self._guard:
            if time.monotonic() - self._seen > _STATES_LAST:
                self._unanswered = None
                try:
                    lines = self.virsh(["list --all"], _SILENCE + 10).splitlines()
                except MachineError as error:
                    self._unanswered = error
                else:
                    rows = (line.split(None, 2) for line in lines if line.strip())
                    self._states = {row[1]: row[2].strip() for row in rows if len(row) == 3}
                self._seen = time.monotonic()
            if self._unanswered is not None:
                raise MachineError(self._unanswered.message, hint=self._unanswered.hint)
            return dict(self._states)

    def forget_states(self) -> None:
        """Ask again for the states next time, because a machine was changed."""
        self._seen = 0.0
