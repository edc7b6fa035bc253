"""The Debian packages that the testbed needs on the host, the same on Debian 12 and 13.

What builds the nodes and the sites is none of these: see debian.py.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.testbed.errors import TestbedError
from tests.testbed.shell import run

# Enough to unpack another Debian, and to make a virtual environment of Python.
FIRST = ["mmdebstrap", "python3-venv"]
# What a world of virtual machines runs. vagrant and vagrant-libvirt are what labctl drives.
_DEMO = """
vagrant vagrant-libvirt libvirt-daemon-system libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils
dnsmasq-base docker-registry rsync iproute2 iptables openssh-client
"""
# What tests need besides: nodes that are containers, a login to this machine, the tools that
# labctl's scripts call, a browser that looks at its pages, and login shells of nodes.
_TESTS = """
systemd-container libvirt-clients openssh-server rpm gpg curl shellcheck chromium chromium-driver
tcsh fish zsh
"""
DEMO, TESTS = _DEMO.split(), _TESTS.split()

# Debian starts a package's services when it installs it, unless this says no. The host's own sshd
# and libvirtd are none of the testbed's business: it needs the programs.
_POLICY = "/usr/sbin/policy-rc.d"
_INSTALL = f"""
set -e
if [ ! -e {_POLICY} ]; then
  trap 'rm -f {_POLICY}' EXIT
  printf '#!/bin/sh\\nexit 101\\n' >{_POLICY}
  chmod 755 {_POLICY}
fi
export DEBIAN_FRONTEND=noninteractive
had_sshd=; [ ! -e /usr/sbin/sshd ] || had_sshd=1
[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -mmin -60 2>/dev/null)" ] ||
  apt-get -qq -o DPkg::Lock::Timeout=600 update
apt-get -qq -o DPkg::Lock::Timeout=600 -o DPkg::Options::=--force-unsafe-io \\
  install --no-install-recommends --yes "$@"
[ -n "$had_sshd" ] || systemctl disable --quiet ssh.service 2>/dev/null || :
"""


def preflight() -> None:
    """Raise what this machine lacks, before anything on it is changed."""
    script = Path(__file__).with_name("preflight.sh")
    done = subprocess.run(["sh", script], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise TestbedError(done.stderr.strip())


def missing(packages: list[str]) -> list[str]:
    """Those of `packages` that are not installed."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    installed = {
        line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")
    }
    return [name for name in packages if name not in installed]


def everything() -> None:
    """Install what is missing of all that demo and tests need."""
    preflight()
    install(FIRST + DEMO + TESTS)


def install(packages: list[str]) -> None:
    """Install those that are missing; nothing if none is."""
    if lacking := missing(packages):
        prefix = [] if os.geteuid() == 0 else ["sudo"]
        run(*prefix, "sh", "-c", _INSTALL, "sh", *lacking)
