"""docker-compose works for the lab's user and with sudo."""

from collections.abc import Callable
from typing import Any

from testinfra.host import Host

from labctl.exercise import msg, on_failure

IMAGES = ("busybox",)
NAME = "labctl-verify"
PROJECT = """\
version: "2"
services:
  probe:
    image: busybox
    command: ["echo", "from compose"]
"""


@on_failure("docker-compose is not at the lab's version", needs_engine=False)
def test_version(
    host: Host, wanted: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    """docker-compose has the toolchain's version, also with sudo"""
    toolchain = wanted["toolchain"]
    pin = toolchain["compose"] or (toolchain["compose_plugin"] or "").partition("-")[0]
    with host.sudo():
        result = host.run("docker-compose version --short")
    seen = result.stdout.strip().removeprefix("v")
    record_property("compose", seen)
    assert seen, msg("docker-compose is missing; the lab needs {pin}", pin=pin)
    assert seen == pin, msg("docker-compose is {seen} instead of {pin}", seen=seen, pin=pin)


@on_failure("docker-compose cannot start a project")
def test_project_comes_up(host: Host) -> None:
    """a project starts, prints its output, and leaves nothing behind"""
    folder = host.check_output("mktemp -d")
    try:
        host.check_output("printf %%s %s >%s/docker-compose.yml", PROJECT, folder)
        up = host.run("cd %s && docker-compose -p %s up", folder, NAME)
        assert "from compose" in up.stdout, up.stderr
    finally:
        # By docker itself: docker-compose takes seconds to start on a small machine.
        host.run("docker rm -f $(docker ps -aq --filter label=com.docker.compose.project=%s)", NAME)
        host.run("docker network rm %s_default; rm -rf %s", NAME, folder)
