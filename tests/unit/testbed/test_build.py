"""The testbed's cache and packages: what does not need a world."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.testbed import tasks
from tests.testbed.cache import Cache, Stage
from tests.testbed.packages import PACKAGES, Package
from tests.testbed.rpms import spec
from tests.testbed.seeds import seeds
from tests.testbed.sources import to_yaml
from tests.testbed.tasks import Task


def _stages(source: Path, built: list[str]) -> list[Stage]:
    def first(target: Path, _finished: Mapping[str, Path]) -> None:
        built.append("first")
        (target / "out").write_text(source.read_text())

    def second(target: Path, finished: Mapping[str, Path]) -> None:
        built.append("second")
        (target / "out").write_text((finished["first"] / "out").read_text() * 2)

    return [Stage("first", first, (source,)), Stage("second", second, (), ("first",))]


def _silent(_name: str, _seconds: float) -> None: ...


def test_cache_builds_in_order_and_only_what_changed(tmp_path: Path) -> None:
    source, root, built = tmp_path / "source", tmp_path / "cache", list[str]()
    source.write_text("a")
    Cache(_stages(source, built), root).build(_silent)
    Cache(_stages(source, built), root).build(_silent)
    assert built == ["first", "second"]

    source.write_text("b")
    cache = Cache(_stages(source, built), root)
    cache.build(_silent)
    assert built == ["first", "second"] * 2
    assert (cache.folder("second") / "out").read_text() == "bb"
    # What they replaced is gone.
    assert [path.name for path in (root / "first").iterdir()] == [cache.folder("first").name]


def test_cache_keeps_what_a_world_holds(tmp_path: Path) -> None:
    source, root = tmp_path / "source", tmp_path / "cache"
    source.write_text("a")
    old = Cache(_stages(source, []), root)
    old.build(_silent)
    held = old.hold()
    source.write_text("b")
    Cache(_stages(source, []), root).build(_silent)
    assert (old.folder("second") / "out").read_text() == "aa"

    for handle in held:
        handle.close()
    source.write_text("c")
    Cache(_stages(source, []), root).build(_silent)
    assert not old.folder("second").exists()


def test_interrupted_build_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    def interrupted(target: Path, _finished: Mapping[str, Path]) -> None:
        (target / "half").write_text("")
        raise KeyboardInterrupt

    def complete(target: Path, _finished: Mapping[str, Path]) -> None:
        (target / "whole").write_text("")

    with pytest.raises(KeyboardInterrupt):
        Cache([Stage("one", interrupted, ())], tmp_path).build(_silent)
    cache = Cache([Stage("one", complete, ())], tmp_path)
    assert cache.missing()
    cache.build(_silent)
    assert [path.name for path in cache.folder("one").iterdir()] == ["whole"]
    assert not list(tmp_path.glob("*/*.tmp"))


def test_other_work_is_done_along_with_the_stages(tmp_path: Path) -> None:
    order: list[str] = []

    def build(target: Path, _finished: Mapping[str, Path]) -> None:
        order.append(target.parent.name)

    stages = [Stage("one", build, (), programs=("tool",)), Stage("two", build, (), ("one",))]
    tool = Task("tool", lambda: order.append("tool"))
    done: list[str] = []
    Cache(stages, tmp_path).build(lambda name, _seconds: done.append(name), [tool])
    assert order == done == ["tool", "one", "two"]

    # It is done where nothing is to be built, too.
    order.clear()
    Cache(stages, tmp_path).build(_silent, [tool])
    assert order == ["tool"]


def test_tasks_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=10)
    tasks.run([Task("one", both.wait), Task("two", both.wait)], _silent)


def test_after_a_task_that_failed_nothing_begins_and_what_runs_is_waited_for() -> None:
    failed, order = threading.Event(), list[str]()

    def fail() -> None:
        failed.set()
        raise RuntimeError("no")

    def slow() -> None:
        failed.wait()
        time.sleep(0.05)
        order.append("slow")

    work = [
        Task("fails", fail),
        Task("slow", slow),
        Task("next", lambda: order.append("next"), ("slow",)),
    ]
    with pytest.raises(RuntimeError):
        tasks.run(work, _silent)
    assert order == ["slow"]


def _package(name: str, version: str) -> Package:
    return next(p for p in PACKAGES if (p.name, p.version) == (name, version))


def test_the_spec_matches_the_real_package() -> None:
    text = spec(_package("docker-ce", "20.10.24"), {"/usr/bin/dockerd": "0755"})
    lines = text.splitlines()
    assert {"Epoch: 3", "Release: 3.el7", "Requires: container-selinux >= 2:2.74"} <= {*lines}
    assert '%attr(0755,root,root) "/usr/bin/dockerd"' in lines
    assert "systemctl daemon-reload" in text.partition("%post\n")[2].partition("%preun")[0]


def test_spec_marks_settings_and_links() -> None:
    text = spec(_package("etcd", "3.4.23"), {"/etc/etcd/etcd.conf": "0644", "/usr/bin/x": ""})
    assert '%config(noreplace) %attr(0644,root,root) "/etc/etcd/etcd.conf"' in text
    assert '\n"/usr/bin/x"\n' in text


def test_every_requirement_is_somewhere_but_one(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("")
    everything = (*PACKAGES, *seeds(key))
    provided = {p.name for p in everything} | {
        name.split()[0] for p in everything for name in p.provides
    }
    wanted = {name.split()[0] for p in everything for name in p.requires}
    assert wanted - provided == {"labctl-exists-nowhere"}


def test_docker_service_can_be_reloaded() -> None:
    unit = _package("docker-ce", "20.10.24").texts["/usr/lib/systemd/system/docker.service"]
    assert "ExecReload=/bin/kill -s HUP $MAINPID" in unit


def test_sources_are_yaml() -> None:
    text = to_yaml(
        {"vault": {"fingerprint": "AB"}, "compose": {"sha256": {"1.25.5": "cd", "1.29.2": "ef"}}}
    )
    assert text == (
        'sources:\n  vault:\n    fingerprint: "AB"\n'
        "  compose:\n    sha256:\n      1.25.5: cd\n      1.29.2: ef\n"
    )
