"""The resources of the course's playbooks: what they want, what was seen, what they would do."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from labctl.config.image_name import ImageName
from labctl.errors import PlaybookError
from labctl.playbook import (
    ComposeProject,
    Container,
    FetchedImage,
    File,
    FileContent,
    Folder,
    NoSwarm,
    PeerQuery,
    PublishedImage,
    RegistryLogin,
    Store,
    SwarmManager,
    SwarmWorker,
    file_content,
)
from labctl.provision.resources.base import Resource
from labctl.remote.exchange import Observed

ASK = PeerQuery("one", "images", "look")
BOX = Container("box", "busybox", ("--publish", "80:80"), ("httpd", "-f"), ("cert",))
SECRET = File("/k", "key\n", mode="0600", secret=True)
KEY_DIGEST = "a7998f247bd965694ff227fa325c81169a07471a8b6808d3e002a486c4e65975"
LOGIN = RegistryLogin("anna", "one:5000", "student", "it's", ASK)
STORE = Store("one:5000", "student", "pw")
ID, OTHER_ID = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
DIGEST = f"sha256:{'c' * 64}"
NGINX = ImageName.parse("nginx:1.22")
PINNED = ImageName.parse(f"quay.io/a/b:1@{DIGEST}")
MANAGER = SwarmManager("10.0.0.1")
AFTER = (PeerQuery("two", "etcd"), PeerQuery("three", "etcd"), PeerQuery("four", "etcd"))
AMONG_OTHERS = SwarmManager(
    "10.0.0.1", (("10.0.0.2", AFTER[0]), ("10.0.0.3", AFTER[1]), ("10.0.0.4", AFTER[2]))
)
WORKER = SwarmWorker("10.0.0.2", "10.0.0.1", replace(ASK, secret=True))
FILES = (FileContent("a.yml", b"a\n"), FileContent("b/run it.sh", b"\x00", "0755"))
FOLDER = Folder("/srv/app", FILES, "anna")
LISTED = (
    f"{FILES[0].digest} 0644 anna ./a.yml\n{FILES[1].digest} 0755 anna ./b/run it.sh\n"
    "=\na.yml\nb/run it.sh\n"
)
PROJECT = ComposeProject("app", "/srv/app", "d1")

AS_WANTED: list[tuple[Resource, str]] = [
    (BOX, f"running {BOX.digest}\n"),
    (LOGIN, ""),
    (PublishedImage(NGINX, STORE), f"{ID} nginx@{OTHER_ID} \n{ID}\n\n"),
    (PublishedImage(PINNED, STORE), f"{ID} quay.io/a/b@{DIGEST} \n{ID}\n"),
    (FetchedImage(NGINX, STORE, ASK), f"{ID} \n{ID}\n"),
    (MANAGER, "active true 10.0.0.1\n"),
    (WORKER, "active false 10.0.0.2 10.0.0.1:2377 \n"),
    # After `docker node promote` of another node, and of this one.
    (WORKER, "active false 10.0.0.2 10.0.0.3:2377 10.0.0.1:2377 \n"),
    (WORKER, "active true 10.0.0.2 10.0.0.2:2377 10.0.0.1:2377 \n"),
    (NoSwarm(), "inactive\n"),
    (FOLDER, LISTED),
    (PROJECT, "d1\nid1\nid2\n=\nid1 running 0\nid2 exited 0\nid9 exited 1\n"),
]


@pytest.mark.parametrize(("resource", "seen"), AS_WANTED)
def test_as_wanted(resource: Resource, seen: str) -> None:
    assert resource.plan(Observed(0, seen)) is None


CHANGES: list[tuple[Resource, Observed, str]] = [
    (BOX, Observed(1, "Error: No such container: box"), "run the container box"),
    (BOX, Observed(0, f"exited {BOX.digest}\n"), "run the container box again"),
    (BOX, Observed(0, f"restarting {BOX.digest}\n"), "run the container box again"),
    (BOX, Observed(0, "running 12\n"), "replace the container box"),
    (BOX, Observed(0, "running <no value>\n"), "replace the container box"),
    (LOGIN, Observed(1, ""), "log anna in to one:5000"),
    (
        PublishedImage(NGINX, STORE),
        Observed(0, "-\n\n"),
        "nginx:1.22: pull and publish it for the other nodes",
    ),
    (
        PublishedImage(NGINX, STORE),
        Observed(0, f"{ID} \n\n"),
        "nginx:1.22: publish it for the other nodes",
    ),
    (
        PublishedImage(NGINX, STORE),
        Observed(0, f"{ID} \n{OTHER_ID}\n"),
        "nginx:1.22: publish it for the other nodes",
    ),
    (
        PublishedImage(PINNED, STORE),
        Observed(0, f"{ID} quay.io/a/b@{OTHER_ID}\n{ID}\n"),
        "quay.io/a/b:1: pull and publish it for the other nodes",
    ),
    (
        FetchedImage(NGINX, STORE, ASK),
        Observed(0, f"{OTHER_ID} \n{ID}\n"),
        "nginx:1.22: fetch it from one",
    ),
    # A registry that does not answer must not count as success.
    (FetchedImage(NGINX, STORE, ASK), Observed(0, f"{ID} \n\n"), "nginx:1.22: fetch it from one"),
    (MANAGER, Observed(0, "inactive false \n"), "create a swarm at 10.0.0.1"),
    (
        MANAGER,
        Observed(0, "active true 10.0.2.15\n"),
        "leave the old swarm and create a swarm at 10.0.0.1",
    ),
    (WORKER, Observed(0, "inactive false\n"), "join the swarm of 10.0.0.1:2377"),
    (
        WORKER,
        Observed(0, "active false 10.0.0.2 10.0.0.1:2377 \nstranger\n"),
        "make sure to be in the swarm of 10.0.0.1:2377",
    ),
    (
        WORKER,
        Observed(0, "active true 10.0.0.2 10.0.0.2:2377 10.0.0.1:2377 \nstranger\n"),
        "make sure to be in the swarm of 10.0.0.1:2377",
    ),
    (
        WORKER,
        Observed(0, "active true 10.0.0.2 10.0.0.2:2377 \n"),
        "make sure to be in the swarm of 10.0.0.1:2377",
    ),
    (
        WORKER,
        Observed(0, "active false 10.0.2.15 10.0.0.1:2377 \n"),
        "leave the old swarm and join the swarm of 10.0.0.1:2377",
    ),
    (
        NoSwarm(),
        Observed(0, "active\n"),
        "leave the swarm and its services, because etcd and Swarm exclude each other",
    ),
    (FOLDER, Observed(1, ""), "copy 2 files to /srv/app"),
    (FOLDER, Observed(0, LISTED.replace("0755", "0644")), "copy 1 files to /srv/app"),
    (FOLDER, Observed(0, LISTED.replace("anna ./a", "root ./a")), "copy 1 files to /srv/app"),
    (FOLDER, Observed(0, f"{LISTED}old.txt\n"), "copy 0 files to /srv/app"),
    (PROJECT, Observed(0, "=\n"), "bring the project app up"),
    (PROJECT, Observed(0, "d0\nid1\n=\nid1 running 0\n"), "bring the project app up"),
    (PROJECT, Observed(0, "d1\nid1\n=\nid1 exited 137\n"), "bring the project app up"),
    (PROJECT, Observed(0, "d1\nid1\n=\n"), "bring the project app up"),
    (SECRET, Observed(1, ""), "write /k"),
    (SECRET, Observed(0, f"0600 root:root\n{'0' * 64}  -\n"), "update /k"),
]


@pytest.mark.parametrize(("resource", "seen", "summary"), CHANGES)
def test_changes(resource: Resource, seen: Observed, summary: str) -> None:
    change = resource.plan(seen)
    assert change is not None
    assert change.summary == summary


def test_a_stranger_is_looked_at_once_more_before_it_leaves() -> None:
    """The manager's engine may just have been restarting."""
    change = WORKER.plan(Observed(0, "active true 10.0.0.2 10.0.0.1:2377 10.0.0.3:2377 \nstranger"))
    assert change is not None
    before, then, _ = change.script.partition("then exit 0; fi")
    assert then
    assert "--cacert" in before
    assert "swarm leave" not in before


def test_a_demoted_manager_is_promoted_by_the_current_one() -> None:
    """What the swarm has stays in it: nothing is left, and nothing begun."""
    seen = "active false 10.0.0.1 node-id 10.0.0.4:2377 10.0.0.2:2377 10.0.0.9:2377\n"
    change = AMONG_OTHERS.plan(Observed(0, seen))
    assert change is not None
    assert change.summary == "make this node a manager of its swarm again"
    promoting = replace(AFTER[2], script="docker node promote node-id")
    assert change.query == replace(AFTER[0], script=promoting.script, fallback=promoting)
    assert "swarm leave" not in change.script
    assert "swarm init" not in change.script


@pytest.mark.parametrize(
    ("resource", "seen", "why"),
    [
        (AMONG_OTHERS, "active false 10.0.0.1 node-id 10.0.0.9:2377\n", "managed by 10.0.0.9:2377"),
        (MANAGER, "active false 10.0.0.1 node-id 10.0.0.2:2377\n", "managed by 10.0.0.2:2377"),
        (
            AMONG_OTHERS,
            "active false 10.0.2.15 node-id 10.0.0.2:2377\n",
            r"this node \(10.0.2.15\)",
        ),
        (
            AMONG_OTHERS,
            "active true 10.0.2.15 id 10.0.2.15:2377 10.0.0.2:2377\n",
            r"this node \(10.0.2.15\)",
        ),
        (MANAGER, "active false 10.0.0.1 node-id\n", "managed by nobody"),
        (AMONG_OTHERS, "locked false \n", "docker swarm unlock"),
    ],
)
def test_a_swarm_that_cannot_be_managed_from_here_is_not_left(
    resource: Resource, seen: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        resource.plan(Observed(0, seen))


def test_a_manager_is_one_whatever_others_there_are() -> None:
    seen = "active true 10.0.0.1 node-id 10.0.0.1:2377 10.0.0.2:2377\n"
    assert AMONG_OTHERS.plan(Observed(0, seen)) is None


def test_what_was_run_once_is_no_part_of_a_project() -> None:
    """`docker-compose run` leaves a container with the project's label, and any exit code."""
    change = PROJECT.plan(Observed(0, "=\n"))
    assert change is not None
    for script in (PROJECT.probe(), change.script):
        lists = [part for part in script.replace("\\\n", "").splitlines() if "docker ps" in part]
        assert lists
        assert all("--filter label=com.docker.compose.oneoff=False" in line for line in lists)


def test_a_secret_file_shows_nothing_and_is_known_by_its_digest() -> None:
    change = SECRET.plan(Observed(1, ""))
    assert change is not None
    assert "key" not in change.diff
    assert "cat" not in SECRET.probe()
    assert SECRET.plan(Observed(0, f"0600 root:root\n{KEY_DIGEST}  -\n")) is None


def test_secrets_are_in_no_summary_and_no_repr() -> None:
    for resource in (LOGIN, PublishedImage(NGINX, STORE), FetchedImage(NGINX, STORE, ASK)):
        change = resource.plan(Observed(1, ""))
        assert change is not None
        shown = f"{resource.id} {resource!r} {change.summary} {change.diff}"
        assert "it's" not in shown
        assert "'pw'" not in shown


@pytest.mark.parametrize("resource", [MANAGER, WORKER])
def test_an_engine_that_does_not_answer_is_reported(resource: Resource) -> None:
    with pytest.raises(ValueError, match="the engine does not answer: Cannot connect"):
        resource.plan(Observed(1, "Cannot connect to the Docker daemon\n"))


@pytest.mark.parametrize(
    "other",
    [
        replace(BOX, image="busybox:1"),
        replace(BOX, options=()),
        replace(BOX, command=("httpd",)),
        replace(BOX, reads=("another",)),
    ],
)
def test_whatever_a_container_is_made_of_counts(other: Container) -> None:
    assert other.digest != BOX.digest
    assert other.plan(Observed(0, f"running {BOX.digest}\n")) is not None


def test_how_to_know_that_it_answers_does_not_count() -> None:
    assert replace(BOX, ready="true").digest == BOX.digest


@pytest.mark.parametrize(
    ("text", "local", "source", "path"),
    [
        ("nginx", "nginx:latest", "nginx:latest", "labctl/nginx"),
        ("nginx:1.22", "nginx:1.22", "nginx:1.22", "labctl/nginx"),
        ("a/b@sha256:12", "a/b:latest", "a/b@sha256:12", "labctl/a/b"),
        ("a/b:1@sha256:12", "a/b:1", "a/b@sha256:12", "labctl/a/b"),
        ("quay.io/a/b:1", "quay.io/a/b:1", "quay.io/a/b:1", "labctl/quay.io/a/b"),
        ("Host:5000/b", "Host:5000/b:latest", "Host:5000/b:latest", "labctl/host-5000/b"),
    ],
)
def test_names_of_images(text: str, local: str, source: str, path: str) -> None:
    name = ImageName.parse(text)
    assert (name.local, name.source, name.path) == (local, source, path)


def test_the_login_is_looked_for_as_docker_writes_it() -> None:
    auth = base64.b64encode(b"student:it's").decode()
    assert f'"one:5000":{{"auth":"{auth}"}}' in LOGIN.probe()


def test_a_folder_is_read_with_its_modes(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run it.sh").write_bytes(b"\x00")
    (tmp_path / "b" / "run it.sh").chmod(0o755)
    (tmp_path / "a.yml").write_bytes(b"a\n")
    assert file_content(tmp_path) == FILES


@pytest.mark.parametrize("what", ["none", "large", "name", "pipe"])
def test_a_folder_that_cannot_be_carried_is_refused(tmp_path: Path, what: str) -> None:
    import os

    folder = tmp_path / "f"
    if what != "none":
        folder.mkdir()
    if what == "large":
        (folder / "a").write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    if what == "name":
        (folder / "a\nb").write_bytes(b"")
    if what == "pipe":
        os.mkfifo(folder / "a")
    with pytest.raises(PlaybookError):
        file_content(folder)
