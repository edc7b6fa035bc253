"""DaemonJson and SupportedDaemonKeys, with the service that reads the file."""

from __future__ import annotations

import os

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    DaemonJson,
    Package,
    Packages,
    Service,
    SupportedDaemonKeys,
)
from tests.integration.resources.local_shell import (
    LocalShell,
    names,
)
from tests.integration.resources.stand_ins import StandIns


def test_engine_config(stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stand_ins.shell.folder / "daemon.json"
    monkeypatch.setattr("labctl.provision.resources.daemon_json.PATH", str(path))
    if os.getuid() != 0:
        pytest.skip("the engine's configuration belongs to root")
    stand_ins.runs("docker")
    for content, action in (
        ('{"registry-mirrors": ["https://a"]}\n', "reload docker"),
        ('{"mtu": 1400, "registry-mirrors": ["https://a"]}\n', "restart docker"),
        ('{"mtu": 1400, "registry-mirrors": []}\n', "reload docker"),
        ('{"mtu": 1400}\n', "restart docker"),
    ):
        outcome = stand_ins.shell.apply(DaemonJson(content), Service("docker"))
        assert len(outcome.changes) == 2
        assert stand_ins.actions() == [action]
        assert path.read_text() == content
        assert stand_ins.shell.apply(DaemonJson(content), Service("docker")).changes == ()


@pytest.mark.parametrize("active", ["failed", "active"])
def test_an_engine_starts_though_daemon_json_is_of_another(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch, active: str
) -> None:
    """The new package starts the engine too, which fails because of the former engine's keys."""
    shell = stand_ins.shell
    path = shell.folder / "daemon.json"
    monkeypatch.setattr("labctl.provision.resources.daemon_json.PATH", str(path))
    old = '{"data-root": "/it\'s", "cluster-store": "etcd://a", "cluster-advertise": "b"}\n'
    path.write_text(old)
    path.chmod(0o640)
    (stand_ins.state / "installed").write_text("docker-ce 19.03.9-3.el7\n")
    (stand_ins.state / "known").write_text("docker-ce 26.1.4-1.el7\n")
    stand_ins.runs("docker")
    (stand_ins.state / "docker.active").write_text(f"ActiveState={active}\n")
    stand_ins.needs("docker", path, '{\n  "data-root": "/it\'s"\n}')
    wanted = Packages((Package("docker-ce", "26.1.4"),)), SupportedDaemonKeys(26), Service("docker")
    outcome = shell.apply(*wanted)
    assert [change.resource for change in outcome.changes] == [one.id for one in wanted]
    assert "take cluster-store, cluster-advertise out of" in outcome.changes[1].summary
    assert stand_ins.actions() == ["restart docker"]
    assert path.read_text() == '{\n  "data-root": "/it\'s"\n}\n'
    assert path.stat().st_mode & 0o7777 == 0o640
    assert (shell.folder / "daemon.json.before-labctl").read_text() == old
    assert names(shell.folder / "pending") == []
    again = shell.apply(*wanted)
    assert (again.changes, again.exchanges) == ((), 1)


def test_an_engine_starts_though_daemon_json_has_a_slip(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file with a slip is kept: the second one does not cost the first."""
    shell = stand_ins.shell
    path, aside = shell.folder / "daemon.json", shell.folder / "daemon.json.no-json"
    monkeypatch.setattr("labctl.provision.resources.daemon_json.PATH", str(path))
    stand_ins.runs("docker")
    stand_ins.needs("docker", path, "{}")
    for slip in ('{"it\'s": 1\n', '{"mtu": 1400 "debug": true}\n'):
        path.write_text(slip)
        path.chmod(0o640)
        (stand_ins.state / "docker.active").write_text("ActiveState=failed\n")
        wanted = SupportedDaemonKeys(19), Service("docker")
        outcome = shell.apply(*wanted)
        assert [change.resource for change in outcome.changes] == [one.id for one in wanted]
        assert stand_ins.actions() == ["restart docker"]
        assert (path.read_text(), aside.read_text()) == ("{}\n", slip)
        assert path.stat().st_mode & 0o7777 == aside.stat().st_mode & 0o7777 == 0o640
        assert shell.apply(*wanted).changes == ()
    numbered = shell.folder / "daemon.json.no-json.~1~"
    assert numbered.read_text() == '{"it\'s": 1\n'


def test_a_daemon_json_with_a_slip_is_kept_once(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that does not start for another reason gets its former file back each time."""
    shell = stand_ins.shell
    path = shell.folder / "daemon.json"
    monkeypatch.setattr("labctl.provision.resources.daemon_json.PATH", str(path))
    stand_ins.needs("docker", path, "never")
    path.write_text("{slip")
    for _ in range(3):
        with pytest.raises(ChangeFailed, match="docker"):
            shell.apply(SupportedDaemonKeys(19), Service("docker"))
        assert path.read_text() == "{slip"
    assert [name for name in names(shell.folder) if "no-json" in name] == ["daemon.json.no-json"]


def test_a_daemon_json_with_a_slip_is_kept_where_the_whole_file_is_written(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.getuid() != 0:
        pytest.skip("the engine's configuration belongs to root")
    shell = stand_ins.shell
    path = shell.folder / "daemon.json"
    monkeypatch.setattr("labctl.provision.resources.daemon_json.PATH", str(path))
    stand_ins.runs("docker")
    path.write_text('{"mtu": 1400')
    shell.apply(DaemonJson('{"mtu": 1400}\n'), Service("docker"))
    assert stand_ins.actions() == ["restart docker"]
    assert path.read_text() == '{"mtu": 1400}\n'
    assert (shell.folder / "daemon.json.no-json").read_text() == '{"mtu": 1400'


def test_an_engine_without_daemon_json_has_no_key_of_another(
    here: LocalShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "labctl.provision.resources.daemon_json.PATH", str(here.folder / "daemon.json")
    )
    assert here.apply(SupportedDaemonKeys(26)).changes == ()
    assert names(here.folder) == []
