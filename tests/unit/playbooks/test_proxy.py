"""The playbook `proxy`: what it wants of a node, and what it says of a proxy that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labctl.config.packaged import packaged
from labctl.config.playbook_modules import load_module
from labctl.playbook import (
    Absent,
    ClientProxy,
    EngineProxy,
    File,
    GroupMember,
    LoadedBy,
    Observed,
    Play,
    Resource,
    SecretStore,
    proxy_settings,
)
from labctl.provision.loader import load
from tests.unit.fakes import CENTOS, lab_spec

FOLDERS = [packaged("playbooks")]
PROXY = "http://proxy.school:3128"
LOGIN = "http://anna:s%40fe@proxy.school:3128"
FULL = ("repos", "hosts", "engine", "mirrors", "compose")
answers: Any = load_module("proxy", "answers", FOLDERS)


def play_of(tmp_path: Path, running: tuple[str, ...] = FULL, **raw: Any) -> Play:
    lab = lab_spec(**raw)
    secrets = SecretStore(tmp_path / "private", "lab")
    return Play(
        lab=lab,
        node=lab.lab_nodes[0],
        facts=CENTOS,
        user="vagrant",
        addresses={n.name: n.address for n in lab.lab_nodes if n.address},
        playbooks=running,
        secrets=secrets,
        proxy=proxy_settings(lab, secrets),
    )


def resources(
    tmp_path: Path, name: str = "proxy", running: tuple[str, ...] = FULL, **raw: Any
) -> list[Resource]:
    (book,) = load([name], FOLDERS)
    return list(book.play(play_of(tmp_path, running, **raw)))


def file_of(found: list[Resource]) -> File:
    return next(r for r in found if isinstance(r, File) and r.path == "/etc/labctl-proxy.env")


def test_without_a_password_everybody_may_read_the_variables(tmp_path: Path) -> None:
    found = resources(tmp_path, proxy=PROXY)
    file = file_of(found)
    assert (file.mode, file.owner, file.secret) == ("0644", "root:root", False)
    assert file.loaded_by == LoadedBy("docker")
    assert f"\nhttps_proxy={PROXY}\n" in file.content
    direct = "127.0.0.1,localhost,::1,docker-node1,192.168.56.11,docker-node2"
    assert f"\nno_proxy={direct}," in file.content
    assert EngineProxy(wanted=True) in found
    assert not any(isinstance(one, GroupMember) for one in found)


def test_with_a_password_only_the_group_docker_may(tmp_path: Path) -> None:
    found = resources(tmp_path, proxy=LOGIN, docker={"users": ["otto"]})
    file = file_of(found)
    assert (file.mode, file.owner, file.secret) == ("0640", "root:docker", True)
    assert LOGIN in file.content
    assert [r.user for r in found if isinstance(r, GroupMember)] == ["vagrant", "otto"]
    for one in found:
        if one is not file:
            assert "s%40fe" not in getattr(one, "content", "")
    change = file.plan(Observed(1, ""))
    assert change is not None
    assert "+http_proxy=http://anna:•••@proxy.school:3128" in change.diff
    assert "s%40fe" not in change.diff + change.summary
    clients = next(one for one in found if isinstance(one, ClientProxy))
    assert clients.users == ("vagrant", "root", "otto")
    assert "s%40fe" not in repr(clients)


def test_containers_may_be_left_out(tmp_path: Path) -> None:
    found = resources(tmp_path, proxy={"http": PROXY, "containers": False})
    assert ClientProxy(("vagrant", "root")) in found


def test_a_lab_without_an_engine_leaves_it_alone(tmp_path: Path) -> None:
    found = resources(tmp_path, running=("repos", "hosts"), proxy=PROXY)
    assert EngineProxy(wanted=False) in found
    assert file_of(found).loaded_by is None


def test_without_the_key_all_of_it_is_removed(tmp_path: Path) -> None:
    found = resources(tmp_path)
    assert {one.path for one in found if isinstance(one, Absent)} == {
        "/etc/labctl-proxy.env",
        "/etc/profile.d/labctl-proxy.sh",
        "/etc/sudoers.d/labctl-proxy",
    }
    assert EngineProxy(wanted=False) in found
    assert ClientProxy(()) in found


def test_the_cache_that_exists_is_reached_directly(tmp_path: Path) -> None:
    found = resources(tmp_path, proxy=PROXY, hub_cache={"url": "http://10.9.9.9:5000"})
    assert ",10.9.9.9\n" in file_of(found).content


@pytest.mark.parametrize(
    ("raw", "pinnable"),
    [
        ({}, ["a.example", "b.example"]),
        ({"proxy": PROXY}, []),
        ({"proxy": {"http": PROXY}}, ["a.example", "b.example"]),
        ({"proxy": {"https": PROXY, "no_proxy": ["b.example"]}}, ["b.example"]),
    ],
)
def test_only_names_that_the_node_looks_up_may_be_pinned(
    tmp_path: Path, raw: dict[str, Any], pinnable: list[str]
) -> None:
    (book,) = load(["hosts"], FOLDERS)
    lab = lab_spec(sources={"hub_hosts": ["a.example", "b.example"]}, **raw)
    assert book.expected is not None
    expected = book.expected(lab, SecretStore(tmp_path / "private", "lab"))
    assert expected == {"pinnable": pinnable}


def test_a_measurement_is_of_the_way_that_it_was_made_through(tmp_path: Path) -> None:
    """Mirrors that a node without the proxy found dead are tried again with it."""
    chosen: Any = load_module("mirrors", "chosen", FOLDERS)
    asked: list[str] = []

    def script(**raw: Any) -> str:
        play = play_of(tmp_path, **raw)
        try:
            chosen.mirrors(play)
        except Exception as question:  # labctl.provision.play.Undecided
            asked.append(question.question.script)  # type: ignore[attr-defined]
        return asked[-1]

    assert len({script(), script(proxy=PROXY), script(proxy=LOGIN)}) == 3
    assert script(proxy=LOGIN) == script(proxy=LOGIN.replace("s%40fe", "other"))
    assert not any("s%40fe" in one for one in asked)


def obstacles(tmp_path: Path, proxy: str, output: str) -> list[tuple[str, str]]:
    (look,) = load(["proxy"], FOLDERS)[0].preflight(play_of(tmp_path, proxy=proxy))  # type: ignore[misc]
    found = look.examine(Observed(0, output))
    return [(str(one.message), str(one.remedy)) for one in found.obstacles]


SITE = "https://vault.centos.org/"


@pytest.mark.parametrize(
    ("proxy", "output", "message", "remedy"),
    [
        (
            PROXY,
            f"tried https 7 000 {SITE}\n",
            "does not answer the node",
            "curl -v",
        ),
        (PROXY, f"tried https 28 000 {SITE}\n", "does not answer the node", "curl -v"),
        (
            PROXY,
            f"tried https 5 000 {SITE}\n",
            "look up the name",
            "http://10.1.1.1:3128",
        ),
        (
            PROXY,
            f"tried https 56 407 {SITE}\n",
            "wants a user",
            "USER:PASSWORD@proxy",
        ),
        (LOGIN, f"tried https 56 407 {SITE}\n", "refuses the password of anna", "%40 for @"),
        (PROXY, f"tried http 0 407 {SITE}\n", "wants a user", "USER:PASSWORD@proxy"),
        (
            PROXY,
            f"tried https 56 403 {SITE}\n",
            "let the node reach https://vault",
            "ask who",
        ),
        (
            PROXY,
            f"tried https 52 000 {SITE}\n",
            "like an HTTP proxy",
            "the HTTP proxy",
        ),
    ],
)
def test_what_is_wrong_with_a_proxy_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    proxy: str,
    output: str,
    message: str,
    remedy: str,
) -> None:
    monkeypatch.setattr(answers.socket, "gethostbyname", lambda host: "10.1.1.1")
    # Both schemes fail in the same way: that is one problem.
    ((found, hint),) = obstacles(tmp_path, proxy, output + output)
    assert message in found
    assert remedy in hint
    assert "s%40fe" not in found + hint


@pytest.mark.parametrize(
    "output",
    [
        "",
        f"tried https 0 200 {SITE}\n",
        f"tried https 60 200 {SITE}\n",  # a certificate is another playbook's business
        f"tried http 0 404 {SITE}\n",
        "noise\ntried\ntried nothing 7 000 x\n",
    ],
)
def test_what_is_fine(tmp_path: Path, output: str) -> None:
    assert obstacles(tmp_path, PROXY, output) == []


def test_settings_of_the_machine_are_named(tmp_path: Path) -> None:
    (look,) = load(["proxy"], FOLDERS)[0].preflight(play_of(tmp_path, proxy=PROXY))  # type: ignore[misc]
    found = look.examine(Observed(0, "own /etc/yum.conf\nown /etc/a b.conf\n"))
    assert [str(one.message) for one in found.warnings] == [
        "/etc/yum.conf of the node names a proxy of its own, which is kept",
        "/etc/a b.conf of the node names a proxy of its own, which is kept",
    ]
