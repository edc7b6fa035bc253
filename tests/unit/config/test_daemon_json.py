"""daemon.json: every kind of key, right and wrong, and which of them need a restart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labctl.config import daemon_json

RIGHT: list[tuple[str, Any]] = [
    ("debug", True),
    ("mtu", 1450),
    ("data-root", "/data"),
    ("dns", ["10.0.0.1"]),
    ("dns", []),
    ("log-opts", {"max-size": "10m"}),
    ("features", {"buildkit": True}),
    ("default-address-pools", [{"base": "10.10.0.0/16", "size": 24}]),
    ("runtimes", {"runc2": {"path": "/usr/bin/runc"}}),
    ("group", ""),
]
WRONG: list[tuple[str, Any, str]] = [
    ("debug", 1, "docker.daemon.debug"),
    ("debug", "yes", "docker.daemon.debug"),
    ("mtu", True, "docker.daemon.mtu"),
    ("mtu", "1450", "docker.daemon.mtu"),
    ("mtu", 1450.5, "docker.daemon.mtu"),
    ("data-root", None, "docker.daemon.data-root"),
    ("dns", "10.0.0.1", "docker.daemon.dns"),
    ("dns", ["10.0.0.1", 5], "docker.daemon.dns[1]"),
    ("log-opts", {"max-file": 3}, "docker.daemon.log-opts.max-file"),
    ("features", {"buildkit": "true"}, "docker.daemon.features.buildkit"),
    ("default-address-pools", ["10.10.0.0/16"], "docker.daemon.default-address-pools[0]"),
    ("runtimes", {1: {}}, "docker.daemon.runtimes"),
    ("runtimes", {"a": {"path": "/a\nb"}}, "docker.daemon.runtimes.a.path"),
    ("builder", {"gc": {"policy": [float("nan")]}}, "docker.daemon.builder.gc.policy[0]"),
    ("labels", ["a\x00"], "docker.daemon.labels[0]"),
    ("hosts", ["fd://"], "docker.daemon.hosts"),
    ("registry-mirrors", ["https://a"], "docker.daemon.registry-mirrors"),
    ("insecure-registries", [], "docker.daemon.insecure-registries"),
    ("storage_driver", "overlay2", "docker.daemon.storage_driver"),
]


@pytest.mark.parametrize(("key", "value"), RIGHT)
def test_right(key: str, value: Any) -> None:
    assert daemon_json.problems({key: value}) == []


@pytest.mark.parametrize(("key", "value", "where"), WRONG)
def test_wrong(key: str, value: Any, where: str) -> None:
    assert [problem.where for problem in daemon_json.problems({key: value})] == [where]


@pytest.mark.parametrize(
    ("key", "value", "engine", "known"),
    [
        ("cluster-store", "etcd://a", 19, True),
        ("cluster-store", "etcd://a", 22, True),
        ("cluster-store", "etcd://a", 23, False),
        ("proxies", {"http-proxy": "http://a"}, 20, False),
        ("proxies", {"http-proxy": "http://a"}, 23, True),
        ("proxies", {"http-proxy": "http://a"}, None, True),
        ("cdi-spec-dirs", ["/etc/cdi"], 26, True),
        ("cdi-spec-dirs", ["/etc/cdi"], 24, False),
    ],
)
def test_an_engine_knows_the_keys_of_its_time(
    key: str, value: Any, engine: int | None, known: bool
) -> None:
    assert (daemon_json.problems({key: value}, engine_major=engine) == []) == known


def test_the_hint_names_the_place_in_lab_yaml() -> None:
    (problem,) = daemon_json.problems({"registry-mirrors": []}, "daemon.json")
    assert problem.hint == "use docker.mirrors"


def test_a_typo_gets_a_suggestion() -> None:
    (problem,) = daemon_json.problems({"log-opt": {}})
    assert "'log-opts'" in problem.message


def test_a_mirror_needs_no_restart() -> None:
    before = daemon_json.merged({"data-root": "/data", "debug": True}, ["https://a"])
    after = daemon_json.merged(
        {"data-root": "/data", "debug": False}, ["https://b"], ["registry:5000"]
    )
    assert (
        daemon_json.restart_keys(before)
        == daemon_json.restart_keys(after)
        == {"data-root": "/data"}
    )
    assert not daemon_json.needs_restart(before, after)


def test_the_last_mirror_that_goes_needs_no_restart() -> None:
    before = daemon_json.merged({}, ["https://a"], ["registry:5000"])
    assert not daemon_json.needs_restart(before, daemon_json.merged({}, []))


def test_what_was_written_without_empty_lists_needs_no_restart() -> None:
    for before in ({}, {"registry-mirrors": ["https://a"]}):
        assert not daemon_json.needs_restart(before, daemon_json.merged({}, ["https://a"]))


@pytest.mark.parametrize("key", sorted(daemon_json.RELOADED))
def test_a_key_that_goes_needs_a_restart_unless_a_reload_resets_it(key: str) -> None:
    """`Reload` of dockerd looks whether a key is set, but for these two."""
    reset = ("max-concurrent-downloads", "max-concurrent-uploads")
    assert daemon_json.needs_restart({key: 1, "mtu": 1}, {"mtu": 1}) == (key not in reset)
    assert not daemon_json.needs_restart({"mtu": 1}, {key: 1, "mtu": 1})
    assert not daemon_json.needs_restart({key: 1}, {key: 2})


@pytest.mark.parametrize(
    ("engine", "unknown"),
    [
        (19, ["proxies", "ip6tables"]),
        (22, ["proxies"]),
        (23, ["cluster-store"]),
        (26, ["cluster-store"]),
        (0, []),
    ],
)
def test_the_keys_of_another_engine(engine: int, unknown: list[str]) -> None:
    settings = {"proxies": {}, "mtu": 1, "cluster-store": "a", "ip6tables": True, "new": 1}
    settings["registry-mirrors"] = []
    assert daemon_json.unknown_to(engine, settings) == unknown


def test_everything_that_is_reloaded_is_a_key() -> None:
    elsewhere = {"registry-mirrors", "insecure-registries"}
    assert set(daemon_json.KEYS) | elsewhere >= daemon_json.RELOADED


def test_merging() -> None:
    merged = daemon_json.merged({"debug": True}, ["https://a/"], ["registry:5000"])
    assert merged == {
        "debug": True,
        "registry-mirrors": ["https://a"],
        "insecure-registries": ["registry:5000"],
    }
    assert daemon_json.without_mirrors(merged) == {"debug": True}
    assert daemon_json.merged({}, []) == {"registry-mirrors": [], "insecure-registries": []}


def test_a_whole_file_may_have_mirrors() -> None:
    assert (
        daemon_json.file_problems(daemon_json.merged({"mtu": 1450}, ["https://a"], ["r:5000"]))
        == []
    )
    wrong = {"registry-mirrors": ["https://a/v2"], "insecure-registries": "r:5000", "mtu": "1"}
    places = [problem.where for problem in daemon_json.file_problems(wrong)]
    assert places == [
        "daemon.json.mtu",
        "daemon.json.registry-mirrors[0]",
        "daemon.json.insecure-registries",
    ]


def test_equal_settings_give_equal_bytes() -> None:
    text = daemon_json.canonical({"b": [1], "a": {"d": "ü", "c": None}})
    assert text == daemon_json.canonical({"a": {"c": None, "d": "ü"}, "b": [1]})
    assert text.endswith("}\n")
    assert text.splitlines()[1] == '  "a": {'
    assert json.loads(text) == {"a": {"c": None, "d": "ü"}, "b": [1]}
