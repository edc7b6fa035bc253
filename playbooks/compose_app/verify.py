"""The application is up."""

from typing import Any

import pytest
from testinfra.host import Host

from labctl.exercise import msg, on_failure


@on_failure("the application is not up")
def test_every_container_is_up(host: Host, wanted: dict[str, Any]) -> None:
    """every container of the application runs or has exited with 0

    One that was started by `docker-compose run` is its user's, not the application's.
    """
    app = wanted["compose_app"]
    if wanted["name"] != app["node"]:
        pytest.skip(msg("the application runs on {node}", node=app["node"]))
    ids = host.check_output(
        "docker ps --all --quiet --filter label=com.docker.compose.oneoff=False"
        " --filter label=com.docker.compose.project=%s",
        app["project"],
    ).split()
    assert ids, "the application has no container"
    shown = "docker inspect -f '{{.Name}} {{.State.Status}} {{.State.ExitCode}}' %s"
    states = [host.check_output(shown, one) for one in ids]
    down = [s for s in states if s.split()[1] != "running" and s.split()[1:] != ["exited", "0"]]
    assert not down, msg("not running: {containers}", containers=", ".join(down))


@on_failure("docker-compose does not find the application")
def test_docker_compose_knows_it(host: Host, wanted: dict[str, Any]) -> None:
    """docker-compose shows its services from its folder, for the lab's user"""
    app = wanted["compose_app"]
    if wanted["name"] != app["node"]:
        pytest.skip(msg("the application runs on {node}", node=app["node"]))
    seen = host.run("cd %s && docker-compose ps", app["folder"])
    assert seen.rc == 0, seen.stderr
    assert app["project"] in seen.stdout
