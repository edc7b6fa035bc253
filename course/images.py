"""Images: where they come from, what they are made of, and the ways to hand them on."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from labctl.exercise import Desk

DOCKERFILE = """\
FROM {image}
RUN echo built >/how
CMD ["cat", "/how"]
"""


def test_pull(desk: Desk) -> None:
    """an image can be pulled"""
    image = desk.images["busybox"]
    answer = desk.run("docker pull %s", desk.image("busybox"), ok=False)
    assert answer.rc == 0, (
        f"{image} cannot be pulled: {answer.stderr.strip()[-400:]} "
        "(without the Internet: see course/images.toml)"
    )
    assert desk.out("docker run --rm --label %s %s echo hello", desk.label, image) == "hello"


def test_build(desk: Desk) -> None:
    """an image can be built, and a container of it does what was built"""
    image = desk.build("built", {"Dockerfile": DOCKERFILE.format(image=desk.image("busybox"))})
    assert desk.out("docker run --rm --label %s %s", desk.label, image) == "built"


def test_layers_are_shared(desk: Desk) -> None:
    """two images that begin alike share the layers of that beginning"""
    base = desk.image("busybox")
    one = desk.build("one", {"Dockerfile": f"FROM {base}\nRUN echo 1 >/one\n"})
    two = desk.build("two", {"Dockerfile": f"FROM {base}\nRUN echo 2 >/two\n"})
    shared = layers(desk, base)
    assert layers(desk, one)[: len(shared)] == layers(desk, two)[: len(shared)] == shared
    (own_of_one,), (own_of_two,) = (
        layers(desk, one)[len(shared) :],
        layers(desk, two)[len(shared) :],
    )
    assert own_of_one != own_of_two


def test_history(desk: Desk) -> None:
    """an image's history tells how it was built"""
    image = desk.build("told", {"Dockerfile": DOCKERFILE.format(image=desk.image("busybox"))})
    history = desk.out("docker history --no-trunc --format '{{.CreatedBy}}' %s", image)
    assert "echo built >/how" in history
    assert 'CMD ["cat" "/how"]' in history


def test_commit(desk: Desk) -> None:
    """what a container changed becomes an image by commit"""
    name = desk.name("changed")
    desk.run(
        "docker run --name %s --label %s %s sh -c 'echo changed >/note'",
        *(name, desk.label, desk.image("busybox")),
    )
    assert desk.out("docker diff %s", name) == "A /note"
    image = desk.name("committed")
    desk.run("docker commit --message 'a note' %s %s", name, image)
    assert desk.out("docker run --rm --label %s %s cat /note", desk.label, image) == "changed"


def test_tag(desk: Desk) -> None:
    """a tag is one more name of an image, and goes without the image"""
    image = desk.build("first", {"Dockerfile": DOCKERFILE.format(image=desk.image("busybox"))})
    other = f"{desk.name('second')}:1.0"
    desk.run("docker tag %s %s", image, other)
    assert identity(desk, other) == identity(desk, image)
    assert "Untagged" in desk.out("docker rmi %s", other)
    assert desk.out("docker run --rm --label %s %s", desk.label, image) == "built"


def test_save_and_load(desk: Desk) -> None:
    """an image goes into a file, and comes back out of it as the same"""
    image = desk.build("kept", {"Dockerfile": DOCKERFILE.format(image=desk.image("busybox"))})
    before = identity(desk, image)
    file = f"{desk.folder({})}/image.tar"
    desk.run("docker save --output %s %s", file, image)
    desk.run("docker rmi %s", image)
    assert image in desk.out("docker load --input %s", file)
    assert identity(desk, image) == before
    assert desk.out("docker run --rm --label %s %s", desk.label, image) == "built"


def test_export_and_import(desk: Desk) -> None:
    """a container's files become an image of one layer, which has lost its CMD"""
    image = desk.build("whole", {"Dockerfile": DOCKERFILE.format(image=desk.image("busybox"))})
    name = desk.name("exported")
    desk.run("docker create --name %s --label %s %s", name, desk.label, image)
    flat = desk.name("flat")
    desk.run("docker export %s | docker import - %s", name, flat)
    assert len(layers(desk, flat)) == 1
    assert desk.out("docker image inspect --format '{{json .Config.Cmd}}' %s", flat) == "null"
    assert desk.out("docker run --rm --label %s %s cat /how", desk.label, flat) == "built"


def test_private_registry(desk: Desk, wanted: dict[str, Any], peers: Mapping[str, Any]) -> None:
    """an image pushed to the private registry can be pulled on another node"""
    if "registry" not in wanted:
        pytest.skip("the lab has no private registry; add `registry` to the playbooks of lab.yaml")
    if not peers:
        pytest.skip("the lab has one node, so there is no other to pull on")
    image = desk.build("sent", {"Dockerfile": DOCKERFILE.format(image=desk.image("busybox"))})
    # One name a node, the same in each rehearsal: so the registry does not fill up.
    remote = f"{wanted['registry']['address']}/rehearsal:{wanted['name']}"
    desk.run("docker tag %s %s", image, remote)
    desk.run("docker push %s", remote)
    other = desk.on(next(iter(peers)))
    other.run("docker pull --quiet %s", remote)
    assert identity(other, remote) == identity(desk, image)
    assert other.out("docker run --rm --label %s %s", other.label, remote) == "built"


def layers(desk: Desk, image: str) -> list[str]:
    """Return the digests of an image's layers, the lowest first."""
    digests: list[str] = json.loads(
        desk.out("docker image inspect --format '{{json .RootFS.Layers}}' %s", image)
    )
    return digests


def identity(desk: Desk, image: str) -> str:
    """Return an image's ID."""
    return desk.out("docker image inspect --format '{{.Id}}' %s", image)
