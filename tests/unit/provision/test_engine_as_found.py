"""labctl on a machine that has an engine already.

The matrix: which settings of daemon.json can collide with labctl's, where they stand (in the file,
in the unit, in a drop-in, in an environment file), and what labctl does about each. The page
"Existing machines" shows the same.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from labctl.config.daemon_flags import PACKAGED, read_unit
from labctl.provision.engine_preflight import EnginePreflight
from labctl.provision.resources.daemon_json import DaemonJson
from labctl.provision.resources.engine_settings import (
    EngineSettings,
    merge,
    read,
    start_obstacles,
)
from labctl.remote.exchange import Observed
from tests.unit.fakes import settings_output

UNIT = "/usr/lib/systemd/system/docker.service"
DROP_IN = "/etc/systemd/system/docker.service.d/school.conf"
SYSCONFIG = "/etc/sysconfig/docker"

# Each setting that labctl can want: its key, labctl's value, a flag with another value, and one
# with the same value.
SETTINGS: list[tuple[str, Any, str, str]] = [
    ("registry-mirrors", ["https://a"], "--registry-mirror=https://b", "--registry-mirror https://a/"),
    ("insecure-registries", ["a:5000"], "--insecure-registry b:5000", "--insecure-registry=a:5000"),
    ("bip", "10.213.0.1/16", "--bip=10.9.0.1/24", "--bip 10.213.0.1/16"),
    ("data-root", "/data", "-g /other", "--data-root=/data"),
    ("storage-driver", "overlay2", "-s devicemapper", "--storage-driver=overlay2"),
    ("log-driver", "json-file", "--log-driver=journald", "--log-driver=json-file"),
    ("log-level", "info", "-l warn", "--log-level=info"),
    ("log-opts", {"max-size": "5m"}, "--log-opt max-size=9m", "--log-opt max-size=5m"),
    ("live-restore", True, "--live-restore=false", "--live-restore"),
    ("debug", True, "--debug=false", "-D"),
    ("iptables", False, "--iptables=true", "--iptables=false"),
    ("icc", False, "--icc", "--icc=false"),
    ("mtu", 1400, "--mtu 1500", "--mtu=1400"),
    ("dns", ["10.0.0.1"], "--dns 8.8.8.8", "--dns=10.0.0.1"),
    ("labels", ["a=b"], "--label c=d", "--label=a=b"),
    ("exec-opts", ["native.cgroupdriver=systemd"], "--exec-opt native.cgroupdriver=cgroupfs",
     "--exec-opt native.cgroupdriver=systemd"),
    ("group", "docker", "-G dockerroot", "--group=docker"),
    ("selinux-enabled", True, "--selinux-enabled=false", "--selinux-enabled"),
    ("cluster-store", "etcd://a", "--cluster-store=etcd://b", "--cluster-store etcd://a"),
    ("userns-remap", "default", "--userns-remap=anna", "--userns-remap default"),
]  # fmt: skip


def with_flag(flag: str, place: str) -> EngineSettings:
    """Return the settings of a node whose unit gets a flag in one of the places."""
    start = "ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"
    lines = [f"# {UNIT}", "[Service]", "Type=notify"]
    environment = {}
    match place:
        case "unit":
            lines.append(f"{start} {flag}")
        case "drop-in":
            lines += [start, f"# {DROP_IN}", "[Service]", "ExecStart=", f"{start} \\", f"  {flag}"]
        case "environment file":
            lines += [f"EnvironmentFile=-{SYSCONFIG}", f"{start} $OPTIONS"]
            environment[SYSCONFIG] = f"# /etc/sysconfig/docker\nOPTIONS='{flag}'\n"
        case "Environment=":
            lines += [f'Environment="OPTIONS={flag}"', f"{start} $OPTIONS"]
    output = settings_output(None, None, "\n".join(lines) + "\n", environment)
    return read(Observed(0, output))


PLACES = {"unit": UNIT, "drop-in": DROP_IN, "environment file": SYSCONFIG, "Environment=": UNIT}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("key", "value", "flag", "same"), SETTINGS, ids=lambda v: str(v)[:20])
def test_a_setting_that_is_also_a_flag(
    key: str, value: Any, flag: str, same: str, place: str
) -> None:
    """The engine would not start with both. With the same value, labctl writes no key."""
    found = merge(with_flag(flag, place), {key: value})
    (obstacle,) = found.obstacles
    assert json.dumps(value) in obstacle.message
    assert flag in obstacle.message
    assert PLACES[place] in obstacle.message
    assert f"remove {flag} from {PLACES[place]}" in obstacle.remedy
    assert "lab.yaml" in obstacle.remedy
    agreed = merge(with_flag(same, place), {key: value})
    assert (agreed.obstacles, agreed.settings, agreed.owned) == ((), {}, {})


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", ["registry-mirrors", "insecure-registries"])
def test_a_list_that_labctl_leaves_empty_is_left_to_the_flag(key: str, place: str) -> None:
    flag = {"registry-mirrors": "--registry-mirror=https://b"}.get(key, "--insecure-registry=b")
    found = merge(with_flag(flag, place), {key: []})
    assert (found.obstacles, found.settings) == ((), {})


@pytest.mark.parametrize(("key", "value", "flag", "same"), SETTINGS, ids=lambda v: str(v)[:20])
def test_a_setting_with_two_values_in_the_file(key: str, value: Any, flag: str, same: str) -> None:
    """Mirrors and registries are joined; of everything else, both values are shown."""
    other: Any = {"list": ["x"], "bool": not value, "int": 1, "dict": {"x": "y"}, "str": "x"}[
        type(value).__name__
    ]
    theirs = EngineSettings(json.dumps({key: other, "shutdown-timeout": 5}))
    found = merge(theirs, {key: value})
    if key in ("registry-mirrors", "insecure-registries"):
        assert found.obstacles == ()
        assert found.settings == {key: [*value, *other], "shutdown-timeout": 5}
        assert found.owned == {key: value}
    else:
        (obstacle,) = found.obstacles
        assert json.dumps(value) in obstacle.message
        assert json.dumps(other) in obstacle.message
        assert f"docker: {{daemon: {{{key}: {json.dumps(other)}}}}}" in obstacle.remedy
        adopted = merge(theirs, {key: value}, adopt=True)
        assert adopted.obstacles == ()
        assert adopted.settings == {key: value, "shutdown-timeout": 5}
    agreed = merge(EngineSettings(json.dumps({key: value})), {key: value})
    assert (agreed.obstacles, agreed.settings, agreed.owned) == ((), {key: value}, {key: value})


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("key", "value", "flag", "same"), SETTINGS, ids=lambda v: str(v)[:20])
def test_a_setting_that_others_have_twice(
    key: str, value: Any, flag: str, same: str, place: str
) -> None:
    """That engine is dead after its next start, whatever labctl wants."""
    unit = with_flag(flag, place).unit
    found = merge(EngineSettings(json.dumps({key: value}), None, unit), {})
    assert [obstacle.message for obstacle in found.obstacles] == [
        f"{key} is set twice: {flag} in {PLACES[place]}, "
        f"and {json.dumps(value)} in /etc/docker/daemon.json"
    ]


def test_runtimes_may_be_both() -> None:
    """As the packages for graphics cards have it; dockerd merges this key alone."""
    unit = with_flag("--add-runtime nvidia=/usr/bin/nvidia", "unit").unit
    found = merge(EngineSettings('{"runtimes": {"a": {}}}', None, unit), {"runtimes": {"a": {}}})
    assert found.obstacles == ()


def test_hosts_beside_the_unit_of_the_packages() -> None:
    """A daemon.json of docker 1.13, whose unit had no -H (moby#25471)."""
    theirs = EngineSettings('{"hosts": ["unix:///var/run/docker.sock"]}', None, PACKAGED)
    (obstacle,) = merge(theirs, {}).obstacles
    assert "hosts is set twice: -H fd://" in obstacle.message
    assert "systemctl edit docker" in obstacle.remedy
    # Somebody has solved it.
    solved = read(
        Observed(
            0,
            settings_output(
                theirs.text,
                None,
                f"# {UNIT}\nExecStart=/usr/bin/dockerd -H fd://\n# {DROP_IN}\nExecStart=\n"
                "ExecStart=/usr/bin/dockerd\n",
            ),
        )
    )
    assert merge(solved, {}).obstacles == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"log-opts": {"max-file": 3}}', "daemon.json.log-opts.max-file: must be a string, is 3"),
        ('{"debug": "true"}', "daemon.json.debug: must be true or false"),
        ('{"registry-mirror": ["https://a"]}', "did you mean 'registry-mirrors'?"),
        ('{"hosts": "tcp://0.0.0.0"}', "daemon.json.hosts: must be a list of strings"),
        ('{"mtu": 1 "debug": true}', "is not valid JSON: line 1, column 11"),
        ("[]", "is not valid JSON: no object in braces"),
    ],
)
def test_a_file_with_which_no_engine_starts(text: str, words: str) -> None:
    (obstacle,) = start_obstacles(EngineSettings(text), 19)
    assert words in obstacle.message
    assert obstacle.remedy


def test_all_conflicts_are_listed_together() -> None:
    unit = with_flag("--registry-mirror=https://b --log-level=warn", "drop-in").unit
    text = json.dumps({"mtu": 1500, "log-opts": {"max-file": 3}, "log-level": "info"})
    found = merge(
        EngineSettings(text, None, unit), {"registry-mirrors": ["https://a"], "mtu": 1400}
    )
    assert [obstacle.message.partition(":")[0].split(" ")[0] for obstacle in found.obstacles] == [
        "registry-mirrors",
        "mtu",
        "log-level",
        "daemon.json.log-opts.max-file",
    ]


# -- units as they are found


@pytest.mark.parametrize(
    ("text", "program", "flags"),
    [
        ("", "", []),
        ("[Service]\nExecStart=/usr/bin/dockerd\n", "/usr/bin/dockerd", []),
        (
            "ExecStart=-/usr/local/bin/dockerd -Hunix:///a -D --label 'a=b c'",
            "/usr/local/bin/dockerd",
            [("hosts", "unix:///a"), ("debug", "true"), ("labels", "a=b c")],
        ),
        (
            "ExecStart=/usr/bin/dockerd-current --exec-opt native.cgroupdriver=systemd "
            "--userland-proxy-path=/usr/libexec/docker/docker-proxy-current $NOT_SET $ALSO_NOT",
            "/usr/bin/dockerd-current",
            [
                ("exec-opts", "native.cgroupdriver=systemd"),
                ("userland-proxy-path", "/usr/libexec/docker/docker-proxy-current"),
            ],
        ),
        (
            "Environment=A=--debug B=tcp://0.0.0.0\nExecStart=/usr/bin/dockerd -H ${B} $A",
            "/usr/bin/dockerd",
            [("hosts", "tcp://0.0.0.0"), ("debug", "true")],
        ),
        (
            "# ExecStart=/bin/false\n;ExecStart=/bin/false\nExecStart=/a/dockerd\nExecStart=\n"
            "ExecStart=/b/dockerd --icc=false",
            "/b/dockerd",
            [("icc", "false")],
        ),
        ("ExecStart=/usr/bin/dockerd 'unbalanced", "/usr/bin/dockerd", []),
    ],
)
def test_units(text: str, program: str, flags: list[tuple[str, str]]) -> None:
    unit = read_unit(text, {})
    assert unit.program == program
    assert [(flag.key, flag.value) for flag in unit.flags] == flags


def test_values_of_environment_files_win() -> None:
    text = f"Environment=OPTIONS=--debug\nEnvironmentFile={SYSCONFIG}\nExecStart=/d $OPTIONS"
    (flag,) = read_unit(text, {SYSCONFIG: 'OPTIONS="--icc=false"\n'}).flags
    assert (flag.key, flag.source) == ("icc", SYSCONFIG)


@pytest.mark.parametrize(
    ("running", "old"),
    [
        (None, False),
        ("/usr/bin/dockerd\0-H\0fd://\0", False),
        ("/usr/bin/dockerd\0-H\0fd://\0--registry-mirror=https://b\0", True),
        ("/usr/bin/dockerd\0", True),
    ],
)
def test_an_engine_that_runs_with_flags_that_were_removed_is_restarted(
    running: str | None, old: bool
) -> None:
    """As after labctl's own advice. A reload would be refused because of the flag."""
    output = settings_output("{}", "{}", STARTS)
    if running is not None:
        output += f"running {base64.b64encode(running.encode()).decode()}\n"
    change = DaemonJson('{"registry-mirrors": ["https://a"]}').plan(Observed(0, output))
    assert change is not None
    assert f"/pending/docker.{'restart' if old else 'reload'}" in change.script


# -- before the first change


def look(
    text: str | None = None,
    objects: str = "",
    unit: str = "",
    *,
    owned: str | None = None,
    adopt: bool = False,
    replace: bool = False,
    **wanted: Any,
) -> tuple[list[str], list[str], list[str]]:
    """Return messages and remedies of the obstacles, and the notices."""
    check = EnginePreflight(
        {key.replace("_", "-"): value for key, value in wanted.items()},
        "20.10.24-3.el7", 20, adopt, replace,
    )  # fmt: skip
    found = check.examine(Observed(0, settings_output(text, owned, unit) + objects))
    return (
        [str(one.message) for one in found.obstacles],
        [str(one.remedy) for one in found.obstacles],
        [str(one) for one in found.notices],
    )


STARTS = f"# {UNIT}\n[Service]\nExecStart=/usr/bin/dockerd -H fd://\n"
DATA = "program /usr/bin/dockerd\nengine 20.10.24 /var/lib/docker overlay2 3 2 inactive\n"
DATA += "root /var/lib/docker overlay2 3 4 inactive\n"


def test_a_fresh_machine_has_nothing_in_the_way() -> None:
    assert look(registry_mirrors=["https://a"]) == ([], [], [])
    empty_folder = "root /var/lib/docker - 0 0 inactive\n"
    assert look(objects=empty_folder, registry_mirrors=["https://a"]) == ([], [], [])


def test_a_machine_that_labctl_has_set_up_needs_no_words() -> None:
    wanted: dict[str, Any] = {"registry-mirrors": []}
    assert look(
        json.dumps(wanted), DATA, STARTS, owned=json.dumps(wanted), registry_mirrors=[]
    ) == (
        [],
        [],
        [],
    )


def test_what_is_there_is_listed() -> None:
    obstacles, _, notices = look('{"labels": ["a"]}', DATA, STARTS, registry_mirrors=["https://a"])
    assert obstacles == []
    text = "\n".join(notices)
    assert "engine found: /usr/bin/dockerd 20.10.24, unit" in text
    assert "its flags: -H fd://" in text
    assert "/var/lib/docker: 3 containers, 4 volumes" in text
    assert 'has labels=["a"]' in text
    assert "labctl will set registry-mirrors" in text


@pytest.mark.parametrize(
    ("text", "unit", "wanted", "word"),
    [
        pytest.param(None, STARTS, {"data_root": "/data"}, "/data", id="lab.yaml moves the data"),
        pytest.param(
            None, STARTS, {"userns_remap": "default"}, "userns-remap", id="lab.yaml remaps users"
        ),
        pytest.param(
            None, STARTS, {"storage_driver": "vfs"}, "from overlay2 to vfs", id="another driver"
        ),
    ],
)
def test_nothing_goes_out_of_sight(
    text: str | None, unit: str, wanted: dict[str, Any], word: str
) -> None:
    (message,), (remedy,), _ = look(text, DATA, unit, **wanted)
    assert word in message
    assert "3 containers and 4 volumes in /var/lib/docker" in message or (
        "3 containers and 4 volumes are in /var/lib/docker" in message
    )
    assert "--adopt" in remedy
    assert look(text, DATA, unit, adopt=True, **wanted)[0] == []
    empty = DATA.replace(" 3 ", " 0 ").replace(" 4 ", " 0 ")
    assert look(text, empty, unit, **wanted)[0] == []


def test_a_data_root_that_leaves_lab_yaml_takes_the_data_with_it() -> None:
    objects = "root /data overlay2 1 1 inactive\n"
    keys = '{"data-root": "/data"}'
    (message,), _, _ = look(keys, objects, STARTS, owned=keys)
    assert (
        "1 containers and 1 volumes are in /data; the engine would not see them in /var/lib"
        in message
    )
    assert look(keys, objects, STARTS, owned=keys, data_root="/data")[0] == []


def test_the_driver_that_is_in_use_may_be_named() -> None:
    assert look(None, DATA, STARTS, storage_driver="overlay2")[0] == []


@pytest.mark.parametrize("where", ["lab.yaml", "daemon.json", "flag"])
def test_live_restore_and_a_swarm(where: str) -> None:
    objects = DATA.replace("inactive", "active")
    text = '{"live-restore": true}' if where == "daemon.json" else None
    unit = STARTS.replace("fd://", "fd:// --live-restore") if where == "flag" else STARTS
    wanted: dict[str, Any] = {"live_restore": True} if where == "lab.yaml" else {}
    (message,), (remedy,), _ = look(text, objects, unit, **wanted)
    assert "live-restore is on and this node is in a swarm" in message
    assert "docker swarm leave" in remedy
    assert look(text, DATA, unit, **wanted)[0] == []


@pytest.mark.parametrize(
    ("unit", "named"),
    [
        (
            "# /etc/systemd/system/docker.service\nExecStart=/opt/docker/dockerd\n",
            "/etc/systemd/system/docker.service",
        ),
        (f"# {UNIT}\nExecStart=/usr/bin/dockerd\n# {DROP_IN}\nExecStart=/usr/local/bin/dockerd\n",
         DROP_IN),
    ],
)  # fmt: skip
def test_another_program_than_that_of_the_packages(unit: str, named: str) -> None:
    (message,), (remedy,), _ = look(None, "engine 18.09.9 /a overlay2 0 0 inactive\n", unit)
    assert message.startswith(f"{named} starts /")
    assert "(18.09.9)" in message
    assert f"sudo mv {named} {named}.before-labctl" in remedy


OLD = "package docker 1.13.1-210.el7.centos\npackage docker-common 1.13.1-210.el7.centos\n"
CURRENT = "ExecStart=/usr/bin/dockerd-current --log-driver=journald\n"


def test_the_unit_of_old_packages_leaves_with_them() -> None:
    wanted: dict[str, Any] = {"log_driver": "json-file"}
    assert look(None, OLD, f"# {UNIT}\n{CURRENT}", replace=True, **wanted)[0] == []


@pytest.mark.parametrize("packages", [OLD, ""], ids=["old packages", "they are gone"])
@pytest.mark.parametrize("file", [DROP_IN, "/etc/systemd/system/docker.service"])
def test_a_drop_in_outlives_the_package_whose_program_it_starts(file: str, packages: str) -> None:
    """The new engine would not start: its command is that of the old one."""
    unit = f"# {UNIT}\n{CURRENT}# {file}\nExecStart=\n{CURRENT}"
    (message,), (remedy,), _ = look(None, packages, unit, replace=True)
    assert message == f"{file} starts /usr/bin/dockerd-current instead of docker-ce 20.10.24-3.el7"
    assert f"sudo mv {file} {file}.before-labctl" in remedy


def test_flags_of_a_drop_in_outlive_old_packages() -> None:
    start = "ExecStart=/usr/bin/dockerd --log-driver=journald\n"
    unit = f"# {UNIT}\n{CURRENT}# {DROP_IN}\nExecStart=\n{start}"
    (message,), _, _ = look(None, OLD, unit, replace=True, log_driver="json-file")
    assert f"{DROP_IN} starts dockerd with --log-driver=journald" in message


def test_old_packages_are_named_with_the_command() -> None:
    objects = "package docker 1.13.1-209\npackage podman 1.6.4-32\n"
    unit = "# /usr/lib/systemd/system/docker.service\nExecStart=/usr/bin/dockerd-current\n"
    (message,), (remedy,), _ = look(None, objects, unit)
    assert "docker 1.13.1-209, podman 1.6.4-32" in message
    assert "`sudo yum remove docker podman`" in remedy
    assert look(None, objects, unit, replace=True)[0] == []
    # The unit goes with them, and the one that comes has -H.
    assert any(
        "hosts is set twice" in one for one in look('{"hosts": ["fd://"]}', objects, unit)[0]
    )


def test_an_invalid_file_that_names_the_data_stops_the_run() -> None:
    (message,), _, _ = look('{"data-root": "/data",}', DATA, STARTS)
    assert "is not valid JSON" in message
    assert look('{"debug": true,}', DATA, STARTS)[0] == []


def test_a_node_that_does_not_answer_the_question_is_an_error() -> None:
    check = EnginePreflight({}, "20.10.24", 20)
    with pytest.raises(ValueError, match="cannot be read: base64: denied"):
        check.examine(Observed(1, "base64: denied"))
