"""Docker Hub's images without a daemon: Debian's programs, OCI layouts, skopeo, a registry."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.testbed.buildroot import Buildroot
from tests.testbed.debian import PYTHON
from tests.testbed.errors import TestbedError
from tests.testbed.shell import run

DATA = Path(__file__).with_name("el7") / "images"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FOLDERS = "bin etc tmp proc sys dev root run var/run var/log usr/bin usr/sbin lib lib64 data"


@dataclass(frozen=True)
class Image:
    """busybox, `programs` and `folders` (path in it: path in the payload), and a config."""

    name: str
    tags: tuple[str, ...]
    config: Mapping[str, object]
    programs: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)

    @property
    def repository(self) -> str:
        """Its full name at Docker Hub, where an image without an owner is of `library`."""
        return self.name if "/" in self.name else f"library/{self.name}"


IMAGES = (
    Image("busybox", ("latest", "1.35", "1.35.0", "1.35-musl"), {"Cmd": ["sh"]}),
    Image("alpine", ("latest", "3.18"), {"Cmd": ["/bin/sh"]}),
    Image(
        "nginx",
        ("latest", "alpine", "1.22", "1.22.1", "1.18-alpine"),
        {
            "Cmd": ["nginx", "-g", "daemon off;"],
            "ExposedPorts": {"80/tcp": {}},
            "StopSignal": "SIGQUIT",
        },
        {"/bin/bash": "bin/bash", "/usr/sbin/nginx": "usr/sbin/nginx"},
    ),
    Image(
        "redis",
        ("latest", "alpine", "7.0", "7.0.15", "5-alpine"),
        {
            "Cmd": ["redis-server", "--protected-mode", "no"],
            "ExposedPorts": {"6379/tcp": {}},
            "Volumes": {"/data": {}},
            "WorkingDir": "/data",
        },
        {
            "/bin/bash": "bin/bash",
            "/usr/bin/redis-server": "usr/bin/redis-check-rdb",
            "/usr/bin/redis-cli": "usr/bin/redis-cli",
        },
    ),
    Image(
        "python",
        ("latest", "alpine", "3.8-alpine"),
        {"Cmd": ["python3"]},
        {"/usr/local/bin/python3": f"usr/bin/python{PYTHON}"},
        {f"/usr/lib/python{PYTHON}": f"usr/lib/python{PYTHON}"},
    ),
    Image("hello-world", ("latest",), {"Cmd": ["/hello"]}),
    Image("polinux/stress", ("latest",), {}, {"/usr/local/bin/stress": "usr/bin/stress"}),
    Image(
        "registry",
        ("2", "2.8", "latest"),
        {
            "Entrypoint": ["/entrypoint.sh"],
            "Cmd": ["/etc/docker/registry/config.yml"],
            "ExposedPorts": {"5000/tcp": {}},
            "Volumes": {"/var/lib/registry": {}},
        },
        {"/bin/registry": "usr/bin/docker-registry"},
    ),
)

# Of Python's library, what is not for programs, and what needs more libraries than it does itself.
_NO_PROGRAM = ("lib2to3", "distutils", "pydoc_data", "test", "sitecustomize.py", "*test*.so")
_MORE_LIBRARIES = ("_ssl*", "_hashlib*", "_ctypes*", "_curses*", "_dbm*", "_sqlite3*", "_uuid*",
                   "_bz2*", "_lzma*", "_crypt*", "readline*", "nis*", "_decimal*")  # fmt: skip


def registry_config(storage: Path, address: str) -> str:
    """Settings of docker-registry."""
    return (
        "version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {storage}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{address}'}}\n"
    )


def build(target: Path, finished: Mapping[str, Path]) -> None:
    """`target`/registry: the storage of a docker-registry that has all of IMAGES."""
    buildroot = Buildroot.of(finished)
    work = target / "work"
    work.mkdir()
    with _registry(work, target / "registry") as host:
        for image in IMAGES:
            root = work / image.name.replace("/", "-")
            _fill(image, root, buildroot)
            layout = root.with_suffix(".oci")
            _layout(image, root, layout)
            for tag in image.tags:
                buildroot.run("skopeo", "--insecure-policy", "copy", "--quiet", "--format", "v2s2",
                    "--dest-tls-verify=false", f"oci:{layout}:latest",
                    f"docker://{host}/{image.repository}:{tag}")  # fmt: skip
    shutil.rmtree(work)


@contextmanager
def _registry(work: Path, storage: Path) -> Iterator[str]:
    """A registry for the build alone, on an address that nobody else on this host uses."""
    host = f"127.{os.getpid() % 250 + 2}.77.1:5077"
    config = work / "registry.yml"
    config.write_text(registry_config(storage, host))
    with (work / "registry.log").open("w") as log:
        server = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 15
        while subprocess.run(["curl", "-s", f"http://{host}/v2/"], check=False,
                             capture_output=True).returncode:  # fmt: skip
            if server.poll() is not None or time.monotonic() > deadline:
                raise TestbedError("docker-registry did not start:\n" + Path(log.name).read_text())
            time.sleep(0.05)
        yield host
    finally:
        server.kill()
        server.wait()


def _fill(image: Image, root: Path, buildroot: Buildroot) -> None:
    debian = buildroot.root
    for folder in _FOLDERS.split():
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy(debian / "bin/busybox", root / "bin/busybox")
    for applet in run(root / "bin/busybox", "--list").split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    for path, source in image.programs.items():
        _add_program(root, buildroot, source, path)
    for path, source in image.folders.items():
        unwanted = shutil.ignore_patterns("__pycache__", *_NO_PROGRAM, *_MORE_LIBRARIES)
        shutil.copytree(debian / source, root / path.lstrip("/"), ignore=unwanted)
    for part in ("common", image.name):
        if (DATA / part).is_dir():
            shutil.copytree(DATA / part, root, dirs_exist_ok=True)
    if image.name == "nginx":
        shutil.copy(debian / "etc/nginx/mime.types", root / "etc/nginx/")
        for folder in ("var/lib/nginx/body", "var/log/nginx", "var/cache/nginx"):
            (root / folder).mkdir(parents=True)
        for log in ("access.log", "error.log"):
            (root / "var/log/nginx" / log).symlink_to("/dev/stdout")
    if image.name == "python":
        (root / "usr/local/bin/python").symlink_to("python3")


def _add_program(root: Path, buildroot: Buildroot, source: str, path: str) -> None:
    goal = root / path.lstrip("/")
    goal.parent.mkdir(parents=True, exist_ok=True)
    goal.unlink(missing_ok=True)
    shutil.copy(buildroot.file(source), goal)
    found = buildroot.libraries(source)
    # Name resolution loads these by name when it is first asked.
    folder = buildroot.root / "lib/x86_64-linux-gnu"
    extra = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")
    for file, name in (*found, *((folder / name, name) for name in extra)):
        place = root / ("lib64" if name.startswith("ld-linux") else "lib/x86_64-linux-gnu") / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            shutil.copy(file, place)


def _layout(image: Image, root: Path, layout: Path) -> None:
    """`root` as an OCI layout of one layer."""
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(content: bytes, kind: str) -> dict[str, object]:
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"digest": f"sha256:{name}", "size": len(content), "mediaType": kind}

    tar = subprocess.run(
        ["tar", "-C", root, "--sort=name", "--mtime=2023-01-01", "--owner=0", "--group=0",
         "--numeric-owner", "-c", "."], check=True, capture_output=True,
    ).stdout  # fmt: skip
    oci = "application/vnd.oci.image"
    layer = blob(gzip.compress(tar, 4, mtime=0), f"{oci}.layer.v1.tar+gzip")
    created = "2023-01-01T00:00:00Z"
    config = {
        "created": created,
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [_PATH], **image.config},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]},
        "history": [{"created": created, "created_by": "labctl testbed"}],
    }
    config_blob = blob(json.dumps(config).encode(), f"{oci}.config.v1+json")
    manifest = {"schemaVersion": 2, "config": config_blob, "layers": [layer]}
    entry = blob(json.dumps(manifest).encode(), f"{oci}.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
