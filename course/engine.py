"""The engine: the client, the API that it speaks, the daemon, and containerd below it."""

import json
from typing import Any

from labctl.exercise import Desk

SLEEP = "sleep 600"


def test_client_reaches_the_daemon_without_sudo(desk: Desk, wanted: dict[str, Any]) -> None:
    """the lab's user reaches the daemon with the client, without sudo"""
    answer = desk.run("docker version --format '{{.Client.Version}} {{.Server.Version}}'", ok=False)
    groups = desk.out("id -nG").split()
    assert "permission denied" not in answer.stderr, (
        f"the daemon turned {wanted['user']} away, who is in the groups {', '.join(groups)}, "
        "and would have to be in the group docker"
    )
    assert answer.rc == 0, f"the daemon does not answer the client: {answer.stderr.strip()}"
    client, server = answer.stdout.split()
    assert client
    assert server


def test_api_answers_over_the_socket(desk: Desk) -> None:
    """the REST API answers over the socket, with what the client shows"""
    name = desk.container("api", desk.image("busybox"), SLEEP)
    assert desk.api("GET", "/_ping").body.strip() == "OK"
    version = desk.api("GET", "/version").json()
    assert version["Version"] == desk.out("docker version --format '{{.Server.Version}}'")
    containers = desk.api("GET", "/containers/json").json()
    assert f"/{name}" in [one for container in containers for one in container["Names"]]


def test_api_starts_a_container(desk: Desk) -> None:
    """a container can be made and started by the API alone"""
    wish = {
        "Image": desk.image("busybox"),
        "Cmd": ["echo", "from the API"],
        "Labels": dict([desk.label.split("=")]),
    }
    name = desk.name("made")
    made = desk.api("POST", f"/containers/create?name={name}", wish).json()
    assert desk.api("POST", f"/containers/{made['Id']}/start").status == 204
    desk.run("docker wait %s", name)
    assert desk.out("docker logs %s", name) == "from the API"


def test_daemon_comes_back_after_a_boot(desk: Desk) -> None:
    """the daemon runs, and is started at boot"""
    for unit in ("containerd", "docker"):
        service = desk.host.service(unit)
        assert service.is_running, f"the service {unit} does not run"
    assert desk.host.service("docker").is_enabled, (
        "the service docker is disabled: the node would have no daemon after its next boot"
    )


def test_daemon_describes_itself(desk: Desk) -> None:
    """the daemon knows how it stores images, and counts its containers"""
    driver = info(desk)["Driver"]
    assert driver in ("overlay2", "overlayfs"), (
        f"images are stored by {driver}, which is slow, or gone from newer engines"
    )
    name = desk.container("counted", desk.image("busybox"), SLEEP)
    assert desk.out("docker ps --quiet --filter name=%s", name), "docker ps does not show it"
    assert info(desk)["ContainersRunning"] >= 1


def test_daemon_tells_what_happens(desk: Desk) -> None:
    """the daemon's events tell the life of a container"""
    image = desk.image("busybox")
    name = desk.name("told")
    since = desk.out("date +%s")
    desk.run("docker run --rm --name %s --label %s %s true", name, desk.label, image)
    seen = desk.out(
        "docker events --since %s --until $(($(date +%%s) + 1)) --filter container=%s "
        "--format '{{.Action}}'",
        *(since, name),
    )
    missing = {"create", "start", "die", "destroy"} - set(seen.split())
    assert not missing, f"the events lack {', '.join(sorted(missing))}: {seen.split()}"


def test_containerd_runs_what_docker_starts(desk: Desk) -> None:
    """containerd answers, and has the container that docker started"""
    name = desk.container("below", desk.image("busybox"), SLEEP)
    identity = desk.out("docker inspect --format '{{.Id}}' %s", name)
    with desk.host.sudo():  # its socket is root's
        answer = desk.run("ctr --namespace moby tasks list", ok=False)
    assert answer.rc == 0, f"containerd does not answer on its socket: {answer.stderr.strip()}"
    assert identity in answer.stdout, f"containerd does not know docker's container {identity[:12]}"


def test_a_shim_holds_the_container(desk: Desk) -> None:
    """a container is a process of the node, held by containerd's shim and not by the daemon"""
    name = desk.container("held", desk.image("busybox"), SLEEP)
    process = desk.out("docker inspect --format '{{.State.Pid}}' %s", name)
    assert desk.out("tr '\\0' ' ' </proc/%s/cmdline", process) == SLEEP
    parent = desk.out("sed -n 's/^PPid:[[:space:]]*//p' /proc/%s/status", process)
    assert desk.out("cat /proc/%s/comm", parent).startswith("containerd-shim")


def info(desk: Desk) -> dict[str, Any]:
    """Return what ``docker info`` knows."""
    known: dict[str, Any] = json.loads(desk.out("docker info --format '{{json .}}'"))
    return known
