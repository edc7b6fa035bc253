"""Every resource as a table: what it wants, what was seen, what it would do.

Whether the scripts do what they should is tested in a real sh (tests/integration).
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from labctl.config.daemon_json import canonical
from labctl.playbook import (
    Absent,
    Block,
    Command,
    DaemonJson,
    Directory,
    Download,
    File,
    GroupMember,
    Link,
    LoadedBy,
    Package,
    Packages,
    RepositorySection,
    Service,
    SigningKey,
    repository_file,
)
from labctl.provision.resources.base import Change, Resource, quote, text_diff
from labctl.remote.exchange import Observed
from tests.unit.fakes import settings_output

NOTHING_THERE = Observed(1, "stat: cannot stat '/etc/motd': No such file or directory\n")
DIGEST = "1cb7ecccc17c8d5f1888f9e2b3211b07e35c86d0010a6c0f711fe65ef5b69528"
OTHER = "f3f10cf3dbb8107e9ba2ea5f23c1d2159ff7321d16f0a23051d68d8e2547b323"
PRINT = "060A61C51B558A7F742B77AAC52FEB6B621E9F35"
MOTD = File("/etc/motd", "hello\n")
COMPOSE = Download("https://example.org/compose", "/usr/local/bin/docker-compose", DIGEST)
KEY = SigningKey("labctl-docker", "https://example.org/gpg", PRINT)
DOCKER = Service("docker")


def engine(text: str | None = None, owned: str | None = None, unit: str = "") -> Observed:
    """Return what a node prints of its engine's settings."""
    return Observed(0, settings_output(text, owned, unit))


UP = "UnitFileState=enabled\nActiveState=active\nNeedDaemonReload=no\n"
ENGINE = Packages((Package("docker-ce", "19.03.9-3.el7"), Package("docker-ce-cli", "19.03.8")))
NODES = Block("/etc/hosts", "nodes", ("192.168.56.11 docker-node1",))
BEGIN, END = NODES.begin, NODES.end

AS_WANTED: list[tuple[Resource, Observed]] = [
    (MOTD, Observed(0, "0644 root:root\nhello\n")),
    (File("/a", "", mode="0600", owner="a:b"), Observed(0, "0600 a:b\n")),
    (File("/a", "no end", mode="4755"), Observed(0, "4755 root:root\nno end")),
    (File("/a", "0644 root:root\n"), Observed(0, "0644 root:root\n0644 root:root\n")),
    (Directory("/srv"), Observed(0, "0755 root:root\n")),
    (Directory("/srv", mode="0700", owner="anna:staff"), Observed(0, "0700 anna:staff\n")),
    (Link("/usr/bin/x", "/opt/x"), Observed(0, "/opt/x\n")),
    (Link("/usr/bin/x", "/opt/my x"), Observed(0, "/opt/my x\n")),
    (Absent("/etc/old"), Observed(1, "")),
    (COMPOSE, Observed(0, f"0755\n{DIGEST}  /usr/local/bin/docker-compose\n")),
    # sha256sum marks a name with a backslash in it by a backslash before the digest.
    (
        Download("https://a/b", "/a\\b", DIGEST),
        Observed(0, f"0755\n\\{DIGEST}  /a\\\\b\n"),
    ),
    (Command("do it", "check", "apply"), Observed(0, "any output")),
    (GroupMember("vagrant", "docker"), Observed(0, "vagrant wheel docker\n")),
    (DOCKER, Observed(0, UP)),
    (DOCKER, Observed(0, UP.replace("=active", "=reloading"))),
    (KEY, Observed(0, f"{PRINT}\n")),
    (
        ENGINE,
        Observed(0, "docker-ce 19.03.9-3.el7\ndocker-ce-cli 19.03.8-3.el7\n"),
    ),
    (Packages((Package("lvm2"),)), Observed(0, "lvm2 2.02.187-6.el7_9.5\n")),
    # A warning of rpm in between is no package.
    (
        Packages((Package("lvm2"),)),
        Observed(0, "warning: Header V3 RSA/SHA1 Signature: NOKEY\nlvm2 2.02.187-6.el7\n"),
    ),
    (NODES, Observed(0, f"{BEGIN}\n192.168.56.11 docker-node1\n{END}\n")),
    (Block("/etc/hosts", "pins", ()), Observed(0, "127.0.0.1 localhost\n")),
    (Block("/etc/hosts", "pins", ()), Observed(0, "")),
    (DaemonJson("{}\n"), engine("{}\n", owned="{}")),
    # Somebody else's keys and layout are left alone.
    (DaemonJson('{"mtu": 1}'), engine('{"labels":["a"],"mtu":1}', owned='{"mtu": 1}')),
]


@pytest.mark.parametrize(("resource", "seen"), AS_WANTED)
def test_as_wanted(resource: Resource, seen: Observed) -> None:
    assert resource.plan(seen) is None


CHANGES: list[tuple[Resource, Observed, str, str]] = [
    # -- files
    (
        MOTD,
        NOTHING_THERE,
        "write /etc/motd",
        "--- /etc/motd (on the node)\n+++ /etc/motd (wanted)\n@@ -0,0 +1 @@\n+hello",
    ),
    (
        MOTD,
        Observed(0, "0644 root:root\ngoodbye\n"),
        "update /etc/motd",
        "--- /etc/motd (on the node)\n+++ /etc/motd (wanted)\n@@ -1 +1 @@\n-goodbye\n+hello",
    ),
    (MOTD, Observed(0, "0600 root:root\nhello\n"), "update /etc/motd", "-mode 0600\n+mode 0644"),
    (
        MOTD,
        Observed(0, "0644 anna:root\nhello\n"),
        "update /etc/motd",
        "-owner anna:root\n+owner root:root",
    ),
    (
        MOTD,
        Observed(0, "4644 anna:root\nhello\n"),
        "update /etc/motd",
        "-mode 4644\n+mode 0644\n-owner anna:root\n+owner root:root",
    ),
    # -- folders and links
    (Directory("/srv"), Observed(1, ""), "create the folder /srv", ""),
    (
        Directory("/srv"),
        Observed(0, "0700 root:root\n"),
        "create the folder /srv",
        "-0700 root:root\n+0755 root:root",
    ),
    (Link("/bin/x", "/opt/x"), Observed(0, ""), "link /bin/x to /opt/x", "+/opt/x"),
    (
        Link("/bin/x", "/opt/x"),
        Observed(0, "/opt/y\n"),
        "link /bin/x to /opt/x",
        "-/opt/y\n+/opt/x",
    ),
    (Absent("/etc/old"), Observed(0, ""), "remove /etc/old", "-/etc/old"),
    # -- downloads and keys
    (COMPOSE, NOTHING_THERE, f"download {COMPOSE.path}", f"-absent\n+{DIGEST} 0755"),
    (
        COMPOSE,
        Observed(0, f"0755\n{OTHER}  x\n"),
        f"download {COMPOSE.path}",
        f"-{OTHER} 0755\n+{DIGEST} 0755",
    ),
    (
        COMPOSE,
        Observed(0, f"0644\n{DIGEST}  x\n"),
        f"set the mode of {COMPOSE.path}",
        f"-{DIGEST} 0644\n+{DIGEST} 0755",
    ),
    (KEY, Observed(1, ""), "fetch the signing key labctl-docker", f"+{PRINT}"),
    (
        KEY,
        Observed(0, f"{PRINT}\n{OTHER[:40].upper()}\n"),
        "fetch the signing key labctl-docker",
        f"-{PRINT}\n-{OTHER[:40].upper()}\n+{PRINT}",
    ),
    # -- commands and members
    (
        Command("update certificates", "x", "y"),
        Observed(1, ""),
        "update certificates",
        "-not done\n+update certificates",
    ),
    (
        Command("update certificates", "x", "y"),
        Observed(2, "of 2020\n"),
        "update certificates",
        "-of 2020\n+update certificates",
    ),
    (
        GroupMember("vagrant", "docker"),
        Observed(0, "vagrant wheel\n"),
        "add vagrant to the group docker",
        "+docker",
    ),
    (
        GroupMember("vagrant", "docker"),
        Observed(0, "docker-admins dockerroot\n"),
        "add vagrant to the group docker",
        "+docker",
    ),
    # -- packages
    (
        ENGINE,
        Observed(2, "package docker-ce is not installed\npackage docker-ce-cli is not installed\n"),
        "install docker-ce 19.03.9-3.el7, docker-ce-cli 19.03.8",
        "+docker-ce 19.03.9-3.el7\n+docker-ce-cli 19.03.8",
    ),
    (
        ENGINE,
        Observed(1, "package docker-ce is not installed\ndocker-ce-cli 19.03.8-3.el7\n"),
        "install docker-ce 19.03.9-3.el7",
        "+docker-ce 19.03.9-3.el7",
    ),
    (
        ENGINE,
        Observed(0, "docker-ce 20.10.24-3.el7\ndocker-ce-cli 20.10.24-3.el7\n"),
        "downgrade docker-ce 19.03.9-3.el7, docker-ce-cli 19.03.8",
        "-docker-ce 20.10.24-3.el7\n+docker-ce 19.03.9-3.el7\n"
        "-docker-ce-cli 20.10.24-3.el7\n+docker-ce-cli 19.03.8",
    ),
    (
        ENGINE,
        Observed(0, "docker-ce 18.09.9-3.el7\ndocker-ce-cli 19.03.15-3.el7\n"),
        "install docker-ce 19.03.9-3.el7, downgrade docker-ce-cli 19.03.8",
        "-docker-ce 18.09.9-3.el7\n+docker-ce 19.03.9-3.el7\n"
        "-docker-ce-cli 19.03.15-3.el7\n+docker-ce-cli 19.03.8",
    ),
    # 19.03.8 is no beginning of 19.03.80.
    (
        Packages((Package("docker-ce-cli", "19.03.8"),)),
        Observed(0, "docker-ce-cli 19.03.80-3.el7\n"),
        "downgrade docker-ce-cli 19.03.8",
        "-docker-ce-cli 19.03.80-3.el7\n+docker-ce-cli 19.03.8",
    ),
    (
        Packages((Package("lvm2"),)),
        Observed(1, "package lvm2 is not installed\n"),
        "install lvm2",
        "+lvm2",
    ),
    # -- services
    (
        DOCKER,
        Observed(0, "UnitFileState=disabled\nActiveState=inactive\nNeedDaemonReload=no\n"),
        "enable and start docker",
        "-disabled\n+enabled\n-inactive\n+active",
    ),
    (
        DOCKER,
        Observed(0, UP.replace("=active", "=failed")),
        "start docker",
        "-failed\n+active",
    ),
    (
        DOCKER,
        Observed(0, UP.replace("enabled", "disabled")),
        "enable docker",
        "-disabled\n+enabled",
    ),
    (
        DOCKER,
        Observed(0, UP + "Pending=restart\n"),
        "restart docker",
        "-files changed since the last restart\n+files loaded by a restart",
    ),
    (
        DOCKER,
        Observed(0, UP + "Pending=reload\n"),
        "reload docker",
        "-files changed since the last reload\n+files loaded by a reload",
    ),
    (
        DOCKER,
        Observed(0, UP + "Pending=restart\nPending=reload\n"),
        "restart docker",
        "-files changed since the last restart\n+files loaded by a restart",
    ),
    # A service that does not run needs no reload besides.
    (
        DOCKER,
        Observed(0, UP.replace("=active", "=inactive") + "Pending=reload\n"),
        "start docker",
        "-inactive\n+active",
    ),
    (
        DOCKER,
        Observed(0, UP.replace("NeedDaemonReload=no", "NeedDaemonReload=yes")),
        "load the changed unit docker",
        "-unit file changed on disk\n+unit file loaded",
    ),
    (
        DOCKER,
        Observed(127, "sh: systemctl: not found\n"),
        "enable and start docker",
        "-not enabled\n+enabled\n-unknown\n+active",
    ),
    # -- blocks
    (
        NODES,
        Observed(0, "127.0.0.1 localhost\n"),
        "update the block nodes in /etc/hosts",
        "--- /etc/hosts (on the node)\n+++ /etc/hosts (wanted)\n@@ -1 +1,4 @@\n"
        f" 127.0.0.1 localhost\n+{BEGIN}\n+192.168.56.11 docker-node1\n+{END}",
    ),
]


@pytest.mark.parametrize(("resource", "seen", "summary", "diff"), CHANGES)
def test_change(resource: Resource, seen: Observed, summary: str, diff: str) -> None:
    change = resource.plan(seen)
    assert isinstance(change, Change)
    assert (change.summary, change.diff) == (summary, diff)
    assert change.script


REFUSED: list[tuple[Resource, Observed, str]] = [
    (Link("/bin/x", "/opt/x"), Observed(3, ""), "/bin/x exists and is not a link"),
    (Absent("/srv"), Observed(3, ""), "/srv is a folder"),
    (GroupMember("anna", "docker"), Observed(1, "id: anna: no such user\n"), "no user anna"),
    (NODES, Observed(1, "cat: /etc/hosts: Permission denied\n"), "cannot be read: cat"),
    (NODES, Observed(0, f"{BEGIN}\n"), "marks .* are damaged"),
    (NODES, Observed(0, f"{END}\n"), "marks .* are damaged"),
    (NODES, Observed(0, f"{END}\n{BEGIN}\n"), "marks .* are damaged"),
    (NODES, Observed(0, f"{BEGIN}\n{END}\n" * 2), "marks .* are damaged"),
    (NODES, Observed(0, f"{BEGIN}\n{BEGIN}\n{END}\n"), "marks .* are damaged"),
    (NODES, Observed(0, "a\0b\n"), "NUL byte"),
]


@pytest.mark.parametrize(("resource", "seen", "message"), REFUSED)
def test_what_cannot_be_reached_is_refused(
    resource: Resource, seen: Observed, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        resource.plan(seen)


def script_of(resource: Resource, seen: Observed = NOTHING_THERE) -> str:
    change = resource.plan(seen)
    assert change is not None
    return change.script


# -- ids


def test_every_resource_has_an_id_of_its_own() -> None:
    resources: list[Resource] = [
        MOTD,
        File("/etc/issue", ""),
        Directory("/etc/motd"),
        Link("/etc/motd", "/x"),
        Absent("/etc/motd"),
        NODES,
        Block("/etc/hosts", "pins", ()),
        Block("/etc/motd", "nodes", ()),
        COMPOSE,
        Command("a", "", ""),
        Command("b", "", ""),
        GroupMember("a", "b"),
        GroupMember("b", "a"),
        DOCKER,
        ENGINE,
        KEY,
    ]
    assert len({resource.id for resource in resources}) == len(resources)
    assert all(isinstance(resource, Resource) for resource in resources)


# -- packages


@pytest.mark.parametrize(
    ("version", "installed", "matches"),
    [
        ("", "1.0-1", True),
        ("1.0", "1.0-1", True),
        ("1.0-1", "1.0-1", True),
        ("1.0-1", "1.0-1.el7", False),
        ("1.0", "1.0.1-1", False),
        ("1.0.1", "1.0-1", False),
    ],
)
def test_matching_versions(version: str, installed: str, matches: bool) -> None:
    assert Package("a", version).matches(installed) is matches


def words_of(script: str) -> list[str]:
    return [word for word in shlex.split(script) if not word.startswith("--setopt=")]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (
            "",
            ["yum", "-y", "install", "docker-ce-19.03.9-3.el7", "docker-ce-cli-19.03.8"],
        ),
        (
            "docker-ce 20.10.24-3.el7\ndocker-ce-cli 19.03.8-3.el7\n",
            ["yum", "-y", "downgrade", "docker-ce-19.03.9-3.el7"],
        ),
        (
            "docker-ce 20.10.24-3.el7\ndocker-ce-cli 18.09.1-3.el7\n",
            [
                *("printf", "%s\\n", "install docker-ce-cli-19.03.8"),
                *("downgrade docker-ce-19.03.9-3.el7", "run", "|", "yum", "-y", "shell"),
            ],
        ),
    ],
)
def test_one_transaction(seen: str, words: list[str]) -> None:
    script = script_of(ENGINE, Observed(1, seen))
    assert words_of(script) == words
    # yum 3 would install the rest and end with 0 where one name does not exist.
    assert "--setopt=skip_missing_names_on_install=False" in script


# -- services


def test_what_runs_is_not_touched_by_what_is_only_enabled() -> None:
    script = script_of(DOCKER, Observed(0, UP.replace("enabled", "disabled")))
    assert script == "set -e\nsystemctl enable docker.service"


@pytest.mark.parametrize("pending", ["Pending=reload\n", "Pending=restart\nPending=reload\n"])
def test_a_reload_is_a_restart_where_any_file_needs_one(pending: str) -> None:
    script = script_of(DOCKER, Observed(0, UP + pending))
    verb = "restart" if "restart" in pending else "reload"
    assert f"unit=docker.service\nhow={verb}\n" in script


# -- the engine's configuration


@pytest.mark.parametrize(
    ("old", "new", "how"),
    [
        ("", '{"registry-mirrors": ["https://a"]}', "reload"),
        ("{}", '{"registry-mirrors": ["https://a"]}', "reload"),
        ('{"registry-mirrors": ["https://a"]}', '{"registry-mirrors": []}', "reload"),
        ('{"debug": true, "mtu": 1400}', '{"debug": false, "mtu": 1400, "labels": []}', "reload"),
        ('{"max-concurrent-uploads": 1}', '{"max-concurrent-downloads": 1}', "reload"),
        ('{"runtimes": {"a": {}, "b": {}}}', '{"runtimes": {"a": {}}}', "reload"),
        # As labctl 0.1 wrote it, without what is empty.
        ("{}", '{"insecure-registries": [], "registry-mirrors": []}', "reload"),
        # The engine keeps settings that the file no longer has.
        ('{"registry-mirrors": ["https://a"]}', "{}", "restart"),
        ('{"debug": true, "mtu": 1400}', '{"mtu": 1400, "labels": ["a"]}', "restart"),
        ('{"labels": ["a"]}', '{"max-concurrent-uploads": 1}', "restart"),
        ('{"live-restore": true}', "", "restart"),
        ('{"runtimes": {"a": {}}}', "{}", "restart"),
        ('{"mtu": 1400}', "{}", "restart"),
        ('{"mtu": 1400}', '{"mtu": 1450}', "restart"),
        ("{}", '{"data-root": "/data", "debug": true}', "restart"),
        ('{"registry-mirrors": [', "{}", "restart"),
        ("[]", "{}", "restart"),
        ("caf\udce9", "{}", "restart"),
    ],
)
def test_the_engine_is_restarted_only_where_a_reload_does_not_do(
    old: str, new: str, how: str
) -> None:
    script = script_of(DaemonJson(new), engine(old, owned=old))
    other = "restart" if how == "reload" else "reload"
    assert f"/var/lib/labctl/pending/docker.{how}" in script
    assert f"/var/lib/labctl/pending/docker.{other}" not in script


def test_a_configuration_that_was_not_there() -> None:
    mirrors, mtu = DaemonJson('{"registry-mirrors": []}'), DaemonJson('{"mtu": 1400}')
    assert "docker.reload" in script_of(mirrors, engine())
    assert "docker.restart" in script_of(mtu, engine())


def test_other_services_of_that_engine() -> None:
    assert "/pending/dockerd2.reload" in script_of(DaemonJson("{}", service="dockerd2"), engine())


@pytest.mark.parametrize(
    ("major", "old", "kept", "gone"),
    [
        (
            26,
            {"mtu": 1, "cluster-store": "a", "labels": []},
            {"mtu": 1, "labels": []},
            "cluster-store",
        ),
        (19, {"proxies": {}, "mtu": 1, "ip6tables": True}, {"mtu": 1}, "proxies, ip6tables"),
        (23, {"default-network-opts": {}, "proxies": {}}, {"proxies": {}}, "default-network-opts"),
        (23, {"graph": "/data"}, {}, "graph"),
    ],
)
def test_keys_that_the_wanted_engine_does_not_have_are_removed(
    major: int, old: dict[str, Any], kept: dict[str, Any], gone: str
) -> None:
    change = DaemonJson("{}", major).plan(engine(json.dumps(old)))
    assert change is not None
    why = f"because engine {major} does not support it"
    assert change.summary == f"remove {gone} from /etc/docker/daemon.json, {why}"
    assert f"content={quote(canonical(kept))}\n" in change.script
    assert "/pending/docker.restart" in change.script
    assert "backup=/etc/docker/daemon.json.before-labctl\n" in change.script


@pytest.mark.parametrize(
    ("major", "old"),
    [
        (19, '{"cluster-store": "etcd://a", "mtu": 1400}'),
        (26, '{"proxies": {}, "mtu": 1400, "cdi-spec-dirs": []}'),
        (26, '{"nobody-has-heard-of": 1}'),  # labctl may be older than the engine
        (0, '{"cluster-store": "etcd://a", "proxies": {}}'),
        (26, "{}"),
    ],
)
def test_all_other_keys_stay(major: int, old: str) -> None:
    assert DaemonJson("{}", major).plan(engine(old, owned="{}")) is None


SLIPS = [
    ('{\n  "debug": true\n  "mtu": 1400\n}\n', "line 3, column 3: "),
    ('{"cluster-store": ', "line 1, column "),
    ("caf\udce9", "line 1, column 1: "),
    ("[1]", "no object in braces"),
]


@pytest.mark.parametrize(("text", "where"), SLIPS)
def test_an_invalid_daemon_json_is_set_aside(text: str, where: str) -> None:
    change = DaemonJson("{}").plan(engine(text))
    assert change is not None
    start = f"update /etc/docker/daemon.json, which is not valid JSON ({where}"
    assert change.summary.startswith(start)
    assert change.summary.endswith("and is kept as /etc/docker/daemon.json.no-json")
    assert "/pending/docker.restart" in change.script


@pytest.mark.parametrize("key", ["data-root", "graph", "storage-driver", "userns-remap"])
def test_an_invalid_daemon_json_that_sets_the_data_root_is_kept(key: str) -> None:
    """An engine without it would start, and show none of the containers and volumes."""
    with pytest.raises(ValueError, match="sets the folder of the engine's data"):
        DaemonJson("{}").plan(engine(f'{{"{key}": "/data", }}'))


def test_labctls_part_that_is_no_object_is_an_error() -> None:
    with pytest.raises(ValueError, match="is not a JSON object"):
        DaemonJson("[]").plan(engine())


# -- repositories


def test_repository_file() -> None:
    file = repository_file(
        "docker-ce",
        (
            RepositorySection("stable", "Docker Stable", "https://a/$basearch"),
            RepositorySection("test", "Docker Test", "https://b"),
        ),
        KEY,
    )
    assert file.path == "/etc/yum.repos.d/docker-ce.repo"
    assert file.backup
    header, stable, test = file.content.split("\n\n")
    assert header.startswith("# Written by labctl")
    gpg = "enabled=1\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/labctl-docker"
    assert stable == f"[stable]\nname=Docker Stable\nbaseurl=https://a/$basearch\n{gpg}"
    assert test == f"[test]\nname=Docker Test\nbaseurl=https://b\n{gpg}\n"


# -- blocks: every other byte stays


OUTSIDE = [
    "",
    "127.0.0.1 localhost\n",
    "no end of line",
    "\n\n\n",
    "dos\r\nlines\r\n",
    "caf\udce9 \udcff\n",
    "ü 🐳\x0c\x0b\x85\u2028x\n",
    "# labctl other: begin\n# labctl other: end\n",
    f" {BEGIN}\n{END} \n",
]


@pytest.mark.parametrize("before", OUTSIDE)
@pytest.mark.parametrize("after", OUTSIDE)
def test_a_block_leaves_the_rest_alone(before: str, after: str) -> None:
    before = before if not before or before.endswith("\n") else before + "\n"
    old = f"{before}{BEGIN}\nold\n{END}\n{after}"
    new = f"{before}{BEGIN}\n192.168.56.11 docker-node1\n{END}\n{after}"
    assert NODES.inserted(old) == new
    assert NODES.inserted(new) == new
    assert Block(NODES.path, NODES.name, ()).inserted(new) == before + after


@pytest.mark.parametrize("text", OUTSIDE)
def test_a_new_block_is_at_the_end(text: str) -> None:
    new = NODES.inserted(text)
    assert new.startswith(text)
    end = "" if not text or text.endswith("\n") else "\n"
    assert new[len(text) :] == f"{end}{BEGIN}\n192.168.56.11 docker-node1\n{END}\n"
    assert NODES.inserted(new) == new


def test_two_blocks_of_one_file() -> None:
    pins = Block("/etc/hosts", "pins", ("1.2.3.4 auth.docker.io",))
    both = pins.inserted(NODES.inserted("127.0.0.1 localhost\n"))
    assert NODES.inserted(both) == pins.inserted(both) == both
    without = Block("/etc/hosts", "nodes", ()).inserted(both)
    assert without == pins.inserted("127.0.0.1 localhost\n")


@pytest.mark.parametrize("lines", [(), ("",), ("a", "", "b"), ("caf\udce9",), (" x ", "\ty")])
def test_a_block_is_found_again(lines: tuple[str, ...]) -> None:
    block = Block("/etc/hosts", "b", lines)
    assert block.plan(Observed(0, block.inserted("x\n"))) is None


# -- hostile values


HOSTILE = [
    "it's",
    'say "no"',
    "$(touch /tmp/p) `id` ${HOME}",
    "two\nlines\n",
    "; exit 0 #",
    "back\\slash\\n %s %%",
    "-n",
    "* ? [a] ~ {a,b}",
    "ü 🐳",
]


def echoed(script: str) -> str:
    """Return what a real sh makes of a word."""
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, check=True, encoding="utf-8", timeout=10
    )
    return done.stdout


@pytest.mark.needs("sh")
def test_hostile_texts_are_one_word() -> None:
    words = " ".join(quote(text) for text in HOSTILE)
    assert echoed(f"printf '%s\\0' {words}").split("\0")[:-1] == HOSTILE


def resources_with(text: str) -> Sequence[tuple[Resource, Observed]]:
    """Return each resource with `text` in every place, and an observation that makes it change."""
    path = f"/tmp/{text}"
    return [
        (File(path, text, owner=text, loaded_by=LoadedBy(text), backup=True), NOTHING_THERE),
        (Directory(path, owner=text), NOTHING_THERE),
        (Link(path, text), Observed(0, "")),
        (Absent(path), Observed(0, "")),
        (Block(path, "b", (text,)), Observed(0, text)),
        (Service(text), Observed(0, "Pending=restart\n")),
        (Download(f"https://a/{text}", path, DIGEST), NOTHING_THERE),
        (GroupMember(text, text), Observed(0, "")),
        (Packages((Package(text, text), Package("a"))), Observed(1, "")),
        (SigningKey(text, f"https://a/{text}", PRINT), Observed(1, "")),
        (SigningKey(text, f"file:///{text}", PRINT), Observed(1, "")),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_do_not_open_the_quotes(text: str) -> None:
    """A value that came out of its quotes would leave words behind that name no program of ours."""
    for resource, seen in resources_with(text):
        for snippet in (resource.probe(), script_of(resource, seen)):
            assert text in "".join(shlex.split(snippet, comments=False)), resource.id


# -- diffs


def test_diff_of_what_is_equal_is_empty() -> None:
    assert text_diff("a\n", "a\n", "x") == ""
    assert text_diff("a\n", "b\n", "x").splitlines()[2:] == ["@@ -1 +1 @@", "-a", "+b"]
