"""The nodes' Debian before it gets EL7's shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.testbed.debian import mmdebstrap

# What the nodes run.
_PACKAGES = """
systemd systemd-sysv dbus udev kmod openssh-server sudo dnf dnf-plugins-core rpm gpg curl
ca-certificates iproute2 iptables iputils-ping iputils-arping isc-dhcp-client rsync procps xz-utils
less vim-tiny libseccomp2 libdevmapper1.02.1 linux-image-cloud-amd64 initramfs-tools zstd
libnss-myhostname usr-is-merged
"""
_UNUSED = (
    *(f"/usr/share/{folder}/*" for folder in ("doc", "man", "locale", "info")),
    # Python's modules are compiled once the guest is complete, and it has no use for the other.
    "/usr/bin/py3compile",
    "/usr/lib/udev/hwdb.d/*",
)
# The guest gets an initramfs of its own; see el7/customize.sh.
_NO_INITRAMFS = (
    'mkdir -p "$1/etc/initramfs-tools" && '
    'echo update_initramfs=no >"$1/etc/initramfs-tools/update-initramfs.conf"'
)


def build(target: Path, _finished: Mapping[str, Path]) -> None:
    """A minimal Debian as `target`/root.tar: the slow half of the guest, which changes least."""
    excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in _UNUSED]
    # apt and dpkg are stripped later: mmdebstrap itself still needs them after its hooks.
    mmdebstrap(target / "root.tar", _PACKAGES, "--variant=minbase", *excluded,
                "--dpkgopt=force-unsafe-io", "--dpkgopt=force-confold",
                f"--essential-hook={_NO_INITRAMFS}",
                "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr")  # fmt: skip
