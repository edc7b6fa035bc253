"""A node that is a systemd-nspawn container: systemd, sshd and an engine, in two seconds.

Its root is an overlay on the guest's, so a new node is a fresh machine. A small shell loop keeps
it: systemd-nspawn ends with code 133 when the machine inside reboots.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from tests.testbed import cgroups
from tests.testbed.errors import TestbedError
from tests.testbed.names import BRIDGE, SERVICE_ADDRESS
from tests.testbed.shell import run

_REBOOT = 133
_SECONDS = 120
_INTERFACE = """\
DEVICE=eth0
BOOTPROTO=none
ONBOOT=yes
IPADDR={address}
NETMASK=255.255.255.0
GATEWAY={gateway}
"""
# Arguments: the node's folder and name, then one folder of control groups each.
_keepers: list[subprocess.Popen[bytes]] = []
"""Held on to, for they outlive what started them, and Python warns of a process let go unasked."""

_KEEPER = f"""\
folder=$1 name=$2
shift 2
for group in "$@"; do echo $$ >"$group/cgroup.procs"; done
while :; do
  echo >>"$folder/boots"
  unshare --mount --propagation=private systemd-nspawn --quiet --register=no --keep-unit \\
    --resolv-conf=off --link-journal=no --timezone=off --directory="$folder/root" \\
    --machine="$name" --network-namespace-path="/run/netns/$name" --capability=all \\
    --system-call-filter="@keyring bpf perf_event_open" \\
    --bind="$folder/docker:/var/lib/docker" --console=pipe --boot
  [ $? -eq {_REBOOT} ] || exit
done
"""


@dataclass(frozen=True)
class Node:
    """A machine to reach over ssh. As a context manager, it is removed at the end."""

    name: str
    address: str
    key: Path
    root: Path
    console: Path
    world: str
    port: int = 22
    user: str = "vagrant"

    @property
    def folder(self) -> Path:
        """Where all of it is kept."""
        return self.root.parent

    def __enter__(self) -> Node:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    def sh(
        self, script: str, *, check: bool = True, timeout: float | None = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a bash script as root on the node, over plain ssh."""
        done = subprocess.run(
            [*self.ssh_command(), "sudo", "-n", "bash", "-s"],
            input=script, capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip
        if check and done.returncode:
            raise TestbedError(
                f"{self.name}: “{script}” failed with {done.returncode}:\n"
                f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done

    def ssh_command(self) -> list[str]:
        """The ssh command line to which a remote command can be added."""
        options = (
            "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
            "IdentitiesOnly=yes", "ConnectTimeout=5",
        )  # fmt: skip
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", "-F", "/dev/null", *words, "-i", str(self.key), "-p", str(self.port),
                f"{self.user}@{self.address}"]  # fmt: skip

    def start(self) -> None:
        """Boot; returns when ssh works."""
        self._forget_keeper()
        groups = cgroups.make(self.world, self.name)
        with self.console.open("a") as log:
            secrets = subprocess.Popen(
                ["sh", "-c", _KEEPER, "sh", self.folder, self.name, *groups],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        _keepers.append(secrets)
        (self.folder / "keeper").write_text(str(secrets.pid))
        self._wait_for_ssh(lambda: secrets.poll() is None)

    def reboot(self) -> None:
        """Reboot cleanly; returns when ssh works again."""
        before = self._boots()
        self.sh("systemctl reboot", check=False)
        _wait(lambda: self._boots() > before, f"{self.name} does not reboot", self.console)
        self._wait_for_ssh(self._is_kept)

    def power_off(self, *, cleanly: bool = True) -> None:
        """Shut down, or pull the plug."""
        if cleanly and self._is_kept():
            self.sh("systemctl poweroff", check=False)
            _wait(lambda: not self._is_kept(), f"{self.name} does not stop", self.console)
        self._kill()

    def remove(self) -> None:
        """Pull the plug and throw the machine away."""
        self._kill()
        subprocess.run(["umount", "--lazy", self.root], check=False, capture_output=True)
        # Connections that nobody ends keep a network name space alive for minutes, and in it the
        # address; so its link is cut first.
        link = _link(self.address)
        subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_running(self) -> bool:
        """True if the machine is on."""
        return self._is_kept()

    def _boots(self) -> int:
        return len((self.folder / "boots").read_text())

    def _is_kept(self) -> bool:
        pid = self._keeper()
        if pid is None:
            return False
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def _keeper(self) -> int | None:
        file = self.folder / "keeper"
        return int(file.read_text()) if file.exists() else None

    def _forget_keeper(self) -> None:
        if self._is_kept():
            raise TestbedError(f"{self.name} is on already")
        (self.folder / "keeper").unlink(missing_ok=True)

    def _kill(self) -> None:
        """End the keeper and all that runs in the machine, which outlives systemd-nspawn."""
        cgroups.remove(self.world, self.name)
        _wait(lambda: not self._is_kept(), f"{self.name} does not end", self.console)

    def _wait_for_ssh(self, alive: Callable[[], bool]) -> None:
        def answers() -> bool:
            if not alive():
                raise TestbedError(f"{self.name} ended while booting; its console: {self.console}")
            try:
                with socket.create_connection((self.address, self.port), 0.2) as sock:
                    return sock.recv(3) == b"SSH"
            except OSError:
                return False

        _wait(answers, f"{self.name} does not answer", self.console)
        # pam_nologin refuses users until the boot is far enough.
        _wait(
            lambda: not self.sh("true", check=False).returncode,
            f"{self.name} lets nobody in",
            self.console,
        )


def create(
    name: str, address: str, world: str, layers: Sequence[Path], key: Path, nodes: Path
) -> Node:
    """Lay out a new node: folder, overlay, network. It is not booted yet.

    `layers` are what its root lies over, the uppermost first.
    """
    folder = nodes / name
    node = Node(name, address, key, folder / "root", folder / "console.log", world)
    for part in ("upper", "work", "root", "docker"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "docker").chmod(0o710)
    lower = ":".join(map(str, layers))
    run("mount", "-t", "overlay", "overlay", "-o",
        f"lowerdir={lower},upperdir={folder / 'upper'},workdir={folder / 'work'}",
        node.root)  # fmt: skip
    etc = node.root / "etc"
    (etc / "hostname").write_text(f"{name}\n")
    (etc / "resolv.conf").write_text(f"nameserver {SERVICE_ADDRESS}\n")
    interface = _INTERFACE.format(address=address, gateway=SERVICE_ADDRESS)
    (etc / "sysconfig/network-scripts/ifcfg-eth0").write_text(interface)
    link = _link(address)
    run("ip", "netns", "add", name)
    run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
    run("ip", "link", "set", link, "master", BRIDGE, "up")
    run("ip", "-n", name, "link", "set", "lo", "up")
    (folder / "node.json").write_text(json.dumps(asdict(node), default=str))
    return node


def _link(address: str) -> str:
    """The name of a node's link where it meets the bridge; fifteen characters are the limit."""
    return f"ve-{address.rpartition('.')[2]}"


def load(folder: Path) -> Node:
    """A node that another process created."""
    stored = json.loads((folder / "node.json").read_text())
    return Node(**{**stored, **{name: Path(stored[name]) for name in ("key", "root", "console")}})


def _wait(condition: Callable[[], bool], problem: str, console: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TestbedError(f"{problem} after {_SECONDS} s; its console: {console}")
        time.sleep(0.02)
