"""Images: how to pull, build, inspect and distribute them."""

import json

import pytest

from labctl.exercise import HEAL, Peers, Sandbox, Wanted, msg, on_failure

DOCKERFILE = """\
FROM {image}
RUN echo built >/how
CMD ["cat", "/how"]
"""


@on_failure("images cannot be pulled", fix="labctl provision --refresh")
def test_pull(sandbox: Sandbox) -> None:
    """an image can be pulled"""
    image = sandbox.images["busybox"]
    answer = sandbox.run("docker pull %s", sandbox.image("busybox"), ok=False)
    assert answer.rc == 0, msg(
        "{image} cannot be pulled: {stderr} (without Internet access, see course/images.toml)",
        image=image,
        stderr=answer.stderr.strip()[-400:],
    )
    assert sandbox.out("docker run --rm --label %s %s echo hello", sandbox.label, image) == "hello"


@on_failure("images cannot be built", fix=HEAL)
def test_build(sandbox: Sandbox) -> None:
    """an image can be built and run"""
    image = sandbox.build(
        "built", {"Dockerfile": DOCKERFILE.format(image=sandbox.image("busybox"))}
    )
    assert sandbox.out("docker run --rm --label %s %s", sandbox.label, image) == "built"


@on_failure("images do not share their layers", fix=HEAL)
def test_layers_are_shared(sandbox: Sandbox) -> None:
    """two images with the same first steps share those layers"""
    base = sandbox.image("busybox")
    one = sandbox.build("one", {"Dockerfile": f"FROM {base}\nRUN echo 1 >/one\n"})
    two = sandbox.build("two", {"Dockerfile": f"FROM {base}\nRUN echo 2 >/two\n"})
    shared = layers(sandbox, base)
    assert layers(sandbox, one)[: len(shared)] == layers(sandbox, two)[: len(shared)] == shared
    (own_of_one,), (own_of_two,) = (
        layers(sandbox, one)[len(shared) :],
        layers(sandbox, two)[len(shared) :],
    )
    assert own_of_one != own_of_two


@on_failure("docker history does not show how an image was built", fix=HEAL)
def test_history(sandbox: Sandbox) -> None:
    """an image's history shows how it was built"""
    image = sandbox.build(
        "history", {"Dockerfile": DOCKERFILE.format(image=sandbox.image("busybox"))}
    )
    history = sandbox.out("docker history --no-trunc --format '{{.CreatedBy}}' %s", image)
    assert "echo built >/how" in history
    assert 'CMD ["cat" "/how"]' in history


@on_failure("docker commit does not work", fix=HEAL)
def test_commit(sandbox: Sandbox) -> None:
    """commit turns a container's changes into an image"""
    name = sandbox.name("changed")
    sandbox.run(
        "docker run --name %s --label %s %s sh -c 'echo changed >/note'",
        *(name, sandbox.label, sandbox.image("busybox")),
    )
    assert sandbox.out("docker diff %s", name) == "A /note"
    image = sandbox.name("committed")
    sandbox.run("docker commit --message 'a note' %s %s", name, image)
    assert sandbox.out("docker run --rm --label %s %s cat /note", sandbox.label, image) == "changed"


@on_failure("docker tag does not work", fix=HEAL)
def test_tag(sandbox: Sandbox) -> None:
    """a tag is another name of an image; removing it keeps the image"""
    image = sandbox.build(
        "first", {"Dockerfile": DOCKERFILE.format(image=sandbox.image("busybox"))}
    )
    other = f"{sandbox.name('second')}:1.0"
    sandbox.run("docker tag %s %s", image, other)
    assert identity(sandbox, other) == identity(sandbox, image)
    assert "Untagged" in sandbox.out("docker rmi %s", other)
    assert sandbox.out("docker run --rm --label %s %s", sandbox.label, image) == "built"


@on_failure("docker save and load do not work", fix=HEAL)
def test_save_and_load(sandbox: Sandbox) -> None:
    """save writes an image to a file, and load restores the same image"""
    image = sandbox.build("kept", {"Dockerfile": DOCKERFILE.format(image=sandbox.image("busybox"))})
    before = identity(sandbox, image)
    file = f"{sandbox.folder({})}/image.tar"
    sandbox.run("docker save --output %s %s", file, image)
    sandbox.run("docker rmi %s", image)
    assert image in sandbox.out("docker load --input %s", file)
    assert identity(sandbox, image) == before
    assert sandbox.out("docker run --rm --label %s %s", sandbox.label, image) == "built"


@on_failure("docker export and import do not work", fix=HEAL)
def test_export_and_import(sandbox: Sandbox) -> None:
    """export and import produce an image of one layer without a CMD"""
    image = sandbox.build(
        "whole", {"Dockerfile": DOCKERFILE.format(image=sandbox.image("busybox"))}
    )
    name = sandbox.name("exported")
    sandbox.run("docker create --name %s --label %s %s", name, sandbox.label, image)
    flat = sandbox.name("flat")
    sandbox.run("docker export %s | docker import - %s", name, flat)
    assert len(layers(sandbox, flat)) == 1
    assert sandbox.out("docker image inspect --format '{{json .Config.Cmd}}' %s", flat) == "null"
    assert sandbox.out("docker run --rm --label %s %s cat /how", sandbox.label, flat) == "built"


@on_failure("an image does not get to another node by the lab's registry")
def test_private_registry(sandbox: Sandbox, wanted: Wanted, peers: Peers) -> None:
    """an image pushed to the private registry can be pulled on another node"""
    if "registry" not in wanted:
        pytest.skip("the lab has no private registry; add `registry` to the playbooks of lab.yaml")
    if not peers:
        pytest.skip("the lab has only one node, so no other node can pull")
    image = sandbox.build("sent", {"Dockerfile": DOCKERFILE.format(image=sandbox.image("busybox"))})
    # Each node uses one name in all rehearsals, so that the registry does not fill up.
    remote = f"{wanted['registry']['address']}/rehearsal:{wanted['name']}"
    sandbox.run("docker tag %s %s", image, remote)
    sandbox.run("docker push %s", remote)
    other = sandbox.on(next(iter(peers)))
    other.run("docker pull --quiet %s", remote)
    assert identity(other, remote) == identity(sandbox, image)
    assert other.out("docker run --rm --label %s %s", other.label, remote) == "built"


def layers(sandbox: Sandbox, image: str) -> list[str]:
    """Return the digests of an image's layers, lowest first."""
    digests: list[str] = json.loads(
        sandbox.out("docker image inspect --format '{{json .RootFS.Layers}}' %s", image)
    )
    return digests


def identity(sandbox: Sandbox, image: str) -> str:
    """Return an image's ID."""
    return sandbox.out("docker image inspect --format '{{.Id}}' %s", image)
