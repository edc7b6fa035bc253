"""The proxy in the Docker client's files: merged with what is there, and taken out again whole."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from labctl.config.proxy import ProxyAddress, ProxySettings
from labctl.errors import ChangeFailed
from labctl.provision.resources import client_proxy
from labctl.provision.resources.client_proxy import ClientProxy
from tests.integration.resources.local_shell import LocalShell

PROXY = ProxyAddress("proxy", 3128, "anna", "s@fe'\"$")
SET = ProxySettings(PROXY, PROXY, ("127.0.0.1", "docker-node1"))
OTHER = ProxySettings(None, ProxyAddress("10.0.0.1", 8080), ("127.0.0.1",))
NAMED = {
    "httpProxy": "http://anna:s%40fe%27%22%24@proxy:3128",
    "httpsProxy": "http://anna:s%40fe%27%22%24@proxy:3128",
    "noProxy": "127.0.0.1,docker-node1",
}
LOGIN = '{ "auths":{"school.example": {"auth": "eDp5"}},\n    "credsStore" : "pass"}\n\n'
# Stands for the node's users: they have homes in the test's folder, and become one another.
SUDO = """#!/bin/sh
[ "$1 $2 $3" = "-n -H -u" ] || exit 9
HOME=$PWD/homes/$4; export HOME; shift 4; exec "$@"
"""
ID = '#!/bin/sh\n[ -d "$PWD/homes/$1" ]\n'


@pytest.fixture
def node(shell: LocalShell, monkeypatch: pytest.MonkeyPatch) -> LocalShell:
    """A node with the users anna and root."""
    programs = shell.folder / "programs"
    programs.mkdir()
    for name, text in (("sudo", SUDO), ("id", ID)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for user in ("anna", "root"):
        (shell.folder / "homes" / user).mkdir(parents=True)
    shell.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    monkeypatch.setattr(client_proxy, "KEPT", str(shell.folder / "kept"))
    return shell


def config(node: LocalShell, user: str = "anna") -> Path:
    return node.folder / "homes" / user / ".docker" / "config.json"


def write(node: LocalShell, text: str) -> None:
    config(node).parent.mkdir(exist_ok=True)
    config(node).write_text(text)


def applied(node: LocalShell, proxies: ProxySettings | None, *users: str) -> list[str]:
    """Apply, apply again without a change, and return the diffs."""
    resource = ClientProxy(users or ("anna",), proxies)
    done = node.apply(resource)
    again = node.apply(resource)
    assert (again.changes, again.exchanges) == ((), 1)
    return [change.diff for change in done.changes]


def test_a_file_of_its_own_comes_and_goes(node: LocalShell) -> None:
    (diff,) = applied(node, SET, "anna", "nobody-here", "root")
    assert diff.splitlines() == [
        f"+~{user}/.docker/config.json proxies: http://anna:•••@proxy:3128"
        for user in ("anna", "root")
    ]
    for user in ("anna", "root"):
        assert json.loads(config(node, user).read_text()) == {"proxies": {"default": NAMED}}
        assert stat.S_IMODE(config(node, user).stat().st_mode) == 0o600
    applied(node, None)
    assert not config(node).parent.exists()
    assert not config(node, "root").parent.exists()  # users who left the list too
    assert not (node.folder / "kept").exists()
    assert applied(node, None) == []


@pytest.mark.parametrize("text", [LOGIN, "{}", "", '{\n\t"auths": {}\n}', '{"proxies": {}}\n'])
def test_what_is_there_stays_and_comes_back_byte_by_byte(node: LocalShell, text: str) -> None:
    write(node, text)
    config(node).chmod(0o640)
    applied(node, SET)
    assert stat.S_IMODE(config(node).stat().st_mode) == 0o600  # there is a password in it
    whole = json.loads(config(node).read_text())
    assert whole.pop("proxies") == {"default": NAMED}
    before = json.loads(text or "{}")
    before.pop("proxies", None)
    assert whole == before
    applied(node, OTHER)
    applied(node, None)
    assert config(node).read_text() == text
    assert stat.S_IMODE(config(node).stat().st_mode) == 0o640


def test_a_login_meanwhile_stays(node: LocalShell) -> None:
    write(node, LOGIN)
    applied(node, SET)
    whole = json.loads(config(node).read_text())
    whole["auths"]["docker-node1:5000"] = {"auth": "YTpi"}
    write(node, json.dumps(whole))
    applied(node, None)
    del whole["proxies"]
    assert config(node).read_text() == json.dumps(whole, indent="\t")  # as the client writes it


def test_proxies_for_other_engines_stay(node: LocalShell) -> None:
    text = '{"proxies": {"tcp://other:2376": {"httpProxy": "http://x:1"}}}'
    write(node, text)
    applied(node, SET)
    assert set(json.loads(config(node).read_text())["proxies"]) == {"default", "tcp://other:2376"}
    applied(node, None)
    assert config(node).read_text() == text


def test_proxies_of_somebody_else_are_kept(node: LocalShell) -> None:
    text = '{"proxies": {"default": {"httpProxy": "http://theirs:1"}}}'
    write(node, text)
    assert applied(node, SET) == []
    assert config(node).read_text() == text


def test_an_edit_of_labctls_part_is_kept(node: LocalShell) -> None:
    applied(node, SET)
    edited = {"proxies": {"default": {**NAMED, "noProxy": "everywhere"}}}
    write(node, json.dumps(edited))
    applied(node, None)
    assert json.loads(config(node).read_text()) == edited


def test_a_run_that_died_before_the_file_was_changed(node: LocalShell) -> None:
    """The record is of the new proxies, and the file still has the old ones."""
    write(node, LOGIN)
    applied(node, SET)
    old = config(node).read_text()
    applied(node, OTHER)
    write(node, old)
    applied(node, OTHER)
    assert "10.0.0.1" in config(node).read_text()
    applied(node, None)
    assert config(node).read_text() == LOGIN


def test_a_file_that_is_no_json_is_named(node: LocalShell) -> None:
    write(node, '{"auths": ')
    with pytest.raises(ChangeFailed, match=r"~anna/\.docker/config\.json is not a JSON object"):
        node.apply(ClientProxy(("anna",), SET))
    assert config(node).read_text() == '{"auths": '


def test_a_link_of_the_users_stays_a_link(node: LocalShell) -> None:
    elsewhere = node.folder / "homes" / "anna" / "elsewhere.json"
    elsewhere.write_text(LOGIN)
    config(node).parent.mkdir()
    config(node).symlink_to(elsewhere)
    applied(node, SET)
    assert config(node).is_symlink()
    assert "proxies" in elsewhere.read_text()
    applied(node, None)
    assert elsewhere.read_text() == LOGIN
