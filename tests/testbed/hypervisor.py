"""Hosts that run virtual machines for others: each with a libvirtd and an sshd, reached over ssh.

A host is a network, mount and PID namespace of its own inside the world, with a link to the world's
bridge. Cutting the link is the host's failure; its machines go on behind it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.testbed.errors import TestbedError
from tests.testbed.names import BRIDGE
from tests.testbed.shell import run

_SECONDS = 30
_FOLDERS = ("run/libvirt", "var/lib/libvirt", "etc/libvirt", "var/log/libvirt",
            "var/cache/libvirt", "run/sshd")  # fmt: skip

# Process 1 of a host. As in `libvirt.py`, all is root's, and libvirtd sees no control groups.
_INSIDE = """\
set -eu
base=$1
for folder in %(folders)s; do
  mkdir -p "$base/root/$folder" "/$folder"
  mount --bind "$base/root/$folder" "/$folder"
done
mkdir -p /var/lib/libvirt/images
printf '%%s\\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' \\
  'dynamic_ownership = 0' 'remember_owner = 0' 'namespaces = []' 'stdio_handler = "file"' \\
  >/etc/libvirt/qemu.conf
printf '%%s\\n' 'auth_unix_ro = "none"' 'auth_unix_rw = "none"' >/etc/libvirt/libvirtd.conf
umount --recursive --lazy /sys/fs/cgroup || :
libvirtd --pid-file "$base/libvirtd.pid" >"$base/libvirtd.log" 2>&1 &
/usr/sbin/sshd -D -f "$base/sshd_config" -E "$base/sshd.log" &
while :; do wait; sleep 1; done
"""

_SSHD = """\
ListenAddress {address}
HostKey {base}/host_key
PidFile {base}/sshd.pid
AuthorizedKeysFile {base}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
"""

_running: list[subprocess.Popen[bytes]] = []
"""Processes that outlive this one's interest in them."""


@dataclass(frozen=True)
class Hypervisor:
    """A host.

    Parameters:
        name: of it, at most 10 characters: its link has a name too.
        address: on the world's network.
        folder: of its files.
        key: the private key that logs in as root.
    """

    name: str
    address: str
    folder: Path
    key: Path

    @property
    def uri(self) -> str:
        """How libvirt there is reached."""
        return f"qemu+ssh://root@{self.address}/system"

    @property
    def socket(self) -> Path:
        """Of its libvirtd."""
        return self.folder / "root/run/libvirt/libvirt-sock"

    def start(self) -> None:
        """Turn the host on; returns when libvirtd and sshd answer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        public = self.key.with_name(f"{self.key.name}.pub").read_text()
        (self.folder / "authorized_keys").write_text(public)
        if not (self.folder / "host_key").exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / "host_key")
        text = _SSHD.format(address=self.address, base=self.folder)
        (self.folder / "sshd_config").write_text(text)
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", f"v-{self.name}", "type", "veth", "peer", "name", "eth0",
            "netns", self.name)  # fmt: skip
        run("ip", "link", "set", f"v-{self.name}", "master", BRIDGE, "up")
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        run("ip", "-n", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        run("ip", "-n", self.name, "link", "set", "eth0", "up")
        script = _INSIDE % {"folders": " ".join(_FOLDERS)}
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, "unshare", "--mount", "--propagation",
                 "private", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "sh", "-c", script, "sh", self.folder],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        _running.append(process)
        (self.folder / "pid").write_text(str(process.pid))
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise TestbedError(f"{self.name} does not start; see {self.folder}")
            time.sleep(0.05)

    def cut(self) -> None:
        """Cut the host off: packets to and from it are lost."""
        run("ip", "link", "set", f"v-{self.name}", "down")

    def restore(self) -> None:
        """Connect it again."""
        run("ip", "link", "set", f"v-{self.name}", "up")

    def sh(self, command: str) -> str:
        """Return the output of a command in the host's network."""
        return run("ip", "netns", "exec", self.name, "sh", "-c", command)

    def remove(self) -> None:
        """Pull the plug and throw the host away, with its machines."""
        pid = self.folder / "pid"
        if pid.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)  # with all that runs in it
        subprocess.run(["ip", "link", "delete", f"v-{self.name}"], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as libvirt:
                libvirt.connect(str(self.socket))
            with socket.create_connection((self.address, 22), 0.5) as ssh:
                return ssh.recv(3) == b"SSH"
        except OSError:
            return False
