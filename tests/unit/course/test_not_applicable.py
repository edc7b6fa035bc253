"""Exercises that do not apply to a lab are skipped with a reason; the others are not."""

from __future__ import annotations

from typing import Any

import pytest

from course import compose, network


def overlay(mode: str, engine: str) -> dict[str, Any]:
    return {"overlay": {"mode": mode} if mode else {}, "toolchain": {"docker": engine}}


@pytest.mark.parametrize(
    ("mode", "engine", "reason"),
    [
        ("", "20.10.24-3.el7", "does not use the playbook overlay"),
        ("etcd", "23.0.0-1.el7", "removed in 23.0"),
        ("etcd", "26.1.4-1.el7", "26.1.4-1.el7 has no overlay networks with etcd"),
    ],
)
def test_overlay_networks_that_do_not_apply(mode: str, engine: str, reason: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=reason):
        network.overlay_mode(overlay(mode, engine))


@pytest.mark.parametrize(
    ("mode", "engine"),
    [("etcd", "19.03.9-3.el7"), ("etcd", "20.10.24-3.el7"), ("swarm", "26.1.4-1.el7")],
)
def test_overlay_networks_that_apply(mode: str, engine: str) -> None:
    assert network.overlay_mode(overlay(mode, engine)) == mode


def test_a_lab_without_overlay_settings() -> None:
    with pytest.raises(pytest.skip.Exception):
        network.overlay_mode({"toolchain": {"docker": "20.10.24"}})


@pytest.mark.parametrize(
    ("release", "plugin", "command"),
    [("1.25.5", None, "docker-compose"), (None, "2.27.1-1.el7", "docker compose")],
)
def test_the_command_for_compose(release: str | None, plugin: str | None, command: str) -> None:
    assert compose.command({"compose": release, "compose_plugin": plugin}) == command


def test_a_toolchain_without_compose() -> None:
    with pytest.raises(pytest.skip.Exception, match="toolchain has no compose"):
        compose.command({"compose": None, "compose_plugin": None})


@pytest.mark.parametrize("engine", ["25.0.0", "26.1.4"])
def test_old_compose_does_not_recreate_on_new_engines(engine: str) -> None:
    with pytest.raises(pytest.skip.Exception, match="docker/compose#11742"):
        compose.can_recreate("docker-compose", engine)


@pytest.mark.parametrize(
    ("tool", "engine"),
    [("docker-compose", "19.03.9"), ("docker-compose", "24.0.9"), ("docker compose", "26.1.4")],
)
def test_compose_recreates_elsewhere(tool: str, engine: str) -> None:
    compose.can_recreate(tool, engine)
