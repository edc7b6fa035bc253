"""Service: it is started, restarted for its files, and gets its old files back."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    LoadedBy,
    Service,
)
from labctl.provision.resources.base import Resource
from labctl.storage import read_script
from tests.integration.resources.local_shell import (
    converges,
    file,
    names,
)
from tests.integration.resources.stand_ins import StandIns


def test_service_is_enabled_and_started(stand_ins: StandIns) -> None:
    converges(stand_ins.shell, Service("docker"))
    assert stand_ins.actions() == ["enable docker", "restart docker"]


@pytest.mark.parametrize("how", ["restart", "reload"])
def test_a_file_is_loaded_once(stand_ins: StandIns, how: Any) -> None:
    stand_ins.runs("docker")
    path = stand_ins.shell.folder / "it's daemon.json"
    resources = file(path, "{}\n", loaded_by=LoadedBy("docker", how)), Service("docker")
    outcome = stand_ins.shell.apply(*resources)
    assert [change.resource for change in outcome.changes] == [r.id for r in resources]
    assert stand_ins.actions() == [f"{how} docker"]
    assert stand_ins.shell.apply(*resources).changes == ()
    assert names(stand_ins.shell.folder / "pending") == []


def test_a_run_that_dies_in_between_loses_no_restart(stand_ins: StandIns) -> None:
    stand_ins.runs("docker")
    path = stand_ins.shell.folder / "a"
    written = file(path, "new\n", loaded_by=LoadedBy("docker"))
    stand_ins.shell.apply(written)
    assert stand_ins.actions() == []
    outcome = stand_ins.shell.apply(written, Service("docker"))
    assert [change.summary for change in outcome.changes] == ["restart docker"]
    assert stand_ins.actions() == ["restart docker"]


def test_one_restart_for_many_files(stand_ins: StandIns) -> None:
    stand_ins.runs("docker")
    folder = stand_ins.shell.folder
    stand_ins.shell.apply(
        file(folder / "a", "1\n", loaded_by=LoadedBy("docker", "reload")),
        file(folder / "b", "1\n", loaded_by=LoadedBy("docker", "restart")),
        file(folder / "c", "1\n", loaded_by=LoadedBy("other")),
        Service("docker"),
    )
    assert stand_ins.actions() == ["restart docker"]
    assert names(folder / "pending") == ["other.old", "other.restart"]


def test_a_service_that_does_not_come_back_gets_its_old_files(stand_ins: StandIns) -> None:
    stand_ins.runs("docker")
    folder = stand_ins.shell.folder / "it's etc"
    folder.mkdir()
    old, new = folder / "daemon.json", folder / "drop in"
    old.write_text("good")
    old.chmod(0o640)
    stand_ins.needs("docker", old, "good")
    mark = LoadedBy("docker", "restart")
    resources: list[Resource] = [
        file(old, "bad\n", loaded_by=mark),
        file(new, "bad\n", loaded_by=mark),
        Service("docker"),
    ]
    with pytest.raises(ChangeFailed) as caught:
        stand_ins.shell.apply(*resources)
    for text in ("status of docker", "its former files were put back", "it runs again"):
        assert text in caught.value.details
    assert old.read_text() == "good"
    assert old.stat().st_mode & 0o7777 == 0o640
    assert names(folder) == ["daemon.json"]
    assert names(stand_ins.shell.folder / "pending") == []
    assert stand_ins.actions() == ["restart docker", "restart docker"]
    # The next run tries again.
    outcome = stand_ins.shell.apply(*resources, check=True)
    assert [c.resource for c in outcome.changes] == [r.id for r in resources[:2]]


def test_the_first_state_comes_back_though_two_runs_wrote(stand_ins: StandIns) -> None:
    stand_ins.runs("docker")
    path = stand_ins.shell.folder / "a"
    stand_ins.needs("docker", path, "")
    mark = LoadedBy("docker")
    stand_ins.shell.apply(file(path, "bad\n", loaded_by=mark))
    with pytest.raises(ChangeFailed):
        stand_ins.shell.apply(file(path, "worse\n", loaded_by=mark), Service("docker"))
    assert not path.exists()


def test_a_service_without_old_files_keeps_its_mark(stand_ins: StandIns) -> None:
    """A restart that failed has still to be done."""
    stand_ins.runs("docker")
    path = stand_ins.shell.folder / "a"
    pending = stand_ins.shell.folder / "pending"
    pending.mkdir()
    (pending / "docker.restart").touch()
    stand_ins.needs("docker", path, "good")
    with pytest.raises(ChangeFailed):
        stand_ins.shell.apply(Service("docker"))
    assert names(pending) == ["docker.restart"]
    path.write_text("good")
    converges(stand_ins.shell, Service("docker"))


def test_a_start_that_fails_shows_the_journals(stand_ins: StandIns) -> None:
    """systemd says no more than "see systemctl status"; the reason may be in another unit's."""
    stand_ins.needs("docker", stand_ins.shell.folder / "a", "never")
    state = stand_ins.state
    (state / "docker.journal").write_text("starting\nfailed to start daemon: no containerd\n")
    (state / "docker.requires").write_text(
        "Requires=docker.socket\nWants=network-online.target containerd.service other.service\n"
    )
    (state / "containerd.state").write_text("failed\n")
    (state / "containerd.journal").write_text("containerd: failed to load TOML from config.toml\n")
    (state / "other.journal").write_text("all is well here\n")
    with pytest.raises(ChangeFailed) as caught:
        stand_ins.shell.apply(Service("docker"))
    details = caught.value.details
    assert "the end of the journal of docker.service:\nstarting\n" in details
    assert "containerd.service, which docker.service needs:\ncontainerd: failed" in details
    assert "all is well here" not in details
    assert caught.value.message.endswith(": containerd: failed to load TOML from config.toml")


def test_a_reload_that_was_refused_is_a_failure(stand_ins: StandIns) -> None:
    """systemctl ends well when the signal is sent. The engine runs on, so nothing is restarted."""
    stand_ins.runs("docker")
    path = stand_ins.shell.folder / "daemon.json"
    path.write_text("good")
    (stand_ins.state / "docker.journal").write_text('msg="Reloaded configuration: {}"\n')
    stand_ins.needs("docker", path, "good")
    mark = LoadedBy("docker", "reload")
    with pytest.raises(ChangeFailed) as caught:
        stand_ins.shell.apply(file(path, "bad\n", loaded_by=mark), Service("docker"))
    assert "unable to configure the Docker daemon with file a: twice" in caught.value.message
    assert "its former files were put back" in caught.value.details
    assert path.read_text() == "good"
    assert stand_ins.actions() == ["reload docker"]


def test_a_reload_of_which_nobody_knows_is_a_failure(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins.runs("docker")
    monkeypatch.setattr("labctl.provision.resources.base._code", _impatient)
    (stand_ins.state / "docker.mute").touch()
    mark = LoadedBy("docker", "reload")
    path = stand_ins.shell.folder / "a"
    with pytest.raises(ChangeFailed) as caught:
        stand_ins.shell.apply(file(path, "new\n", loaded_by=mark), Service("docker"))
    assert 'has no "Reloaded configuration"' in caught.value.details


def _impatient(module: str, name: str) -> str:
    """Return a script that waits for one look instead of ten seconds."""
    return read_script(module, name).replace('"$tries" -lt 50', '"$tries" -lt 1')


def test_other_services_are_believed(stand_ins: StandIns) -> None:
    """Only of the engine it is known what it writes to its journal."""
    stand_ins.runs("other")
    mark = LoadedBy("other", "reload")
    path = stand_ins.shell.folder / "a"
    stand_ins.shell.apply(file(path, "new\n", loaded_by=mark), Service("other"))
    assert stand_ins.actions() == ["reload other"]
