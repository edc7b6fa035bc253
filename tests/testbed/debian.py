"""Debian's packages, two ways: unpacked for their programs, and installed as the guest's base."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.testbed.shell import run

SUITE = "bookworm"
# What the stand-in packages and images are made of.
_PAYLOAD = """
docker.io containerd runc tini etcd-server etcd-client bind9-dnsutils bind9-host busybox-static bash
nginx redis-server docker-compose docker-registry stress
"""
# What the nodes run.
_BASE = """
systemd systemd-sysv dbus udev kmod openssh-server sudo dnf dnf-plugins-core rpm gpg curl
ca-certificates iproute2 iptables iputils-ping iputils-arping isc-dhcp-client rsync procps xz-utils
less vim-tiny libseccomp2 libdevmapper1.02.1 linux-image-cloud-amd64 initramfs-tools zstd
libnss-myhostname
"""
_UNUSED = ("doc", "man", "locale", "info")


def build_payload(target: Path, _finished: Mapping[str, Path]) -> None:
    """Download _PAYLOAD and all that it depends on, and unpack it into `target`/root."""
    _mmdebstrap(target / "root", _PAYLOAD, "--variant=extract")


def build_base(target: Path, _finished: Mapping[str, Path]) -> None:
    """A minimal Debian as `target`/root.tar: the slow half of the guest, which changes least."""
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _UNUSED]
    # apt and dpkg are stripped later: mmdebstrap itself still needs them after its hooks.
    _mmdebstrap(target / "root.tar", _BASE, "--variant=minbase", *excluded)


def _mmdebstrap(target: Path, packages: str, *options: str) -> None:
    run("mmdebstrap", "--mode=root", "--aptopt=APT::Install-Recommends false",
        "--aptopt=Acquire::Languages none", *options, f"--include={','.join(packages.split())}",
        SUITE, target)  # fmt: skip
