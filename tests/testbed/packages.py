"""The stand-in packages, as data: names, epochs, versions and requirements of the real ones.

Whatever its version says, a package's payload is Debian's: docker 20.10.24, containerd 1.6.20,
etcd 3.4, dig of bind 9.18. Files that are read at run time come from `el7/packages/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

_DATA = Path(__file__).with_name("el7") / "packages"
_UNITS = "/usr/lib/systemd/system"
_CLI_PLUGINS = "/usr/libexec/docker/cli-plugins"
_RELOAD = "systemctl daemon-reload >/dev/null 2>&1 || :"
_DOCKER_GROUP = "getent group docker >/dev/null || groupadd --system docker"


@dataclass(frozen=True)
class Package:
    """One RPM. `programs` maps a path on the node to one below the unpacked payload."""

    name: str
    version: str
    release: str
    repository: str
    epoch: int = 0
    noarch: bool = False
    summary: str = ""
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    config: tuple[str, ...] = ()
    with_libraries: str = ""
    signed: bool = True

    @property
    def arch(self) -> str:
        """RPM's name of the architecture."""
        return "noarch" if self.noarch else "x86_64"

    @property
    def file_name(self) -> str:
        """The name of the package's file in a repository."""
        return f"{self.name}-{self.version}-{self.release}.{self.arch}.rpm"


def _data(name: str) -> str:
    return (_DATA / name).read_text()


def _stops(*units: str) -> str:
    """Scriptlet that stops units when the last version of a package goes."""
    names = " ".join(units)
    return f"[ $1 -ne 0 ] || systemctl --no-reload disable --now {names} >/dev/null 2>&1 || :"


def _engine(version: str, *requires: str) -> Package:
    return Package(
        "docker-ce", version, "3.el7", "docker", epoch=3,
        summary="The open-source application container engine",
        requires=(
            "/bin/sh", "container-selinux >= 2:2.74", "libseccomp >= 2.3", "systemd", "iptables",
            "libcgroup", "tar", "xz", "docker-ce-cli", *requires,
        ),
        conflicts=("docker", "docker-io", "docker-engine-cs", "docker-ee"),
        obsoletes=("docker-ce-selinux", "docker-engine-selinux", "docker-engine"),
        programs={
            "/usr/bin/dockerd": "usr/sbin/dockerd",
            "/usr/bin/docker-proxy": "usr/sbin/docker-proxy",
            "/usr/bin/docker-init": "usr/bin/tini-static",
        },
        texts={
            f"{_UNITS}/docker.service": _data("docker.service"),
            f"{_UNITS}/docker.socket": _data("docker.socket"),
        },
        scripts={
            "post": f"{_RELOAD}\n{_DOCKER_GROUP}",
            "preun": _stops("docker.service", "docker.socket"),
            "postun": (
                f"{_RELOAD}\n"
                "[ $1 -lt 1 ] || systemctl try-restart docker.service >/dev/null 2>&1 || :"
            ),
        },
    )  # fmt: skip


def _client(version: str, *requires: str) -> Package:
    return Package(
        "docker-ce-cli", version, "3.el7", "docker", epoch=1,
        summary="The open-source application container engine's command line",
        requires=("/bin/sh", "/usr/sbin/groupadd", *requires),
        conflicts=("docker", "docker-io", "docker-engine-cs", "docker-ee", "docker-ee-cli"),
        programs={"/usr/bin/docker": "usr/bin/docker"},
        scripts={"post": _DOCKER_GROUP},
    )  # fmt: skip


def _runtime(version: str) -> Package:
    # The real one's two older shims are left out: no engine here starts them.
    names = ("containerd", "ctr", "containerd-shim-runc-v2")
    return Package(
        "containerd.io", version, "3.1.el7", "docker",
        summary="An industry-standard container runtime",
        requires=("container-selinux >= 2:2.74", "libseccomp"),
        provides=("containerd", "runc"),
        conflicts=("containerd", "runc"),
        obsoletes=("containerd", "runc"),
        programs={
            "/usr/bin/runc": "usr/sbin/runc",
            **{f"/usr/bin/{name}": f"usr/bin/{name}" for name in names},
        },
        texts={
            f"{_UNITS}/containerd.service": _data("containerd.service"),
            "/etc/containerd/config.toml": 'disabled_plugins = ["cri"]\n',
        },
        config=("/etc/containerd/config.toml",),
        scripts={"post": _RELOAD, "preun": _stops("containerd.service")},
    )  # fmt: skip


def _docker(name: str, version: str, release: str = "3.el7", requires: str = "") -> Package:
    return Package(name, version, release, "docker", requires=tuple(requires.split()))


def _compose_plugin() -> Package:
    """`docker compose`: a wrapper that runs the stand-in of compose 1.29.2."""
    return replace(
        _docker("docker-compose-plugin", "2.27.1", "1.el7"),
        programs={"/usr/libexec/docker/testbed-compose": "docker-compose-1.29.2"},
        scripts={},
        texts={f"{_CLI_PLUGINS}/docker-compose": _data("docker-compose-plugin")},
    )


_DOCKER = (
    # The last engine that the payload really is, and one before it to go up and down between.
    *(
        package
        for version in ("20.10.23", "20.10.24")
        for package in (
            _engine(version, "containerd.io >= 1.4.1", "docker-ce-rootless-extras"),
            _client(version, "docker-scan-plugin"),
            _docker("docker-ce-rootless-extras", version),
        )
    ),
    _docker("docker-scan-plugin", "0.23.0"),
    _runtime("1.6.19"),
    _runtime("1.6.20"),
    # The course's own pins.
    _engine("19.03.9", "containerd.io >= 1.2.2-3"),
    _client("19.03.8"),
    _client("19.03.9"),
    _runtime("1.2.13"),
    # The last set that was released for EL7.
    replace(_engine("26.1.4", "containerd.io >= 1.6.24", "docker-ce-rootless-extras"),
            release="1.el7"),
    replace(_client("26.1.4", "docker-buildx-plugin", "docker-compose-plugin"), release="1.el7"),
    _docker("docker-ce-rootless-extras", "26.1.4", "1.el7"),
    _runtime("1.6.33"),
    _docker("docker-buildx-plugin", "0.14.1", "1.el7"),
    _compose_plugin(),
    # What a broken repository may hold.
    replace(_docker("labctl-unsigned", "1.0", "1.el7"), signed=False),
    _docker("labctl-broken", "1.0", "1.el7", "labctl-exists-nowhere"),
)  # fmt: skip

_CENTOS = (
    Package("container-selinux", "2.119.2", "1.911c772.el7_8", "extras", epoch=2, noarch=True),
    Package("fuse-overlayfs", "0.7.2", "6.el7_8", "extras"),
    Package("slirp4netns", "0.4.3", "4.el7_8", "extras"),
    Package("libcgroup", "0.41", "21.el7", "os"),
    Package(
        "yum-utils", "1.1.31", "54.el7_8", "os", noarch=True,
        links={
            f"/usr/bin/{name}": "/usr/libexec/dnf-utils-3"
            for name in ("yum-config-manager", "yumdownloader", "repoquery")
        },
    ),
    Package("device-mapper-persistent-data", "0.8.5", "3.el7_9.2", "updates"),
    Package("lvm2", "2.02.187", "6.el7_9.5", "updates", epoch=7),
    Package(
        "bind-utils", "9.11.4", "26.P2.el7_9.16", "updates", epoch=32,
        programs={f"/usr/libexec/bind-utils/{name}": f"usr/bin/{name}"
                  for name in ("dig", "nslookup", "host")},
        texts={f"/usr/bin/{name}": _data("bind-utils").replace("@NAME@", name)
               for name in ("dig", "nslookup", "host")},
        with_libraries="/usr/libexec/bind-utils/lib",
    ),
    Package(
        # With sfdisk, which is part of util-linux on EL7.
        "cloud-utils-growpart", "0.29", "5.el7", "os",
        programs={"/usr/bin/growpart": "usr/bin/growpart",
                  "/usr/libexec/growpart/sfdisk": "sbin/sfdisk"},
        texts={"/usr/sbin/sfdisk": _data("sfdisk")},
        with_libraries="/usr/libexec/growpart/lib",
    ),
    Package(
        "etcd", "3.4.23", "4.el7", "extras",
        summary="A highly-available key value store for shared configuration",
        programs={"/usr/bin/etcd": "usr/bin/etcd", "/usr/bin/etcdctl": "usr/bin/etcdctl"},
        texts={"/etc/etcd/etcd.conf": _data("etcd.conf"),
               f"{_UNITS}/etcd.service": _data("etcd.service")},
        config=("/etc/etcd/etcd.conf",),
        scripts={
            "pre": "getent group etcd >/dev/null || groupadd -r etcd\n"
                   "getent passwd etcd >/dev/null || "
                   "useradd -r -g etcd -d /var/lib/etcd -s /sbin/nologin etcd",
            "post": f"mkdir -p /var/lib/etcd; chown etcd:etcd /var/lib/etcd; {_RELOAD}",
            "preun": _stops("etcd.service"),
        },
    ),
)  # fmt: skip

# CentOS's own engine, and podman with its runc: what is on machines on which somebody once ran
# `yum install docker`. The names of files, the unit's flags and the conflicts are those of the real
# ones, except for the cgroup driver and SELinux, which container nodes do not have.
_OLD = "210.git7d71120.el7.centos"
_OLD_ENGINE = f"2:1.13.1-{_OLD}"
_LIBEXEC = "/usr/libexec/docker"

_CENTOS_DOCKER = (
    Package(
        "docker", "1.13.1", _OLD, "extras", epoch=2,
        requires=(f"docker-common = {_OLD_ENGINE}", f"docker-client = {_OLD_ENGINE}"),
        programs={
            "/usr/bin/dockerd-current": "usr/sbin/dockerd",
            f"{_LIBEXEC}/docker-runc-current": "usr/sbin/runc",
            f"{_LIBEXEC}/docker-proxy-current": "usr/sbin/docker-proxy",
            f"{_LIBEXEC}/docker-init-current": "usr/bin/tini-static",
            # The names that the payload's engine looks for.
            f"{_LIBEXEC}/containerd": "usr/bin/containerd",
            f"{_LIBEXEC}/containerd-shim-runc-v2": "usr/bin/containerd-shim-runc-v2",
        },
        texts={f"{_UNITS}/docker.service": _data("docker-1.13.service"),
               "/etc/sysconfig/docker": "OPTIONS='--log-driver=journald'\n",
               "/etc/docker/daemon.json": "{}\n"},
        config=("/etc/sysconfig/docker", "/etc/docker/daemon.json"),
        scripts={"post": f"{_RELOAD}\n{_DOCKER_GROUP}", "preun": _stops("docker.service")},
    ),
    Package(
        "docker-client", "1.13.1", _OLD, "extras", epoch=2,
        requires=(f"docker-common = {_OLD_ENGINE}",),
        programs={"/usr/bin/docker-current": "usr/bin/docker"},
    ),
    Package(
        "docker-common", "1.13.1", _OLD, "extras", epoch=2,
        texts={"/usr/bin/docker": '#!/bin/sh\nexec /usr/bin/docker-current "$@"\n'},
    ),
    Package(
        "podman", "1.6.4", "36.el7_9", "extras", requires=("runc >= 1.0.0-57",),
        texts={"/usr/bin/podman": "#!/bin/sh\nexec runc --version\n"},
    ),
    Package(
        "runc", "1.0.0", "70.rc10.el7_9", "extras", programs={"/usr/bin/runc": "usr/sbin/runc"},
    ),
)  # fmt: skip

PACKAGES: tuple[Package, ...] = _DOCKER + _CENTOS + _CENTOS_DOCKER
