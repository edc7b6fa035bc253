"""The sandbox of the exercises: what it says when a command fails, what it marks, what it sweeps.

`Node` stands for a node with docker: it knows what is there by name, and answers the sandbox's
commands about it. That the commands do on a real node what they should is shown by e2e.
"""

from __future__ import annotations

import json
import re
import shlex
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from course import compose, network
from labctl.checks.exercises.sandbox import PLACE, Sandbox
from labctl.lab.workspace import packaged

MINE, OLD, OTHERS = "aaaaaaaa", "bbbbbbbb", "cccccccc"


@dataclass
class Node:
    """What is on a node, and who uses it: token to the name of the rehearsed node."""

    things: list[tuple[str, str, str]] = field(default_factory=list)
    users: dict[str, str] = field(default_factory=dict)
    answer: tuple[int, str, str] = (0, "", "")
    ran: list[str] = field(default_factory=list)

    def sudo(self) -> Any:
        return nullcontext()

    def run(self, command: str, *arguments: str) -> SimpleNamespace:
        line = command % tuple(map(shlex.quote, arguments)) if arguments else command
        if line.startswith("timeout "):
            line = shlex.split(line)[-1]
        self.ran.append(line)
        code, out, err = self._answer(line)
        return SimpleNamespace(rc=code, stdout=out, stderr=err, stdout_bytes=out.encode())

    def _answer(self, line: str) -> tuple[int, str, str]:
        if "docker system dial-stdio" in line:
            return 0, "".join(map(self._list, re.findall(r"GET /(\w+)", line))), ""
        if "grep -H" in line:
            return 0, "".join(f"{token}/by:{by}\n" for token, by in self.users.items()), ""
        if match := re.fullmatch(r"\{ mkdir .* && echo (\S+) >\S+/([0-9a-f]{8})/by", line):
            self.users[match[2]] = match[1]
        elif match := re.fullmatch(rf"rm -rf {PLACE}/([0-9a-f]{{8}})", line):
            self.users.pop(match[1], None)
        elif match := re.match(r"docker (?:rm|network rm|volume rm|image rm) (.*)", line):
            gone = set(shlex.split(match[1]))
            self.things = [thing for thing in self.things if thing[1] not in gone]
        else:
            return self.answer
        return 0, "", ""

    def _list(self, path: str) -> str:
        kind = path.removesuffix("s")
        entries = [
            {
                "Id": name,
                "Name": name,
                "Names": [f"/{name}"] if kind == "container" else None,
                "RepoTags": [name] if kind == "image" and ":" in name else None,
                "Scope": "swarm" if known == "overlay" else "local",
                "Labels": {"labctl.rehearsal": label} if label else None,
            }
            for known, name, label in self.things
            if known == kind or (known, kind) == ("overlay", "network")
        ]
        body = json.dumps({"Volumes": entries} if kind == "volume" else entries)
        # In chunks, as the daemon answers what is long.
        return (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
        )

    @property
    def names(self) -> set[str]:
        return {name for _, name, _ in self.things}


def sandbox(node: Node, **more: Any) -> Sandbox:
    given = {"images": {"busybox": "busybox:1"}, "nodes": ("n1", "n2"), **more}
    return Sandbox(node, "n1", "n1", MINE, **given)


def test_a_failure_names_command_code_and_what_was_said() -> None:
    node = Node(answer=(7, "", "no such thing\n"))
    with pytest.raises(AssertionError) as caught:
        sandbox(node).run("docker start %s", "a b")
    assert str(caught.value) == "“docker start 'a b'” ended with 7 on n1 and said: no such thing"
    assert sandbox(node).run("docker start %s", "a b", ok=False).rc == 7


def test_a_command_that_hangs_is_ended_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(answer=(124, "", ""))  # as by a `timeout` of the exercise's own
    assert sandbox(node).run("sleep 5", ok=False).rc == 124
    monkeypatch.setattr("labctl.checks.exercises.sandbox.LIMIT", 0)
    with pytest.raises(AssertionError, match="“sleep 5” did not end within 0 s on n1"):
        sandbox(node).run("sleep 5", ok=False)


def test_waiting_ends_and_tells_the_last_answer() -> None:
    node = Node(answer=(0, "starting\n", ""))
    with pytest.raises(AssertionError, match=r"did not say “healthy” within 0 s on n1; .*starting"):
        sandbox(node).wait("docker inspect %s", "x", until="healthy", seconds=0)


@pytest.mark.parametrize(
    ("dockerfile", "marked"),
    [
        ("FROM scratch\n", "FROM scratch\nLABEL labctl.rehearsal=aaaaaaaa\n"),
        (
            "ARG TAG\nFROM a:$TAG AS one\nRUN echo FROM\nfrom b\nCOPY --from=one / /\n",
            "ARG TAG\nFROM a:$TAG AS one\nLABEL labctl.rehearsal=aaaaaaaa\nRUN echo FROM\n"
            "from b\nLABEL labctl.rehearsal=aaaaaaaa\nCOPY --from=one / /\n",
        ),
    ],
)
def test_every_layer_of_a_build_bears_the_mark(dockerfile: str, marked: str) -> None:
    node = Node()
    sandbox(node).folder({"Dockerfile": dockerfile, "FROM": "FROM x\n"})
    written = [line for line in node.ran if ">" in line]
    assert f"printf %s {shlex.quote(marked)} >" in written[0]
    assert "LABEL" not in written[1]


def test_images_are_built_by_the_builder_whose_layers_bear_the_mark() -> None:
    """BuildKit, which newer clients take by themselves, keeps what was built in a cache without."""
    node = Node()
    mine = sandbox(node)
    assert mine.build("x", {"Dockerfile": "FROM scratch\n"}, "--no-cache") == f"rehearse-{MINE}-x"
    built = f"DOCKER_BUILDKIT=0 docker build --force-rm --tag rehearse-{MINE}-x --no-cache "
    assert node.ran[-1] == f"{built}{PLACE}/{MINE}/folder-1"
    compose.Project(mine, "docker compose", "/folder", "project").run("build")
    assert node.ran[-1] == "cd /folder && DOCKER_BUILDKIT=0 docker compose build"
    for path in packaged("course").glob("*.py"):
        assert "docker build" not in path.read_text("utf-8"), path


def test_clean_removes_what_bears_the_mark_and_nothing_else() -> None:
    foreign = [
        ("container", "web", ""),
        ("container", f"rehearse-{OTHERS}-web", OTHERS),
        ("network", "rehearse-mine", ""),
        ("volume", "data", ""),
        ("image", "busybox:1", ""),
        ("image", f"my-rehearse-{MINE}-x:latest", ""),
    ]
    own = [
        ("container", "by-label", MINE),
        ("container", f"rehearse-{MINE}-app_web_1", ""),
        ("network", f"rehearse-{MINE}-app_default", ""),
        ("volume", f"rehearse-{MINE}-v", ""),
        ("image", f"rehearse-{MINE}-i:latest", ""),
        ("image", f"docker-node1:5000/rehearse-{MINE}-i:latest", ""),
        ("image", "1234", MINE),
    ]
    node = Node([*foreign, *own])
    sandbox(node).clean()
    assert node.things == foreign


def test_what_will_not_go_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 15))
    monkeypatch.setattr("labctl.checks.exercises.sandbox.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("labctl.checks.exercises.sandbox.time.sleep", lambda _: None)
    node = Node([("network", f"rehearse-{MINE}-net", "")])
    monkeypatch.setattr(
        node,
        "_answer",
        lambda line, usual=node._answer: (
            (1, "", "has active endpoints") if line.startswith("docker network rm") else usual(line)
        ),
    )
    with pytest.raises(AssertionError, match="made on n1 will not go: has active endpoints"):
        sandbox(node).clean()


@pytest.mark.parametrize(
    ("users", "swept"),
    [
        pytest.param({OLD: "n1"}, True, id="an earlier rehearsal of this node"),
        pytest.param({}, True, id="a rehearsal whose folder is gone"),
        pytest.param({OLD: "gone"}, True, id="a rehearsal of a node that the lab has not"),
        pytest.param({OLD: "n2"}, False, id="a rehearsal of another node, which may go on"),
    ],
)
def test_leftovers_of_a_killed_rehearsal_are_swept(users: dict[str, str], swept: bool) -> None:
    left = [("container", f"rehearse-{OLD}-web", ""), ("image", "1", OLD)]
    own = ("container", f"rehearse-{MINE}-web", "")
    node = Node([*left, own, ("container", "theirs", "")], dict(users))
    sandbox(node).open()
    assert f"rehearse-{MINE}-web" in node.names
    assert "theirs" in node.names
    assert ({f"rehearse-{OLD}-web", "1"} & node.names == set()) is swept
    assert (OLD not in node.users) is swept
    assert node.users[MINE] == "n1"


def test_a_network_across_nodes_is_not_swept_by_a_third_node() -> None:
    """It is seen there, where its rehearsal has no folder, while it is in use elsewhere."""
    net = ("overlay", f"rehearse-{OTHERS}-net", OTHERS)
    node = Node([net])
    sandbox(node).open()
    assert node.things == [net]
    dead = Node([net], {OTHERS: "n1"})  # here its rehearsal has one, and was of this very node
    sandbox(dead).open()
    assert dead.things == []


def test_on_another_node_it_is_the_same_desk_for_the_rehearsed_node() -> None:
    here, there = Node(), Node()
    mine = sandbox(here, others={"n2": there})
    other = mine.on("n2")
    assert (other.node, other.by, other.token) == ("n2", "n1", MINE)
    assert there.users == {MINE: "n1"}
    mine.images = {"busybox": "room.example/busybox:1"}  # the next section's
    assert mine.on("n2").image("busybox") == "room.example/busybox:1"
    there.things.append(("container", other.name("x"), ""))
    mine.clean()
    assert there.things == []
    mine.close()
    assert there.users == {}


def test_the_last_visitor_removes_the_pulled_images() -> None:
    node = Node(users={OTHERS: "n2"}, answer=(0, "busybox:1\n", ""))
    mine = sandbox(node)
    mine.open()
    mine.close()
    assert not [line for line in node.ran if line.startswith("docker image rm")]
    node.users.clear()
    mine.open()
    mine.close()
    assert "docker image rm busybox:1" in node.ran


@pytest.mark.parametrize("there", [True, False])
def test_a_network_of_the_engine_is_noted_only_if_it_was_not_there(
    monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    node = Node()
    monkeypatch.setattr(
        node, "_answer", lambda line: (int("inspect" in line and not there), "", "")
    )
    sandbox(node).engine_network("docker_gwbridge")
    assert (f"echo docker_gwbridge >>{PLACE}/networks" in node.ran) is not there


def test_the_last_visitor_removes_a_network_of_the_engine() -> None:
    node = Node(users={OTHERS: "n2"}, answer=(0, "docker_gwbridge\n", ""))
    mine = sandbox(node)
    mine.open()
    mine.close()
    assert "docker network rm docker_gwbridge" not in node.ran
    node.users.clear()
    mine.open()
    mine.close()
    assert "docker network rm docker_gwbridge" in node.ran


UNREACHABLE = 'Get "https://registry-1.docker.io/v2/": dial tcp: connect: network is unreachable'


def test_a_pull_that_an_astray_engine_fails_is_tried_again_and_says_what_helps() -> None:
    node = Node(answer=(1, "", UNREACHABLE))
    with pytest.raises(AssertionError) as caught:
        sandbox(node).pull("busybox")
    assert len(node.ran) == 6
    assert str(caught.value).startswith("busybox cannot be pulled on n1. ")
    assert str(caught.value).endswith(f"said: {UNREACHABLE}")
    assert "moby#39372" in str(caught.value)
    assert "systemctl restart docker" in str(caught.value)


def test_a_pull_that_the_registry_refuses_blames_no_engine() -> None:
    node = Node(answer=(1, "", "manifest unknown"))
    with pytest.raises(AssertionError, match=r"said: manifest unknown$"):
        sandbox(node).pull("busybox")
    assert len(node.ran) == 2


@dataclass
class Unsteady(Node):
    """Its engine refuses so many times to run a container; or runs it on no network, without words.

    Parameters:
        refusals: how many times.
        words: what it says then.
    """

    refusals: int = 0
    words: str = ""
    _address: str = ""

    def _answer(self, line: str) -> tuple[int, str, str]:
        if line.startswith("docker run "):
            self._address = "" if self.refusals else "10.0.2.2"
            self.refusals -= bool(self.refusals)
            return (0 if self._address or not self.words else 125), "", self.words
        if line.startswith("docker inspect "):
            return 0, f"{self._address}\n", ""
        return super()._answer(line)


@pytest.mark.parametrize("words", [UNREACHABLE, "context deadline exceeded", ""])
def test_a_container_gets_its_overlay_network_though_the_engine_fails_now_and_then(
    words: str,
) -> None:
    node = Unsteady(refusals=9, words=words)
    name = network.joined(sandbox(node), "two", "over")
    assert name == f"rehearse-{MINE}-two"
    starts = [line for line in node.ran if line.startswith("docker run ")]
    assert len(starts) == 10
    # What an attempt has made keeps the name, and would be in the way of the next one.
    assert node.ran[-3:-1] == [f"docker rm --force {name}", starts[-1]]
    with pytest.raises(
        AssertionError, match=words[-20:] or f"{name} runs on n1, and got no address on over"
    ):
        network.joined(sandbox(Unsteady(refusals=10, words=words)), "two", "over")


def test_a_container_that_cannot_run_is_not_tried_again() -> None:
    node = Unsteady(refusals=1, words="no such network")
    with pytest.raises(AssertionError, match="no such network"):
        network.joined(sandbox(node), "two", "over")
    assert sum(line.startswith("docker run ") for line in node.ran) == 1


def test_who_comes_after_pulls_asks_for_those_of_one_rehearsal() -> None:
    """What the line does on a node is shown by the exercises themselves, see test_rehearse."""
    node = Node()
    mine = sandbox(node)
    mine.pulls.announce(MINE, True)
    mine.pulls.announce(MINE, False)
    mine.pulls.await_end(OTHERS)
    assert node.ran[:2] == [f"touch {PLACE}/{MINE}/pulling", f"rm -f {PLACE}/{MINE}/pulling"]
    assert f"[ -e {PLACE}/{OTHERS}/pulling ] || exit 0" in node.ran[2]
