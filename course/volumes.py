"""Volumes: data that outlives a container.

A container's own files are removed with it. Data that should stay is in a volume, which the engine
keeps, or in a folder of the node that is mounted in the container.
"""

import re

from labctl.exercise import HEAL, Sandbox, msg, on_failure


@on_failure("a volume does not keep its data", fix=HEAL)
def test_named_volume(sandbox: Sandbox) -> None:
    """a named volume outlives its container, and the next container reads its data"""
    data = sandbox.volume("data")
    mark = once(
        sandbox, f"-v {data}:/data", "sh -c 'cat /proc/sys/kernel/random/uuid | tee /data/it'"
    )
    kept = once(sandbox, f"-v {data}:/data", "cat /data/it")
    assert kept == mark, msg(
        "{volume} contained “{kept}” instead of “{written}”", volume=data, kept=kept, written=mark
    )


@on_failure("a volume cannot store 32 MB unchanged", fix=HEAL)
def test_room(sandbox: Sandbox) -> None:
    """a volume stores 32 MB and returns them unchanged"""
    data = sandbox.volume("data")
    mount = f"-v {data}:/data"
    write = "dd if=/dev/urandom of=/data/file bs=1M count=32 && sha256sum /data/file"
    written = once(sandbox, mount, f"sh -c '{write}'")
    read = once(sandbox, mount, "sha256sum /data/file")
    assert written == read


@on_failure("a volume in use can be removed", fix=HEAL)
def test_volume_in_use(sandbox: Sandbox) -> None:
    """a volume cannot be removed while a container uses it, even a stopped one"""
    data = sandbox.volume("data")
    user = sandbox.container("user", sandbox.image("busybox"), "true", f"-v {data}:/data")
    refused = sandbox.run("docker volume rm %s", data, ok=False)
    assert refused.rc != 0, msg(
        "{data} could be removed although {user} uses it", data=data, user=user
    )
    assert "in use" in refused.stderr
    sandbox.run("docker rm --force %s", user)
    sandbox.run("docker volume rm %s", data)


@on_failure("the volume of an image is not created or not removed", fix=HEAL)
def test_volume_of_an_image(sandbox: Sandbox) -> None:
    """VOLUME creates an anonymous volume with the image's files, and rm -v removes it"""
    image = sandbox.build("image", {"Dockerfile": dockerfile(sandbox)})
    first = sandbox.container("first", image, "sleep 1d")
    volume = volume_of(sandbox, first)
    assert re.fullmatch("[0-9a-f]{64}", volume), msg(
        "no anonymous volume at /data, but “{volume}”", volume=volume
    )
    sandbox.run("docker exec %s grep seed /data/file", first)
    second = sandbox.container("second", image, "sleep 1d")
    assert volume_of(sandbox, second) != volume, "two containers got the same anonymous volume"
    sandbox.run("docker rm --force --volumes %s", first)
    assert not exists(sandbox, volume), msg(
        "{volume} still exists after rm --volumes of its container", volume=volume
    )


@on_failure("--volumes-from has no effect", fix=HEAL)
def test_volumes_from(sandbox: Sandbox) -> None:
    """--volumes-from shares a container's volumes with another, and they outlive the first"""
    image = sandbox.build("image", {"Dockerfile": dockerfile(sandbox)})
    first = sandbox.container("first", image, "sleep 1d")
    sandbox.run("docker exec %s sh -c 'echo from the first >/data/file'", first)
    options = f"--volumes-from {first}"
    second = sandbox.container("second", sandbox.image("busybox"), "sleep 1d", options)
    sandbox.run("docker rm --force %s", first)
    sandbox.run("docker exec %s grep 'from the first' /data/file", second)


@on_failure("a folder of the node cannot be shared with a container", fix=HEAL)
def test_bind_mount(sandbox: Sandbox) -> None:
    """a folder of the node, mounted in a container, is shared in both directions"""
    folder = sandbox.folder({"from-node": "node\n"})
    lent = sandbox.container("lent", sandbox.image("busybox"), "sleep 1d", f"-v {folder}:/shared")
    sandbox.run("docker exec %s grep node /shared/from-node", lent)
    sandbox.run("docker exec %s sh -c 'echo container >/shared/from-container'", lent)
    sandbox.run("grep container %s/from-container", folder)
    sandbox.run("echo later >>%s/from-node", folder)
    sandbox.run("docker exec %s grep later /shared/from-node", lent)


@on_failure("read-only mounts can be written", fix=HEAL)
def test_read_only(sandbox: Sandbox) -> None:
    """read-only mounts can be read but not written: :ro, readonly and --read-only"""
    folder = sandbox.folder({"file": "node\n"})
    data = sandbox.volume("data")
    for options, place in (
        (f"-v {folder}:/shared:ro", "/shared"),
        (f"--mount type=volume,source={data},target=/data,readonly", "/data"),
        ("--read-only", "/"),
    ):
        script = f"ls {place} && touch {place}/new"
        result = sandbox.run(
            f"docker run --rm --label {sandbox.label} {options} %s sh -c %s",
            *(sandbox.image("busybox"), script),
            ok=False,
        )
        assert result.rc != 0, msg(
            "{place} was writable with {options}", place=place, options=options
        )
        assert "Read-only file system" in result.stderr, msg(
            "{what}: {why}", what=options, why=result.stderr
        )


def once(sandbox: Sandbox, options: str, command: str) -> str:
    """Run a command in a container, remove the container, and return the output."""
    return sandbox.out(
        f"docker run --rm --label {sandbox.label} {options} {sandbox.image('busybox')} {command}"
    )


def dockerfile(sandbox: Sandbox) -> str:
    """Return a Dockerfile with a volume at /data that has a file."""
    steps = "RUN mkdir -p /data && echo seed >/data/file\nVOLUME /data\n"
    return f"FROM {sandbox.image('busybox')}\n{steps}"


def volume_of(sandbox: Sandbox, container: str) -> str:
    """Return the name of a container's volume at /data."""
    form = '{{range .Mounts}}{{if eq .Destination "/data"}}{{.Name}}{{end}}{{end}}'
    return sandbox.out("docker inspect --format %s %s", form, container)


def exists(sandbox: Sandbox, volume: str) -> bool:
    """Return True if a volume exists."""
    return volume in sandbox.out("docker volume ls --quiet").split()
