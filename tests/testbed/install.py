"""The Debian packages that the testbed needs on the host."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.testbed.errors import TestbedError

# vagrant and vagrant-libvirt are what labctl drives; the rest builds and runs a world, or looks at
# what labctl makes, as chromium does at pages.
_NAMES = """
vagrant vagrant-libvirt libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients
qemu-system-x86 qemu-utils dnsmasq-base mmdebstrap extlinux syslinux-common fdisk e2fsprogs rpm
createrepo-c skopeo docker-registry rsync iproute2 iptables systemd-container python3-venv binutils
gpg gpg-agent openssl openssh-client openssh-server curl shellcheck
chromium chromium-driver
"""
PACKAGES = _NAMES.split()

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
apt-get -qq update
apt-get -qq -o DPkg::Lock::Timeout=600 install --no-install-recommends --yes "$@"
[ -n "$had_sshd" ] || systemctl disable --quiet ssh.service 2>/dev/null || :
"""


def missing() -> list[str]:
    """Those of PACKAGES that are not installed."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *PACKAGES],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    installed = {
        line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")
    }
    return [name for name in PACKAGES if name not in installed]


def install() -> None:
    """Install what is missing; nothing if nothing is."""
    if not shutil.which("apt-get"):
        raise TestbedError(
            "the testbed needs Debian 12, in a container or machine of its own for example, with "
            f"these packages:\n{' '.join(PACKAGES)}"
        )
    lacking = missing()
    if not lacking:
        return
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    done = subprocess.run([*prefix, "sh", "-c", _INSTALL, "sh", *lacking], check=False)
    if done.returncode:
        raise TestbedError("apt-get failed: what it said is above")
