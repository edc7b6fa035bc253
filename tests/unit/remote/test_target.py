"""How a node is reached: what Vagrant prints, what OpenSSH reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from labctl.remote.target import Target, parse_config

VIRTUALBOX = """\
Host docker-node1
  HostName 127.0.0.1
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile /home/anna/lab/.labctl/.vagrant/machines/docker-node1/virtualbox/private_key
  IdentitiesOnly yes
  LogLevel FATAL

"""
KEY = "/home/anna/lab/.labctl/.vagrant/machines/docker-node1/virtualbox/private_key"
NODE1 = Target("docker-node1", "127.0.0.1", 2222, "vagrant", (KEY,))


def with_keys(*lines: str) -> str:
    return "Host a\n  HostName 10.0.0.1\n" + "".join(f"  IdentityFile {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("", []),
        ("no such thing\n", []),
        (VIRTUALBOX, [NODE1]),
        (VIRTUALBOX.replace("\n", "\r\n"), [NODE1]),
        # Vagrant mixes what Ruby and its plugins have to say into its output.
        (
            "/usr/lib/ruby/gems/fog.rb:1: warning: already initialized constant\n"
            "[fog][WARNING] Unrecognized arguments: libvirt_ip_command\n"
            + VIRTUALBOX.replace("  Port", "==> a: a newer version is available\nwarning\n  Port"),
            [NODE1],
        ),
        (
            VIRTUALBOX + VIRTUALBOX.replace("node1", "node2").replace("2222", "2200"),
            [
                NODE1,
                Target(
                    "docker-node2", "127.0.0.1", 2200, "vagrant", (KEY.replace("node1", "node2"),)
                ),
            ],
        ),
        ("Host a\n", [Target("a", "a")]),
        (
            'Host a\n  HostName 10.0.0.1\n  ProxyCommand ssh -W %h:%p -q "my jump"\n',
            [Target("a", "10.0.0.1", proxy='ssh -W %h:%p -q "my jump"')],
        ),
        (with_keys("/k1", "/k2"), [Target("a", "10.0.0.1", keys=("/k1", "/k2"))]),
        (with_keys('"/home/my name/k"'), [Target("a", "10.0.0.1", keys=("/home/my name/k",))]),
        (with_keys("'/home/my name/k'"), [Target("a", "10.0.0.1", keys=("/home/my name/k",))]),
        (with_keys("/home/o'brien/k"), [Target("a", "10.0.0.1", keys=("/home/o'brien/k",))]),
        (with_keys("/home/o'brien my/k"), [Target("a", "10.0.0.1", keys=("/home/o'brien my/k",))]),
        (with_keys("C:/Users/Anna/k"), [Target("a", "10.0.0.1", keys=("C:/Users/Anna/k",))]),
        (
            with_keys('"C:\\Users\\Anna Berg\\k"', "C:\\Users\\Anna\\k"),
            [Target("a", "10.0.0.1", keys=("C:\\Users\\Anna Berg\\k", "C:\\Users\\Anna\\k"))],
        ),
    ],
)
def test_parse_config(text: str, targets: list[Target]) -> None:
    assert parse_config(text) == targets


TARGETS = [
    NODE1,
    Target("a", "node.example.org"),
    Target("a", "::1", 22, "root", ("/k 1", "/100%/k"), jump="anna@bastion:2200"),
    Target("a", "10.0.0.1", proxy="nc -X connect %h %p"),
    Target("a", "10.0.0.1", keys=("/home/o'brien/k", "/o'brien's own/k")),
]


@pytest.mark.parametrize("target", TARGETS)
def test_json_and_back(target: Target) -> None:
    assert Target.from_json(target.as_json()) == target


def test_a_config_asks_for_the_recorded_key() -> None:
    lines = NODE1.ssh_config(Path("/lab/.labctl/known_hosts")).splitlines()
    assert lines == [
        "Host docker-node1",
        "  HostName 127.0.0.1",
        "  Port 2222",
        "  User vagrant",
        "  HostKeyAlias docker-node1",
        "  UserKnownHostsFile /lab/.labctl/known_hosts",
        "  StrictHostKeyChecking yes",
        f"  IdentityFile {KEY}",
        "  IdentitiesOnly yes",
        "  LogLevel ERROR",
    ]


@pytest.mark.needs("ssh")
@pytest.mark.parametrize(
    "folder",
    ["my 100% lab", "o'brien", "%h", "~x", "-x", "#1", "a #1", "tab\there", "课程", "*;=x"],
)
@pytest.mark.parametrize("target", TARGETS)
def test_openssh_reads_what_is_written(target: Target, folder: str, tmp_path: Path) -> None:
    known = tmp_path / folder / "known_hosts"
    config = tmp_path / "config"
    config.write_text(target.ssh_config(known))
    done = subprocess.run(
        ["ssh", "-G", "-F", str(config), target.name],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    seen: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        # Some options are printed with %% expanded to the one % that it stands for, some without.
        seen.setdefault(key, []).append(value.replace("%%", "%"))
    assert seen["hostname"] == [target.host]
    assert seen["port"] == [str(target.port)]
    assert seen["hostkeyalias"] == [target.name]
    assert seen["userknownhostsfile"] == [str(known)]
    assert seen["stricthostkeychecking"] in (["true"], ["yes"])
    if target.keys:
        assert seen["identityfile"] == list(target.keys)
        assert seen["identitiesonly"] == ["yes"]
    if target.user:
        assert seen["user"] == [target.user]
    assert seen.get("proxyjump", [""]) == [target.jump]
    assert seen.get("proxycommand", [""]) == [target.proxy]
