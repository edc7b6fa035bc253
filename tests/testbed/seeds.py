"""The rpm database of a fresh `centos/7` box: names only, and the release package.

The seeds are empty. They make the requirements of the docker packages resolve as on EL7.
"""

from __future__ import annotations

from pathlib import Path

from tests.testbed.packages import Package

_REPOSITORY = """\
[{name}]
name=CentOS-$releasever - {title}
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo={path}&infra=$infra
#baseurl=http://mirror.centos.org/centos/$releasever/{path}/$basearch/
gpgcheck=1
enabled={enabled}
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7

"""

# name, version, release; `epoch:` before the version where there is one
_SEEDS = """\
glibc 2.17 317.el7
coreutils 8.22 24.el7
systemd 219 78.el7 /usr/bin/systemctl
bash 4.2.46 34.el7 /bin/sh /bin/bash
iptables 1.4.21 35.el7
libseccomp 2.3.1 4.el7
shadow-utils 2:4.6 5.el7 /usr/sbin/groupadd /usr/sbin/useradd
tar 2:1.26 35.el7
xz 5.2.2 1.el7
yum 3.4.3 168.el7.centos
rpm 4.11.3 45.el7
curl 7.29.0 59.el7
openssh-server 7.4p1 21.el7
sudo 1.8.23 10.el7
kernel 3.10.0 1160.el7
rsync 3.1.2 10.el7
iproute 4.11.0 30.el7
device-mapper-libs 7:1.02.170 6.el7
ca-certificates 2020.2.41 70.0.el7_8
gnupg2 2.0.22 5.el7_5
initscripts 9.49.53 1.el7
dhclient 12:4.2.5 82.el7.centos
procps-ng 3.3.10 28.el7
"""


def stock_repositories() -> str:
    """CentOS-Base.repo as it came with the box: its mirror list died with CentOS 7."""
    rows = (
        ("base", "Base", "os", 1),
        ("updates", "Updates", "updates", 1),
        ("extras", "Extras", "extras", 1),
        ("centosplus", "Plus", "centosplus", 0),
    )
    return "".join(
        _REPOSITORY.format(name=name, title=title, path=path, enabled=enabled)
        for name, title, path, enabled in rows
    )


def _seed(line: str) -> Package:
    name, version, release, *provides = line.split()
    epoch, _, version = version.rpartition(":")
    return Package(name, version, release, "seed", epoch=int(epoch or 0), provides=tuple(provides))


def seeds(centos_key: Path) -> tuple[Package, ...]:
    """The packages of a fresh box; `centos_key` is the public key that signs the vault."""
    release = Package(
        "centos-release",
        "7",
        "9.2009.1.el7.centos",
        "seed",
        summary="CentOS Linux release file",
        provides=(
            "centos-release(upstream) = 7.9",
            "redhat-release = 7.9",
            "system-release = 7.9",
            "system-release(releasever) = 7",
        ),
        texts={
            "/etc/centos-release": "CentOS Linux release 7.9.2009 (Core)\n",
            "/etc/centos-release-upstream": "Derived from Red Hat Enterprise Linux 7.9 (Source)\n",
            "/etc/system-release-cpe": "cpe:/o:centos:linux:7::ga\n",
            "/etc/yum.repos.d/CentOS-Base.repo": stock_repositories(),
            "/etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7": centos_key.read_text(),
            "/etc/yum/vars/infra": "vag\n",
            "/etc/yum/vars/contentdir": "centos\n",
            "/etc/rpm/macros.dist": ("%centos_ver 7\n%centos 7\n%rhel 7\n%dist .el7\n%el7 1\n"),
        },
        links={"/etc/redhat-release": "centos-release", "/etc/system-release": "centos-release"},
        config=("/etc/yum.repos.d/CentOS-Base.repo",),
    )
    return (release, *(_seed(line) for line in _SEEDS.splitlines()))
