"""The engine: the client, its API, the daemon, and containerd below it."""

import json
from typing import Any

from labctl.exercise import HEAL, Sandbox, Wanted, msg, on_failure

SLEEP = "sleep 600"


@on_failure("the lab's user cannot use Docker without sudo")
def test_client_reaches_the_daemon_without_sudo(sandbox: Sandbox, wanted: Wanted) -> None:
    """the lab's user reaches the daemon with the client, without sudo"""
    answer = sandbox.run(
        "docker version --format '{{.Client.Version}} {{.Server.Version}}'", ok=False
    )
    groups = sandbox.out("id -nG").split()
    assert "permission denied" not in answer.stderr, msg(
        "the daemon refused {user}, whose groups are {groups}; the group docker is needed",
        user=wanted["user"],
        groups=", ".join(groups),
    )
    assert answer.rc == 0, msg(
        "the daemon does not answer the client: {stderr}", stderr=answer.stderr.strip()
    )
    client, server = answer.stdout.split()
    assert client
    assert server


@on_failure("Docker's API does not answer", fix=HEAL)
def test_api_answers_over_the_socket(sandbox: Sandbox) -> None:
    """the REST API answers over the socket and agrees with the client"""
    name = sandbox.container("api", sandbox.image("busybox"), SLEEP)
    assert sandbox.api("GET", "/_ping").body.strip() == "OK"
    version = sandbox.api("GET", "/version").json()
    assert version["Version"] == sandbox.out("docker version --format '{{.Server.Version}}'")
    containers = sandbox.api("GET", "/containers/json").json()
    assert f"/{name}" in [one for container in containers for one in container["Names"]]


@on_failure("Docker's API cannot start a container", fix=HEAL)
def test_api_starts_a_container(sandbox: Sandbox) -> None:
    """the API alone can create and start a container"""
    definition = {
        "Image": sandbox.image("busybox"),
        "Cmd": ["echo", "from the API"],
        "Labels": dict([sandbox.label.split("=")]),
    }
    name = sandbox.name("made")
    made = sandbox.api("POST", f"/containers/create?name={name}", definition).json()
    assert sandbox.api("POST", f"/containers/{made['Id']}/start").status == 204
    sandbox.run("docker wait %s", name)
    assert sandbox.out("docker logs %s", name) == "from the API"


@on_failure("Docker is not running, or does not start at boot")
def test_daemon_starts_at_boot(sandbox: Sandbox) -> None:
    """the daemon runs and starts at boot"""
    for unit in ("containerd", "docker"):
        service = sandbox.host.service(unit)
        assert service.is_running, msg("the service {unit} does not run", unit=unit)
    assert sandbox.host.service("docker").is_enabled, (
        "the service docker is disabled: it will not start at the next boot"
    )


@on_failure("docker info shows something unusual", fix=HEAL)
def test_daemon_describes_itself(sandbox: Sandbox) -> None:
    """the daemon reports its storage driver and its containers"""
    driver = info(sandbox)["Driver"]
    assert driver in ("overlay2", "overlayfs"), msg(
        "the storage driver is {driver}, which is slow or removed from newer engines", driver=driver
    )
    name = sandbox.container("counted", sandbox.image("busybox"), SLEEP)
    assert sandbox.out("docker ps --quiet --filter name=%s", name), "docker ps does not show it"
    assert info(sandbox)["ContainersRunning"] >= 1


@on_failure("docker events does not show what happens", fix=HEAL)
def test_daemon_reports_events(sandbox: Sandbox) -> None:
    """the daemon's events show the life of a container"""
    image = sandbox.image("busybox")
    name = sandbox.name("events")
    since = sandbox.out("date +%s")
    sandbox.run("docker run --rm --name %s --label %s %s true", name, sandbox.label, image)
    seen = sandbox.out(
        "docker events --since %s --until $(($(date +%%s) + 1)) --filter container=%s "
        "--format '{{.Action}}'",
        *(since, name),
    )
    missing = {"create", "start", "die", "destroy"} - set(seen.split())
    assert not missing, msg(
        "the events lack {missing}: {seen}", missing=", ".join(sorted(missing)), seen=seen.split()
    )


@on_failure("containerd does not run Docker's containers", fix=HEAL)
def test_containerd_runs_dockers_containers(sandbox: Sandbox) -> None:
    """containerd answers and runs the container that docker started"""
    name = sandbox.container("below", sandbox.image("busybox"), SLEEP)
    identity = sandbox.out("docker inspect --format '{{.Id}}' %s", name)
    with sandbox.host.sudo():  # its socket is root's
        answer = sandbox.run("ctr --namespace moby tasks list", ok=False)
    assert answer.rc == 0, msg(
        "containerd does not answer on its socket: {stderr}", stderr=answer.stderr.strip()
    )
    assert identity in answer.stdout, msg(
        "containerd does not list docker's container {identity}", identity=identity[:12]
    )


@on_failure("containers do not run under containerd's shim", fix=HEAL)
def test_a_shim_holds_the_container(sandbox: Sandbox) -> None:
    """a container is a process of the node under containerd's shim, not under the daemon"""
    name = sandbox.container("held", sandbox.image("busybox"), SLEEP)
    process = sandbox.out("docker inspect --format '{{.State.Pid}}' %s", name)
    assert sandbox.out("tr '\\0' ' ' </proc/%s/cmdline", process) == SLEEP
    parent = sandbox.out("sed -n 's/^PPid:[[:space:]]*//p' /proc/%s/status", process)
    assert sandbox.out("cat /proc/%s/comm", parent).startswith("containerd-shim")


def info(sandbox: Sandbox) -> dict[str, Any]:
    """Return the output of ``docker info``."""
    known: dict[str, Any] = json.loads(sandbox.out("docker info --format '{{json .}}'"))
    return known
