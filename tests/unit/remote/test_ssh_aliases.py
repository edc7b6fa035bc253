"""Machines of lab.yaml that the user's ssh configuration knows, by the real `ssh -G`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labctl.lab.node_list import NodeList
from labctl.remote.target import Target
from tests.unit.fakes import lab_spec

CONFIG = """\
Host pc_1
  HostName 10.20.0.11
  Port 2200
  User anna
  IdentityFile ~/.ssh/room
  ProxyJump gate
Host gate
  HostName gate.example
  User guest
  Port 2222
Host behind
  HostName 10.20.0.12
  ProxyCommand nc -X connect %h %p
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".ssh" / "config"
    file.parent.mkdir(mode=0o700)
    file.write_text(CONFIG, "utf-8")
    file.chmod(0o600)
    return file


def target(**machine: Any) -> Target:
    existing = NodeList.of(lab_spec(machines=[{"name": "a", **machine}])).existing
    assert existing is not None
    return existing["a"]


@pytest.mark.needs("ssh")
def test_an_alias_stands_for_what_ssh_makes_of_it() -> None:
    found = target(host="pc_1")
    assert (found.host, found.port, found.user) == ("10.20.0.11", 2200, "anna")
    assert found.keys == ("~/.ssh/room",)
    assert found.jump == "guest@gate.example:2222"
    assert found.existing


@pytest.mark.needs("ssh")
def test_keys_of_lab_yaml_win() -> None:
    found = target(host="pc_1", port=22, user="root", key="/k", jump="me@other:99")
    assert found == Target("a", "10.20.0.11", 22, "root", ("/k",), "me@other:99", existing=True)
    assert target(host="10.9.0.1", jump="gate").jump == "guest@gate.example:2222"
    assert target(host="10.9.0.1", jump="me@gate:1").jump == "me@gate.example:1"


@pytest.mark.needs("ssh")
def test_a_proxy_command_is_kept() -> None:
    assert target(host="behind").proxy == "nc -X connect %h %p"


@pytest.mark.needs("ssh")
def test_hosts_that_the_configuration_does_not_name_are_as_they_are() -> None:
    plain = Target("a", "10.9.0.1", 22, "", (), "", existing=True)
    assert target(host="10.9.0.1") == plain


def test_without_a_configuration_ssh_is_not_run(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.unlink()
    monkeypatch.setattr("subprocess.run", None)
    assert target(host="pc_1").host == "pc_1"


@pytest.mark.needs("ssh")
def test_a_configuration_that_ssh_refuses_changes_nothing(config: Path) -> None:
    config.write_text("Nonsense yes\n", "utf-8")
    assert target(host="pc_1").host == "pc_1"
