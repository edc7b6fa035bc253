"""docker-compose brings up what a file says, for the lab's user and under sudo."""

from typing import Any

from testinfra.host import Host

PROJECT = """\
version: "2"
services:
  probe:
    image: busybox
    command: ["echo", "from compose"]
"""


def test_version(host: Host, wanted: dict[str, Any]) -> None:
    """docker-compose is at the version of the toolchain, under sudo too"""
    toolchain = wanted["toolchain"]
    pin = toolchain["compose"] or (toolchain["compose_plugin"] or "").partition("-")[0]
    seen = host.run("sudo docker-compose version --short")
    assert seen.stdout.strip().removeprefix("v") == pin, seen.stderr


def test_project_comes_up(host: Host) -> None:
    """a project comes up, says what it should, and leaves nothing behind"""
    folder = host.check_output("mktemp -d")
    try:
        host.check_output("printf %%s %s >%s/docker-compose.yml", PROJECT, folder)
        up = host.run("cd %s && docker-compose -p labctl-verify run --rm probe", folder)
        assert "from compose" in up.stdout, up.stderr
    finally:
        host.run("cd %s && docker-compose -p labctl-verify down", folder)
        host.run("rm -rf %s", folder)
