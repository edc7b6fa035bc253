"""Every snippet that the shipped playbooks send to a node is sh that a shell can read.

The plays run for several labs on nodes that have nothing, so that every resource has its change;
questions are answered so that the plays go on into every branch.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labctl.config.packaged import packaged
from labctl.config.playbook_modules import playbook_name
from labctl.playbook import (
    Absent,
    Block,
    Command,
    Directory,
    File,
    Link,
    LoadedBy,
    Service,
    SigningKey,
    proxy_settings,
)
from labctl.provision import facts
from labctl.provision.loader import load
from labctl.provision.play import Play, Undecided
from labctl.provision.resources.base import Resource
from labctl.provision.secret_store import SecretStore
from labctl.remote.exchange import Observed, compose
from tests.unit.fakes import CENTOS, lab_spec, settings_output

LABS: dict[str, dict[str, Any]] = {
    "course": {},
    "latest-el7": {"toolchain": "latest-el7"},
    "fifty": {"nodes": 50},
    "large-disk": {"disk": 80},
    "everything": {
        "registry": {"node": "docker-node2", "user": "it-s", "password": "a'b\"c$(d)"},
        "hub_cache": {"upstream": "https://mirror.example.org"},
        "images": ["busybox", "nginx:1.22", f"quay.io/a/b@sha256:{'0' * 64}"],
        "compose_app": {"folder": str(Path(__file__).parents[1] / "e2e" / "app")},
    },
    "elsewhere": {
        "toolchain": "latest-el7",
        "hub_cache": {"url": "http://10.0.0.9:5000"},
        "images": [f"nginx:1.22@sha256:{'0' * 64}"],
        "compose_app": {
            "folder": str(Path(__file__).parents[1] / "e2e" / "app"),
            "node": "docker-node2",
        },
    },
    "own": {
        "nodes": 1,
        "toolchain": {"base": "course", "compose": None},
        "docker": {
            "users": ["anna", "otto"],
            "mirrors": ["https://mirror.example.org"],
            "insecure_registries": ["10.0.0.1:5000"],
            "daemon": {"log-driver": "json-file", "log-opts": {"max-size": "10m", "tag": "it's"}},
        },
    },
    "proxied": {"proxy": "http://it's:$(a)`\"%@proxy:3128", "docker": {"users": ["anna"]}},
    "machines": {"machines": [{"name": "a", "host": "node.example.org", "user": "root"}]},
}
ANSWERS: dict[str, Mapping[str, Any]] = {
    "no problems found": {
        "repos.untrusted": [],
        "hosts.broken": [],
        "mirrors.live": ["https://docker.m.daocloud.io"],
        "engine.measured": {},
        "compose.noexec": False,
    },
    "the lookup is broken": {
        "repos.untrusted": ["https://vault.centos.org"],
        "hosts.broken": ["auth.docker.io", "registry-1.docker.io"],
        "hosts.pins": {"auth.docker.io": "1.2.3.4"},
        "mirrors.live": [],
        "engine.measured": {"bip": "10.213.0.1/16"},
        "compose.noexec": True,
    },
}
NOTHING_THERE = (Observed(1, ""), Observed(0, ""))
OLD = (
    Observed(0, "0600 anna:anna\n{}"),
    Observed(0, "docker-ce 26.0-1\ndocker-ce-cli 1.0-1\ncontainerd.io 9-1\n"),
    Observed(0, "UnitFileState=enabled\nActiveState=active\nPending=restart\n"),
    Observed(0, "UnitFileState=enabled\nActiveState=active\nPending=reload\n"),
    Observed(0, "wheel\n"),
    Observed(0, "127.0.0.1 localhost"),
    Observed(0, "none present\nold"),
    Observed(
        0, "vagrant 644 e30= -\nroot - - eyJhZGRlZCI6W10sImJlZm9yZSI6bnVsbCwibW9kZSI6IjYwMCJ9"
    ),
    Observed(0, settings_output('{"cluster-store": "etcd://it\'s", "proxies": {}}')),
    Observed(0, settings_output("{slip")),
)


@dataclass(frozen=True)
class Snippet:
    """A piece of sh, and where it comes from."""

    source: str
    text: str


def scripts(resource: Resource, observations: Iterable[Observed]) -> Iterator[str]:
    yield resource.probe()
    for seen in observations:
        try:
            change = resource.plan(seen)
        except ValueError:
            continue
        if change is None:
            continue
        if change.query is None:
            yield change.script
        else:
            yield change.query.script
            yield f'answer=told; : "$answer"\n{change.script}'


def of_playbook(
    name: str, raw: dict[str, Any], answers: Mapping[str, Any], vault: SecretStore, which: int = 0
) -> Iterator[Snippet]:
    """Yield the snippets of one playbook for a node of one lab, its questions included."""
    lab = lab_spec(**raw)
    if name == "compose-app" and "compose_app" not in raw:
        return  # lab.yaml is refused then
    if name == "overlay" and any(node.address is None for node in lab.lab_nodes):
        return
    (book,) = load([name], [packaged("playbooks")])
    choices: dict[str, Any] = {}
    while True:
        play = Play(
            lab=lab,
            node=lab.lab_nodes[which],
            facts=CENTOS,
            user="vagrant",
            addresses={n.name: n.address for n in lab.lab_nodes if n.address},
            choices=choices,
            templates=(packaged("templates"),),
            playbooks=(*lab.playbooks, name),
            secrets=vault,
            proxy=proxy_settings(lab, vault),
            daemon_functions=tuple(
                one.daemon_json
                for one in load((*lab.playbooks, name), [packaged("playbooks")])
                if one.daemon_json
            ),
        )
        try:
            resources = list(book.play(play))
        except Undecided as open_question:
            question = open_question.question
            yield Snippet(question.key, question.script)
            # A question that no answer stands for here would not be looked into any further.
            answer = answers[question.key]
            choices[question.key] = {"script": question.script, "answer": answer}
            continue
        for look in book.preflight(play) if book.preflight else ():
            yield Snippet(look.id, look.probe())
        for resource in resources:
            for text in scripts(resource, (*NOTHING_THERE, *OLD)):
                yield Snippet(resource.id, text)
        return


FILES = packaged("playbooks").glob("*/play.py")
PLAYBOOKS = sorted(playbook_name(path.parent.name) for path in FILES)
MAY_WANT_NOTHING = {"compose", "disk", "images", "compose-app", "hub-cache", "etcd", "overlay"}
IT_S = '/srv/it\'s a "file" $(x)'
OTHERS: list[Resource] = [
    File(IT_S, "a\n'b'\n", owner="a:b", check='set -e\ngrep a "$new"', backup=True),
    File("/a", "", loaded_by=LoadedBy("docker", "reload")),
    Directory(IT_S),
    Link(IT_S, "/x"),
    Absent(IT_S),
    Absent(IT_S, loaded_by=LoadedBy("docker")),
    Block(IT_S, "b", ("it's",)),
    Command("c", "[ -e /x ]", ": >/x"),
    Service("docker"),
    SigningKey("k", "file:///etc/pki/it's", "0" * 40),
]


def every_snippet(vault: SecretStore) -> list[Snippet]:
    found = {
        (snippet.source, snippet.text): Snippet(f"{name}: {snippet.source}", snippet.text)
        for name in PLAYBOOKS
        for raw in LABS.values()
        for answers in ANSWERS.values()
        for which in (0, -1)
        for snippet in of_playbook(name, raw, answers, vault, which)
    }
    found |= {
        (resource.id, text): Snippet(resource.id, text)
        for resource in OTHERS
        for text in scripts(resource, (*NOTHING_THERE, *OLD))
    }
    return [
        *found.values(),
        Snippet("facts", facts.PROBE),
        *(
            Snippet(f"{book.name}: after a rehearsal", repair.script)
            for book in load(PLAYBOOKS, [packaged("playbooks")])
            if book.after_rehearsal and (repair := book.after_rehearsal(lab_spec()))
        ),
    ]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> SecretStore:
    return SecretStore(tmp_path_factory.mktemp("private"), "lab")


@pytest.fixture(scope="module")
def snippets(vault: SecretStore) -> list[Snippet]:
    return every_snippet(vault)


SHELLS = [name for name in ("sh", "dash", "bash", "busybox") if shutil.which(name)]


def complaint(shell: str, text: str) -> str:
    """Return a shell's errors about a script that it only parses; empty if there are none."""
    words = [shell, "sh"] if shell == "busybox" else [shell]
    if shell == "bash":
        words.append("--posix")
    done = subprocess.run(
        [*words, "-n"], input=text.encode(), capture_output=True, timeout=30, check=False
    )
    return (done.stderr or b"").decode() or ("" if done.returncode == 0 else "no reason given")


@pytest.mark.needs("sh")
def test_every_snippet_can_be_read_by_every_shell(snippets: list[Snippet]) -> None:
    assert len(snippets) > 50
    for shell in SHELLS:
        # One process for all: each is the body of a function, so that none can leak into another.
        whole = "".join(f"f{i}() {{\n{s.text}\n}}\n" for i, s in enumerate(snippets))
        if complaint(shell, whole):
            wrong = {s.source: complaint(shell, s.text) for s in snippets}
            pytest.fail(
                f"{shell}: { {k: v for k, v in wrong.items() if v} or complaint(shell, whole) }"
            )


@pytest.mark.needs("sh")
@pytest.mark.parametrize("text", ["if true; then", "echo 'a", "a() { }", "case x in y) ;;"])
def test_the_shells_report_mistakes(text: str) -> None:
    for shell in SHELLS:
        assert complaint(shell, text)


@pytest.mark.needs("sh")
def test_the_whole_of_an_exchange_can_be_read(snippets: list[Snippet]) -> None:
    for shell in SHELLS:
        assert complaint(shell, compose([s.text for s in snippets], "0" * 32)) == ""


BASHISMS = {
    r"\[\[ ": "[[",
    r"<<<": "<<<",
    r"\bfunction \w+": "function",
    r"\blocal ": "local",
    r"\becho -[ne] ": "echo -n or -e",
    r"\$'": "$'…'",
    r"<\(": "process substitution",
    r"&>": "&>",
    r"\bsource ": "source",
    r"\[ [^]]* == ": "== in [",
}


def test_no_snippet_is_for_one_shell_only(snippets: list[Snippet]) -> None:
    """Some shells accept what POSIX does not have. Comments and quoted texts are no code."""
    for snippet in snippets:
        code = re.sub(r"(?m)(^|\s)#\s.*$", "", snippet.text)
        code = re.sub(r"'[^']*'", "''", code)
        found = [name for pattern, name in BASHISMS.items() if re.search(pattern, code)]
        assert found == [], f"{snippet.source}: {found}"


@pytest.mark.needs("shellcheck")
def test_shellcheck_has_nothing_to_say(snippets: list[Snippet], tmp_path: Path) -> None:
    files = []
    for number, snippet in enumerate(snippets):
        path = tmp_path / f"{number}.sh"
        path.write_text(f"# {snippet.source}\n{snippet.text}\n", "utf-8")
        files.append(str(path))
    done = subprocess.run(
        ["shellcheck", "--shell=sh", "--severity=warning", *files],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_playbook_plays_in_every_lab(name: str, vault: SecretStore) -> None:
    for raw in LABS.values():
        for answers in ANSWERS.values():
            assert list(of_playbook(name, raw, answers, vault)) or name in MAY_WANT_NOTHING


def test_every_question_of_the_playbooks_is_tested_here(snippets: list[Snippet]) -> None:
    keys = {key for answers in ANSWERS.values() for key in answers}
    asked = {s.source.partition(": ")[2] for s in snippets}
    assert keys <= asked
