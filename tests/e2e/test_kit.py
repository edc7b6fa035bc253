"""A kit: made where there is a network, and used where there is none."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from labctl.kit import boxes
from labctl.kit.folder import Kit
from labctl.kit.own_wheel import repacked
from labctl.machines import box as vagrant_boxes
from tests.e2e.conftest import Lab, Run, machines, spec
from tests.testbed import Node, World

FRESH, WITH_ENGINE = "docker-node1", "docker-node2"
SECTIONS = ("engine", "images", "containers", "greeting")
SERVICES = ("web", "registry", "dns", "public-dns")
CHOSEN = ("--system", "linux", "--python", f"3.{sys.version_info.minor}")


@pytest.fixture(scope="module")
def nodes(world: World) -> Iterator[dict[str, Node]]:
    """One machine without any packages, and one that has the engine's."""
    both = [world.nspawn(FRESH), world.nspawn(WITH_ENGINE, engine=True)]
    yield {node.name: node for node in both}
    if not os.environ.get("KEEP"):
        for node in both:
            node.remove()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels for pip: what is installed here stands in for PyPI."""
    folder = tmp_path_factory.mktemp("pypi")
    for distribution in metadata.distributions():
        if distribution.metadata["Name"] != "labctl-vagrant":
            wheel = repacked(distribution, folder)
            # pip chose them for this computer; older systems have wheels of their own on PyPI.
            wheel.rename(folder / wheel.name.replace("manylinux_2_34", "manylinux_2_28"))
    return folder


@pytest.fixture(scope="module")
def teacher(
    world: World, nodes: dict[str, Node], index: Path, tmp_path_factory: pytest.TempPathFactory
) -> Lab:
    """The lab of the instructor, whose computer has a network."""
    folder = tmp_path_factory.mktemp("teacher") / "lab"
    (folder / "course").mkdir(parents=True)
    (folder / "course" / "greeting.py").write_text(GREETING)
    lab = Lab(
        folder,
        {
            "SSL_CERT_FILE": str(world.authority),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(index),
        },
    )
    books = ["repos", "hosts", "engine", "mirrors", "compose", "registry", "images"]
    listed = {"playbooks": books, "images": ["nginx:1.22"]}
    lab.write(spec(world, machines=machines(list(nodes.values())), **listed))
    return lab


GREETING = '''
"""A section of the lab's own."""

IMAGES = ("alpine:3.18",)

def test_greets(sandbox):
    """a container of an image that only this section uses says hello"""
    run = "docker run --rm --label %s alpine:3.18 echo hello"
    assert sandbox.out(run, sandbox.label) == "hello"
'''


@pytest.fixture(scope="module")
def kit(world: World, teacher: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit of that lab."""
    folder = tmp_path_factory.mktemp("stick") / "kit"
    extra = folder.parent / "说明 1.txt"
    extra.write_text("read me")
    # Interrupted first, when the images are there.
    arguments = ("kit", "make", str(folder), *CHOSEN, "--add", str(extra))
    begun = teacher.start_until(lambda line: '"package: https' in line, *arguments)
    begun.send_signal(signal.SIGINT)
    assert teacher.finish(begun).exit_code == 130
    assert "unfinished" in teacher.run("kit", "verify", str(folder)).expect(1).error["message"]
    world.clear_access_log()
    (report,) = teacher.run(*arguments).expect().of("kit")
    assert report["size"] > report["written"] > 1 << 20
    assert not [request for request in world.access_log() if "/blobs/" in request.path]
    return folder


def make(lab: Lab, folder: Path, *more: str) -> Run:
    """Make a kit for this computer's system and Python."""
    return lab.run("kit", "make", str(folder), *CHOSEN, *more)


def digest(kit: Path) -> str:
    """Return the digest of a kit."""
    return hashlib.sha256((kit / "kit.json").read_bytes()).hexdigest()


def manifest(kit: Path) -> dict[str, Any]:
    """Return what kit.json says."""
    data: dict[str, Any] = json.loads((kit / "kit.json").read_text())
    return data


@contextmanager
def no_network(world: World) -> Iterator[None]:
    """Nothing answers but the nodes: no DNS, no repositories, no registry. No route leads out."""
    routes = subprocess.run(["ip", "route"], check=True, capture_output=True, text=True).stdout
    assert "default" not in routes
    for service in SERVICES:
        world.stop_service(service)
    world.clear_access_log()
    try:
        yield
    finally:
        for service in SERVICES:
            world.start_service(service)


def test_a_kit_has_what_the_lab_names_and_nothing_else(kit: Path) -> None:
    found = manifest(kit)
    assert {
        "docker.io/library/busybox:latest",  # of the checks
        "docker.io/library/busybox:1.35-musl",  # of the course
        "docker.io/library/nginx:1.22",  # of lab.yaml
        "docker.io/library/registry:2",  # of a playbook
        "docker.io/library/alpine:3.18",  # of the lab's own section
    } <= found["images"].keys()
    names = [path.rpartition("/")[2] for path in found["files"]]
    assert "docker-ce-20.10.24-3.el7.x86_64.rpm" in names
    assert "container-selinux-2.119.2-1.911c772.el7_8.noarch.rpm" in names  # a dependency
    assert not [name for name in names if name.startswith(("docker-ce-19", "docker-ce-26", "etcd"))]
    assert {"lab/lab.yaml", "lab/course/greeting.py", "files/说明 1.txt"} <= found["files"].keys()
    assert any(name.startswith("labctl_vagrant-") for name in names)
    assert not [path for path in found["files"] if ".labctl" in path or "login" in path]
    text = (kit / "README.md").read_text()
    assert "pip install --no-index" in text
    assert "labctl up --kit" in text


def test_made_again_it_gets_only_what_changed(world: World, teacher: Lab, kit: Path) -> None:
    before = digest(kit)
    world.clear_access_log()
    add = ("--add", str(kit.parent / "说明 1.txt"))
    (report,) = make(teacher, kit, *add).expect().of("kit")
    assert (report["written"], report["digest"]) == (0, before)
    fetched = [request.path for request in world.access_log() if request.method == "GET"]
    assert not [path for path in fetched if "/blobs/" in path or path.endswith(".rpm")]

    gone = next(path for path in manifest(kit)["files"] if path.endswith(".rpm"))
    size = (kit / gone).stat().st_size
    (kit / gone).unlink()
    (report,) = make(teacher, kit, *add).expect().of("kit")
    assert (report["written"], report["digest"]) == (size, before)


def test_a_full_disk_is_told_and_the_next_run_goes_on(teacher: Lab, tmp_path: Path) -> None:
    disk = tmp_path / "stick"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", disk], check=True)
    try:
        full = make(teacher, disk / "kit", "--no-wheels").expect(1).error
        assert "No space left" in full["message"]
        assert "free space on that disk" in full["hint"]
        assert not (disk / "kit" / "kit.json").exists()
        subprocess.run(["mount", "-o", "remount,size=300m", disk], check=True)
        (report,) = make(teacher, disk / "kit", "--no-wheels").expect().of("kit")
        assert report["written"] < report["size"]
        teacher.run("kit", "verify", str(disk / "kit")).expect()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_verify_finds_each_kind_of_damage(teacher: Lab, kit: Path) -> None:
    files = manifest(kit)["files"]
    (report,) = teacher.run("kit", "verify", str(kit)).expect().of("kit")
    assert report["findings"] == []
    chosen = [next(p for p in files if p.endswith(end)) for end in (".rpm", ".whl", "lab.yaml")]
    for path in chosen:
        flip(kit / path)
    (kit / "more.txt").write_text("x")
    link = kit / "link"
    link.symlink_to("/etc/passwd")
    try:
        (report,) = teacher.run("kit", "verify", str(kit)).expect(1).of("kit")
        seen = {finding["path"] for finding in report["findings"]}
        assert seen == {*chosen, "more.txt", "link"}
    finally:
        for path in chosen:
            flip(kit / path)
        (kit / "more.txt").unlink()
        link.unlink()
    teacher.run("kit", "verify", str(kit), "--digest", digest(kit)).expect()
    other = hashlib.sha256(b"").hexdigest()
    teacher.run("kit", "verify", str(kit), "--digest", other).expect(1)


def flip(file: Path) -> None:
    """Flip a byte in the middle of a file; a second time it is as before."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.fixture(scope="module")
def student(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A student's computer: an empty folder, and labctl from the kit."""
    folder = tmp_path_factory.mktemp("student")
    venv = folder / "labctl"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    # In a network namespace with nothing but an interface that is down.
    done = subprocess.run(
        [
            *("unshare", "--net", venv / "bin" / "pip", "--isolated", "install", "--quiet"),
            *("--no-index", "--find-links", kit / "wheels", "labctl-vagrant"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (folder / "lab").mkdir()
    return Lab(folder / "lab", program=venv / "bin" / "python")


def test_a_lab_comes_up_without_a_network(
    world: World, nodes: dict[str, Node], kit: Path, student: Lab
) -> None:
    with no_network(world):
        up = student.run("up", "--kit", str(kit)).expect()
        assert all(up.result(name)["ok"] for name in nodes)
        assert "packages:engine" in up.changes(FRESH)
        again = student.run("provision").expect()  # the kit is remembered
        assert {name: again.changes(name) for name in nodes} == {name: [] for name in nodes}
        student.run("verify", "--limit", WITH_ENGINE).expect()
        (report,) = student.run("rehearse", *SECTIONS, "--node", FRESH).expect().of("rehearsal")
        assert report["sections"] == list(SECTIONS)
        assert report["passed"] > 25
    assert world.access_log() == []
    # The pinned image is the one of the registry, by its digest.
    pinned = manifest(kit)["images"]["docker.io/library/nginx:1.22"]
    inspect = "docker image inspect --format '{{.RepoDigests}}' nginx:1.22"
    assert pinned in nodes[FRESH].sh(inspect).stdout


def test_it_ends_with_the_command(nodes: dict[str, Node], student: Lab) -> None:
    assert student  # the lab is up
    listening = nodes[FRESH].sh("ss -ltn").stdout
    assert ":5580" not in listening


def test_nodes_pull_as_long_as_it_is_served(
    world: World, nodes: dict[str, Node], kit: Path, student: Lab
) -> None:
    with no_network(world):
        serving = student.start_until(lambda line: '"event": "kit"' in line, "kit", "serve")
        for node in nodes.values():
            node.sh("docker pull redis:5-alpine && docker rmi redis:5-alpine")
        # Another labctl uses the port of the one that serves.
        student.run("verify", "--only", "mirrors").expect()
        nodes[FRESH].reboot()
        answers = f"curl --silent --max-time 5 http://127.0.0.1:5580/digest | grep {digest(kit)}"
        nodes[FRESH].sh(f"for i in $(seq 60); do {answers} && exit; sleep 1; done; exit 1")
        serving.send_signal(signal.SIGINT)
        assert student.finish(serving).exit_code == 0
        assert ":5580" not in nodes[FRESH].sh("ss -ltn").stdout


def test_a_kit_brings_the_box_of_a_virtual_lab(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, kit = tmp_path / "lab", tmp_path / "kit"
    folder.mkdir()
    lab = Lab(folder, {"SSL_CERT_FILE": str(world.authority)})
    lab.write(spec(world, nodes=1, provider="libvirt", playbooks=["repos"]))
    make(lab, kit, "--no-wheels", "--split", "100MiB").expect()
    (box,) = Kit.open(kit).manifest.boxes
    assert (box.name, box.version, box.provider) == ("centos/7", "2004.01", "libvirt")
    assert len(Kit.open(kit).manifest.parts(box.path)) > 1
    before = digest(kit)
    make(lab, kit, "--no-wheels", "--split", "100MiB").expect()
    assert digest(kit) == before
    # A computer whose Vagrant has no box.
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "vagrant"))
    assert vagrant_boxes.find("centos/7", "libvirt") is None
    with no_network(world):
        boxes.add(Kit.open(kit), box, tmp_path)
    found = vagrant_boxes.find("centos/7", "libvirt", "2004.01")
    assert found is not None
    assert {path.name for path in found.folder.iterdir()} >= {"metadata.json", "box.img"}
    assert not list(tmp_path.glob("kit[.-]box*"))


def test_the_room_copies_it_over_tls(teacher: Lab, kit: Path, tmp_path: Path) -> None:
    serving = teacher.start_until(lambda line: '"event": "kit"' in line, "kit", "serve", str(kit))
    url, copy = "https://127.0.0.1:5443", tmp_path / "kit"
    try:
        other = hashlib.sha256(b"").hexdigest()
        teacher.run("kit", "fetch", url, str(copy), "--digest", other).expect(1)
        assert not (copy / "kit.json").exists()
        teacher.run("kit", "fetch", url, str(copy), "--digest", digest(kit)).expect()
        assert teacher.run("kit", "verify", str(copy)).expect().of("kit")[0]["findings"] == []
        assert digest(copy) == digest(kit)
        # Again, with a file that is damaged and one that is missing: only those are copied.
        rpm, wheel = (next(copy.rglob(f"*.{end}")) for end in ("rpm", "whl"))
        flip(rpm)
        wheel.unlink()
        again = teacher.run("kit", "fetch", url, str(copy), "--digest", digest(kit)[:40]).expect()
        assert len(again.of("Notice")) == 2
        teacher.run("kit", "verify", str(copy)).expect()
    finally:
        serving.send_signal(signal.SIGINT)
        assert teacher.finish(serving).exit_code == 0


def test_a_damaged_file_is_not_used(
    world: World, nodes: dict[str, Node], kit: Path, student: Lab
) -> None:
    listed = manifest(kit)["images"]["docker.io/library/busybox:latest"]
    path = f"images/blobs/{listed.replace(':', '/')}"
    nodes[FRESH].sh("docker rmi --force busybox:latest")
    flip(kit / path)
    try:
        with no_network(world):
            failed = student.run("verify", "--only", "mirrors", "--limit", FRESH).expect(1)
    finally:
        flip(kit / path)
    assert any(path in notice["message"] for notice in failed.of("Notice"))
