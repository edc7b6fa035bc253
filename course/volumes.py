"""Volumes: what stays when a container goes.

A container's own files go with it. What is to stay lies in a volume, which the engine keeps, or in
a folder of the node that is lent to the container.
"""

import re

from labctl.exercise import Desk


def test_named_volume(desk: Desk) -> None:
    """a named volume outlives its container, and the next one finds in it what was written"""
    data = desk.volume("data")
    mark = once(desk, f"-v {data}:/data", "sh -c 'cat /proc/sys/kernel/random/uuid | tee /data/it'")
    kept = once(desk, f"-v {data}:/data", "cat /data/it")
    assert kept == mark, f"{data} held “{kept}” instead of “{mark}”"


def test_room(desk: Desk) -> None:
    """a volume takes 32 MB and gives them back unchanged"""
    data = desk.volume("data")
    mount = f"-v {data}:/data"
    write = "dd if=/dev/urandom of=/data/file bs=1M count=32 && sha256sum /data/file"
    written = once(desk, mount, f"sh -c '{write}'")
    read = once(desk, mount, "sha256sum /data/file")
    assert written == read


def test_volume_in_use(desk: Desk) -> None:
    """a volume cannot be removed while a container has it, not even a stopped one"""
    data = desk.volume("data")
    user = desk.container("user", desk.image("busybox"), "true", f"-v {data}:/data")
    refused = desk.run("docker volume rm %s", data, ok=False)
    assert refused.rc != 0, f"{data} could be removed though {user} had it"
    assert "in use" in refused.stderr
    desk.run("docker rm --force %s", user)
    desk.run("docker volume rm %s", data)


def test_volume_of_an_image(desk: Desk) -> None:
    """VOLUME in an image makes a volume without a name, with the image's files; rm -v removes it"""
    image = desk.build("image", {"Dockerfile": dockerfile(desk)})
    first = desk.container("first", image, "sleep 1d")
    volume = volume_of(desk, first)
    assert re.fullmatch("[0-9a-f]{64}", volume), f"no volume of its own at /data, but “{volume}”"
    desk.run("docker exec %s grep seed /data/file", first)
    second = desk.container("second", image, "sleep 1d")
    assert volume_of(desk, second) != volume, "two containers got the same nameless volume"
    desk.run("docker rm --force --volumes %s", first)
    assert not exists(desk, volume), f"{volume} outlived the rm --volumes of its container"


def test_volumes_from(desk: Desk) -> None:
    """--volumes-from lends one container's volumes to another, where they stay"""
    image = desk.build("image", {"Dockerfile": dockerfile(desk)})
    first = desk.container("first", image, "sleep 1d")
    desk.run("docker exec %s sh -c 'echo from the first >/data/file'", first)
    options = f"--volumes-from {first}"
    second = desk.container("second", desk.image("busybox"), "sleep 1d", options)
    desk.run("docker rm --force %s", first)
    desk.run("docker exec %s grep 'from the first' /data/file", second)


def test_bind_mount(desk: Desk) -> None:
    """a folder of the node, lent to a container, is seen from both sides"""
    folder = desk.folder({"from-node": "node\n"})
    lent = desk.container("lent", desk.image("busybox"), "sleep 1d", f"-v {folder}:/shared")
    desk.run("docker exec %s grep node /shared/from-node", lent)
    desk.run("docker exec %s sh -c 'echo container >/shared/from-container'", lent)
    desk.run("grep container %s/from-container", folder)
    desk.run("echo later >>%s/from-node", folder)
    desk.run("docker exec %s grep later /shared/from-node", lent)


def test_read_only(desk: Desk) -> None:
    """what is mounted read-only can be read and not written: :ro, readonly, and --read-only"""
    folder = desk.folder({"file": "node\n"})
    data = desk.volume("data")
    for options, place in (
        (f"-v {folder}:/shared:ro", "/shared"),
        (f"--mount type=volume,source={data},target=/data,readonly", "/data"),
        ("--read-only", "/"),
    ):
        script = f"ls {place} && touch {place}/new"
        result = desk.run(
            f"docker run --rm --label {desk.label} {options} %s sh -c %s",
            *(desk.image("busybox"), script),
            ok=False,
        )
        assert result.rc != 0, f"{place} could be written to with {options}"
        assert "Read-only file system" in result.stderr, f"{options}: {result.stderr}"


def once(desk: Desk, options: str, command: str) -> str:
    """Run a command in a container that is gone afterwards, and return what it said."""
    return desk.out(
        f"docker run --rm --label {desk.label} {options} {desk.image('busybox')} {command}"
    )


def dockerfile(desk: Desk) -> str:
    """Return a Dockerfile with a file at /data, which is a volume."""
    return (
        f"FROM {desk.image('busybox')}\nRUN mkdir -p /data && echo seed >/data/file\nVOLUME /data\n"
    )


def volume_of(desk: Desk, container: str) -> str:
    """Return the name of the volume that a container has at /data."""
    form = '{{range .Mounts}}{{if eq .Destination "/data"}}{{.Name}}{{end}}{{end}}'
    return desk.out("docker inspect --format %s %s", form, container)


def exists(desk: Desk, volume: str) -> bool:
    """Tell whether there is such a volume."""
    return volume in desk.out("docker volume ls --quiet").split()
