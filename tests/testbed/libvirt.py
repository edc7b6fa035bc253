"""A libvirtd of the world's own, separate from the host's."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.testbed import namespaces

_SOCKET = Path("/run/libvirt/libvirt-sock")
_FOLDERS = ("/run/libvirt", "/var/lib/libvirt", "/etc/libvirt", "/var/log/libvirt",
            "/var/cache/libvirt")  # fmt: skip
# Root for everything: the folders are a root-only world's. Output goes to files, or a virtlogd
# would be needed.
_QEMU = """\
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
stdio_handler = "file"
"""
_DAEMON = 'auth_unix_ro = "none"\nauth_unix_rw = "none"\n'


def prepare(world: Path) -> None:
    """Private folders over libvirt's own, in this mount namespace. No pool, no network."""
    for folder in _FOLDERS:
        source = world / "libvirt" / folder.strip("/").replace("/", "-")
        source.mkdir(parents=True)
        Path(folder).mkdir(parents=True, exist_ok=True)
        namespaces.bind(source, Path(folder))
    Path("/var/lib/libvirt/images").mkdir()
    Path("/etc/libvirt/qemu.conf").write_text(_QEMU)
    Path("/etc/libvirt/libvirtd.conf").write_text(_DAEMON)


def command(world: Path) -> list[str]:
    """libvirtd without a view of control groups: it would make some and leave them behind."""
    # It looks for them in the list of mounts: covering them would not hide them.
    hide = "umount --recursive --lazy /sys/fs/cgroup"
    daemon = f"exec libvirtd --pid-file {world}/libvirtd.pid"
    return ["unshare", "--mount", "--propagation=private", "sh", "-c", f"{hide}; {daemon}"]


def ready() -> bool:
    """Return True if the daemon accepts connections."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(_SOCKET)) == 0
