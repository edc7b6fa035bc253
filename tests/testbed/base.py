"""The nodes' Debian before it gets EL7's shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.testbed.debian import unpack
from tests.testbed.shell import run

CONFIGURE = Path(__file__).with_name("el7") / "configure.sh"
# What every Debian has, and what the nodes run.
_PACKAGES = """
base-files base-passwd bash bsdutils coreutils dash debianutils diffutils e2fsprogs findutils grep
gzip hostname libc-bin libpam-modules libpam-runtime login mawk mount ncurses-base ncurses-bin
passwd sed tar tzdata util-linux
systemd systemd-sysv dbus udev kmod openssh-server sudo dnf dnf-plugins-core rpm gpg curl
ca-certificates iproute2 iptables iputils-ping iputils-arping isc-dhcp-client rsync procps xz-utils
less vim-tiny libseccomp2 libdevmapper1.02.1 linux-image-cloud-amd64 zstd libnss-myhostname
"""
# Where /bin and its like are links, as Debian has them, a package's files go through them.
_MERGED_USR = 'for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d"; ln -s "usr/$d" "$1/$d"; done'


def build(target: Path, _finished: Mapping[str, Path]) -> None:
    """A minimal Debian as `target`/root: the slow half of the guest, which changes least."""
    root = target / "root"
    unpack(root, _PACKAGES, f"--setup-hook={_MERGED_USR}")
    run(CONFIGURE, root)
