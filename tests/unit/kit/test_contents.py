"""What a kit contains is derived from the lab, and never listed by hand."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from labctl.config.image_name import ImageName
from labctl.config.packaged import packaged
from labctl.errors import KitError, UsageError
from labctl.kit.folder import Kit
from labctl.kit.writer import KitWriter
from labctl.lab.class_images import listed_images
from labctl.lab.kit_contents import contents
from labctl.lab.kit_files import lab_files, unpack
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace

PLAY = """
from labctl.playbook import (Download, Package, Packages, RepositorySection, SigningKey,
                             repository_file)

def play(play):
    key = SigningKey("epel", "https://example.org/EPEL", "F" * 40)
    yield key
    yield repository_file("epel", (RepositorySection(
        "epel", "EPEL", "https://example.org/epel/$releasever/$basearch"),), key)
    broken = play.choose("own.question", "true", lambda seen: seen.output.split())
    yield Packages((Package("htop", "2.2"), *map(Package, broken)))
    yield Download("https://example.org/tool?x=1", "/usr/local/bin/tool", "a" * 64)

def pulled_images(lab):
    yield "own/image:1"
"""
VERIFY = 'IMAGES = ("alpine:3.18",)\n'


def lab_in(folder: Path, text: str) -> Lab:
    """Open a lab with that lab.yaml."""
    (folder / "lab.yaml").write_text(text, "utf-8")
    workspace = Workspace.at(folder, folder / ".labctl")
    return Lab.open(workspace, {}, emit=lambda _: None, read_only=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    folder.mkdir()
    return folder


def test_the_usual_lab(folder: Path) -> None:
    found = contents(lab_in(folder, "nodes: 2\n"))
    packages = {package.name: package.version for package in found.packages}
    assert packages["docker-ce"] == "19.03.9-3.el7"
    assert "docker-compose-plugin" not in packages
    assert found.files["compose/1.25.5/docker-compose-Linux-x86_64"][1].startswith("1cb7ecccc1")
    assert found.files["keys/labctl-docker"][0] == "https://download.docker.com/linux/centos/gpg"
    places = {one.path: one.baseurl for one in found.repositories.values()}
    assert places == {
        "docker": "https://download.docker.com/linux/centos/7/x86_64/stable",
        **{
            f"centos/{name}/x86_64": f"https://vault.centos.org/7.9.2009/{name}/x86_64"
            for name in ("os", "updates", "extras")
        },
    }
    names = {image.source for image in found.images}
    assert {"busybox:latest", "busybox:1.35-musl", "nginx:1.18-alpine"} <= names
    assert "registry:2" not in names
    assert not (folder / ".labctl").exists()


def test_what_lab_yaml_chooses(folder: Path) -> None:
    text = (
        "nodes: [{name: a}, {name: b}]\ntoolchain: latest-el7\n"
        "playbooks: [repos, hosts, engine, mirrors, compose, registry, images, overlay]\n"
        "images: [quay.io/a/b:1]\nsources: {vault: {baseurl: 'https://mirror.example/v'}}\n"
    )
    found = contents(lab_in(folder, text))
    names = {package.name for package in found.packages}
    assert {"docker-compose-plugin", "docker-buildx-plugin"} <= names
    assert not [path for path in found.files if path.startswith("compose/")]
    assert "https://mirror.example/v/os/$basearch" in found.repositories
    assert {ImageName.parse("quay.io/a/b:1"), ImageName.parse("registry:2")} <= set(found.images)


def test_what_a_playbook_of_the_lab_downloads(folder: Path) -> None:
    own = folder / "playbooks" / "own"
    own.mkdir(parents=True)
    (own / "play.py").write_text(PLAY)
    (own / "verify.py").write_text(VERIFY)
    found = contents(lab_in(folder, "nodes: 1\nplaybooks: [repos, own]\n"))
    assert {package.nevr for package in found.packages} == {"htop-2.2"}
    assert found.files["keys/epel"] == ("https://example.org/EPEL", "")
    (download,) = [path for path in found.files if path.startswith("downloads/")]
    assert download == f"downloads/{'a' * 16}/tool-x-1"
    place = found.repositories["https://example.org/epel/$releasever/$basearch"]
    assert place.baseurl == "https://example.org/epel/7/x86_64"
    assert {"own/image:1", "alpine:3.18"} <= {image.source for image in found.images}


def test_the_application_names_its_images_in_its_own_files(folder: Path) -> None:
    app = folder / "app"
    app.mkdir()
    (app / ".env").write_text("REDIS=redis:7\n")
    (app / "docker-compose.yml").write_text(
        "services:\n  a:\n    image: ${REDIS}\n  b:\n    image: ${X:-nginx:1.22} # web\n"
        "  c:\n    build: web\n  d:\n    image: 'own/quoted:1'\n"
    )
    (app / "web").mkdir()
    (app / "web" / "Dockerfile").write_text(
        "ARG BASE=python:3.8-alpine\nFROM $BASE AS build\nFROM --platform=linux/amd64 alpine:3.18\n"
        "COPY --from=build / /\nFROM scratch\nfrom build\n"
    )
    text = "nodes: 1\nplaybooks: [repos, engine, compose-app]\ncompose_app: {folder: app}\n"
    found = {image.source for image in contents(lab_in(folder, text)).images}
    assert {"redis:7", "nginx:1.22", "own/quoted:1", "python:3.8-alpine", "alpine:3.18"} <= found
    assert not found & {"build:latest", "scratch:latest"}


def test_a_name_that_is_no_image_is_an_error(folder: Path) -> None:
    (folder / "course").mkdir()
    (folder / "course" / "own.py").write_text('IMAGES = ("no image",)\ndef test_x(): pass\n')
    with pytest.raises(UsageError, match=r"own\.py"):
        contents(lab_in(folder, "nodes: 1\n"))


@pytest.mark.parametrize(
    "file", sorted(packaged("playbooks").glob("*/verify.py")), ids=lambda file: file.parent.name
)
def test_checks_list_every_image_that_they_pull(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    commands = " ".join(text for text in texts if isinstance(text, str) and text != "busybox")
    used = re.findall(r"\b(?:busybox|alpine|nginx|redis|hello-world)\b", commands)
    # hub_cache reads a manifest that the course's images bring.
    listed = (*listed_images(file), *(("busybox",) if file.parent.name == "hub_cache" else ()))
    assert set(used) <= set(listed)


# -- the lab's files


def kit_of(lab: Lab, place: Path) -> Kit:
    """Make a kit of a lab's files alone."""
    with KitWriter(place) as kit:
        for path, file in lab_files(lab, place):
            kit.copy(path, file)
        kit.finish(lab.name, "0.1.0")
    return Kit.open(place)


def test_a_labs_files_come_along_but_no_secrets(folder: Path, tmp_path: Path) -> None:
    for path in (
        *("course/own.py", "course/__pycache__/own.pyc", "playbooks/own/play.py", "data/a.txt"),
        *("app/docker-compose.yml", "id_rsa", "app/.labctl/ca.pem", "notes.txt", ".git/x"),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x: 1\n")
    text = (
        "machines: [{name: pc1, host: 10.0.0.1, key: id_rsa}]\nplaybooks: [repos]\n"
        "compose_app: {folder: app}\nkit: stick\n"
    )
    kit = kit_of(lab_in(folder, text), folder / "stick")
    assert set(kit.manifest.files) == {
        "lab/lab.yaml",
        "lab/course/own.py",
        "lab/playbooks/own/play.py",
        "lab/app/docker-compose.yml",
    }
    goal = tmp_path / "student"
    goal.mkdir()
    assert unpack(kit, goal) == 4
    assert (goal / "app/docker-compose.yml").read_text() == "x: 1\n"
    assert unpack(kit, goal) == 0
    (goal / "lab.yaml").write_text("mine")
    with pytest.raises(KitError, match="is not the kit's"):
        unpack(kit, goal)
    assert (goal / "lab.yaml").read_text() == "mine"


def test_nothing_is_copied_from_a_damaged_kit(folder: Path, tmp_path: Path) -> None:
    (folder / "course").mkdir()
    (folder / "course" / "own.py").write_text("x = 1\n")
    kit = kit_of(lab_in(folder, "nodes: 1\n"), tmp_path / "kit")
    (kit.folder / "lab" / "lab.yaml").write_text("nodes: 9\n")
    goal = tmp_path / "student"
    goal.mkdir()
    with pytest.raises(KitError, match="cannot be used"):
        unpack(kit, goal)
    assert list(goal.iterdir()) == []


def test_a_link_to_a_folder_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "course").mkdir()
    (folder / "course" / "more").symlink_to(tmp_path)
    with pytest.raises(KitError, match="is a link"):
        list(lab_files(lab_in(folder, "nodes: 1\n"), tmp_path / "kit"))
