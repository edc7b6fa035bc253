"""DaemonJson, with the service that reads the file, on a node whose engine others have set up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    DaemonJson,
    Package,
    Packages,
    Service,
)
from tests.integration.resources.local_shell import names
from tests.integration.resources.stand_ins import StandIns


@pytest.fixture
def daemon(stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch) -> Path:
    """daemon.json of a node, in a folder of the test."""
    folder = stand_ins.shell.folder
    for name, path in (("PATH", "etc/daemon.json"), ("OWNED", "keys.json")):
        monkeypatch.setattr(f"labctl.provision.resources.daemon_json.{name}", str(folder / path))
    monkeypatch.setattr(
        "labctl.provision.resources.engine_settings.UNIT_FOLDERS", f"{folder}/etc {folder}/lib"
    )
    (folder / "etc").mkdir()
    (folder / "lib").mkdir()
    stand_ins.runs("docker")
    return folder / "etc/daemon.json"


def test_labctls_keys_come_and_go(stand_ins: StandIns, daemon: Path) -> None:
    for content, action in (
        ('{"registry-mirrors": ["https://a"]}\n', "reload docker"),
        ('{"mtu": 1400, "registry-mirrors": ["https://a"]}\n', "restart docker"),
        ('{"mtu": 1400, "registry-mirrors": []}\n', "reload docker"),
        ('{"mtu": 1400}\n', "restart docker"),
    ):
        outcome = stand_ins.shell.apply(DaemonJson(content), Service("docker"))
        assert len(outcome.changes) == 2
        assert stand_ins.actions() == [action]
        assert json.loads(daemon.read_text()) == json.loads(content)
        assert stand_ins.shell.apply(DaemonJson(content), Service("docker")).changes == ()


def test_keys_of_others_stay(stand_ins: StandIns, daemon: Path) -> None:
    """A copy of the first file is kept; a key that leaves lab.yaml leaves the file."""
    theirs = {"data-root": "/it's", "labels": ["a"], "registry-mirrors": ["https://school"]}
    first = json.dumps(theirs)
    daemon.write_text(first)
    daemon.chmod(0o640)
    shell = stand_ins.shell
    shell.apply(DaemonJson('{"mtu": 1400, "registry-mirrors": ["https://a"]}'), Service("docker"))
    assert json.loads(daemon.read_text()) == {
        **theirs,
        "mtu": 1400,
        "registry-mirrors": ["https://a", "https://school"],
    }
    assert daemon.stat().st_mode & 0o7777 == 0o640
    copy = daemon.with_name("daemon.json.before-labctl")
    assert copy.read_text() == first
    shell.apply(DaemonJson('{"registry-mirrors": ["https://b"]}'), Service("docker"))
    assert json.loads(daemon.read_text()) == {
        **theirs,
        "registry-mirrors": ["https://b", "https://school"],
    }
    shell.apply(DaemonJson("{}"), Service("docker"))
    assert json.loads(daemon.read_text()) == theirs
    assert copy.read_text() == first


def test_a_key_with_two_values_stops_before_anything_is_written(
    stand_ins: StandIns, daemon: Path
) -> None:
    daemon.write_text('{"mtu": 1500}')
    with pytest.raises(ChangeFailed, match=r"mtu: lab.yaml sets 1400, and .*daemon.json sets 1500"):
        stand_ins.shell.apply(DaemonJson('{"mtu": 1400}'))
    assert daemon.read_text() == '{"mtu": 1500}'
    assert names(daemon.parent) == ["daemon.json"]
    stand_ins.shell.apply(DaemonJson('{"mtu": 1400}', adopt=True))
    assert json.loads(daemon.read_text()) == {"mtu": 1400}
    assert daemon.with_name("daemon.json.before-labctl").read_text() == '{"mtu": 1500}'


def test_a_flag_of_the_unit_is_not_written_a_second_time(stand_ins: StandIns, daemon: Path) -> None:
    environment = stand_ins.shell.folder / "sysconfig"
    environment.write_text("OPTIONS='--insecure-registry=10.0.0.1:5000'\n")
    lib = stand_ins.shell.folder / "lib"
    (lib / "docker.service").write_text("[Service]\nExecStart=/usr/bin/dockerd --debug\n")
    for place, file, text in (
        (lib, "50-a.conf", "ExecStart=/usr/bin/dockerd --icc=false"),
        (daemon.parent, "50-a.conf", f"EnvironmentFile=-{environment}"),
        (lib, "60-b.conf", "ExecStart=\nExecStart=/usr/bin/dockerd $OPTIONS"),
    ):
        (place / "docker.service.d").mkdir(exist_ok=True)
        (place / "docker.service.d" / file).write_text(f"[Service]\n{text}\n")
    empty = DaemonJson('{"insecure-registries": [], "mtu": 1400}')
    stand_ins.shell.apply(empty, Service("docker"))
    assert json.loads(daemon.read_text()) == {"mtu": 1400}
    assert stand_ins.shell.apply(empty, Service("docker")).changes == ()
    with pytest.raises(ChangeFailed, match=r"sysconfig starts dockerd with --insecure-registry"):
        stand_ins.shell.apply(DaemonJson('{"insecure-registries": ["a:5000"]}'))
    environment.write_text("")
    stand_ins.shell.apply(empty, Service("docker"))
    assert json.loads(daemon.read_text()) == {"insecure-registries": [], "mtu": 1400}


@pytest.mark.parametrize("active", ["failed", "active"])
def test_an_engine_starts_though_daemon_json_is_of_another(
    stand_ins: StandIns, daemon: Path, active: str
) -> None:
    """The new package starts the engine too, which fails because of the former engine's keys."""
    shell = stand_ins.shell
    old = '{"data-root": "/it\'s", "cluster-store": "etcd://a", "cluster-advertise": "b"}\n'
    daemon.write_text(old)
    daemon.chmod(0o640)
    (stand_ins.state / "installed").write_text("docker-ce 19.03.9-3.el7\n")
    (stand_ins.state / "known").write_text("docker-ce 26.1.4-1.el7\n")
    (stand_ins.state / "docker.active").write_text(f"ActiveState={active}\n")
    stand_ins.needs("docker", daemon, '{\n  "data-root": "/it\'s"\n}')
    wanted = Packages((Package("docker-ce", "26.1.4"),)), DaemonJson("{}", 26), Service("docker")
    outcome = shell.apply(*wanted)
    assert [change.resource for change in outcome.changes] == [one.id for one in wanted]
    assert "remove cluster-store, cluster-advertise from" in outcome.changes[1].summary
    assert stand_ins.actions() == ["restart docker"]
    assert daemon.read_text() == '{\n  "data-root": "/it\'s"\n}\n'
    assert daemon.stat().st_mode & 0o7777 == 0o640
    assert daemon.with_name("daemon.json.before-labctl").read_text() == old
    assert names(shell.folder / "pending") == []
    again = shell.apply(*wanted)
    assert (again.changes, again.exchanges) == ((), 1)


def test_an_engine_starts_though_daemon_json_has_a_slip(stand_ins: StandIns, daemon: Path) -> None:
    """Every file with a slip is kept: the second one does not cost the first."""
    shell, aside = stand_ins.shell, daemon.with_name("daemon.json.no-json")
    stand_ins.needs("docker", daemon, "{}")
    for slip in ('{"it\'s": 1\n', '{"mtu": 1400 "debug": true}\n'):
        daemon.write_text(slip)
        daemon.chmod(0o640)
        (stand_ins.state / "docker.active").write_text("ActiveState=failed\n")
        wanted = DaemonJson("{}", 19), Service("docker")
        outcome = shell.apply(*wanted)
        assert [change.resource for change in outcome.changes] == [one.id for one in wanted]
        assert stand_ins.actions() == ["restart docker"]
        assert (daemon.read_text(), aside.read_text()) == ("{}\n", slip)
        assert daemon.stat().st_mode & 0o7777 == aside.stat().st_mode & 0o7777 == 0o640
        assert shell.apply(*wanted).changes == ()
    numbered = daemon.with_name("daemon.json.no-json.~1~")
    assert numbered.read_text() == '{"it\'s": 1\n'


def test_a_daemon_json_with_a_slip_is_kept_once(stand_ins: StandIns, daemon: Path) -> None:
    """An engine that does not start for another reason gets its former file back each time."""
    stand_ins.needs("docker", daemon, "never")
    daemon.write_text("{slip")
    for _ in range(3):
        with pytest.raises(ChangeFailed, match="docker"):
            stand_ins.shell.apply(DaemonJson("{}", 19), Service("docker"))
        assert daemon.read_text() == "{slip"
    assert [name for name in names(daemon.parent) if "no-json" in name] == ["daemon.json.no-json"]


def test_labctls_memory_goes_back_with_the_file(stand_ins: StandIns, daemon: Path) -> None:
    """Else a key that somebody else wrote would seem to be labctl's."""
    daemon.write_text('{"mtu": 1400}')
    stand_ins.needs("docker", daemon, '{"mtu": 1400}')
    with pytest.raises(ChangeFailed, match="docker"):
        stand_ins.shell.apply(DaemonJson('{"mtu": 1400, "ipv6": true}'), Service("docker"))
    assert daemon.read_text() == '{"mtu": 1400}'
    assert not (stand_ins.shell.folder / "keys.json").exists()
