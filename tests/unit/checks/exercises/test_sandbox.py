"""The sandbox of exercises: errors of commands, labels, and what it removes.

`Node` stands for a node with docker: it holds objects by name and answers the sandbox's commands.
The e2e tests run these commands on real nodes.
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
from labctl.checks.exercises.lease import LEASES
from labctl.checks.exercises.sandbox import Sandbox
from labctl.config.packaged import packaged

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
            return 0, "".join(f"{token}/owner:{by}\n" for token, by in self.users.items()), ""
        if match := re.fullmatch(r"\{ mkdir .* && echo (\S+) >\S+/([0-9a-f]{8})/owner", line):
            self.users[match[2]] = match[1]
        elif match := re.fullmatch(rf"rm -rf {LEASES}/([0-9a-f]{{8}})", line):
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


def test_a_failure_names_command_code_and_output() -> None:
    node = Node(answer=(7, "", "no such thing\n"))
    with pytest.raises(AssertionError) as caught:
        sandbox(node).run("docker start %s", "a b")
    assert str(caught.value) == "“docker start 'a b'” failed with 7 on n1: no such thing"
    assert sandbox(node).run("docker start %s", "a b", ok=False).rc == 7


def test_a_hanging_command_is_ended_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(answer=(124, "", ""))  # as by a `timeout` of the exercise's own
    assert sandbox(node).run("sleep 5", ok=False).rc == 124
    monkeypatch.setattr("labctl.checks.exercises.node_commands.LIMIT", 0)
    with pytest.raises(AssertionError, match="“sleep 5” did not end within 0 s on n1"):
        sandbox(node).run("sleep 5", ok=False)


def test_wait_ends_with_the_last_output() -> None:
    node = Node(answer=(0, "starting\n", ""))
    with pytest.raises(
        AssertionError, match=r"did not print “healthy” within 0 s on n1; .*starting"
    ):
        sandbox(node).wait("docker inspect %s", "x", until="healthy", seconds=0)


@pytest.mark.parametrize(
    ("dockerfile", "labelled"),
    [
        ("FROM scratch\n", "FROM scratch\nLABEL labctl.rehearsal=aaaaaaaa\n"),
        (
            "ARG TAG\nFROM a:$TAG AS one\nRUN echo FROM\nfrom b\nCOPY --from=one / /\n",
            "ARG TAG\nFROM a:$TAG AS one\nLABEL labctl.rehearsal=aaaaaaaa\nRUN echo FROM\n"
            "from b\nLABEL labctl.rehearsal=aaaaaaaa\nCOPY --from=one / /\n",
        ),
    ],
)
def test_every_layer_of_a_build_is_labelled(dockerfile: str, labelled: str) -> None:
    node = Node()
    sandbox(node).folder({"Dockerfile": dockerfile, "FROM": "FROM x\n"})
    written = [line for line in node.ran if ">" in line]
    assert f"printf %s {shlex.quote(labelled)} >" in written[0]
    assert "LABEL" not in written[1]


def test_images_are_built_by_the_classic_builder() -> None:
    """BuildKit, the default of newer clients, has a cache without labels."""
    node = Node()
    mine = sandbox(node)
    assert mine.build("x", {"Dockerfile": "FROM scratch\n"}, "--no-cache") == f"rehearse-{MINE}-x"
    built = f"DOCKER_BUILDKIT=0 docker build --force-rm --tag rehearse-{MINE}-x --no-cache "
    assert node.ran[-1] == f"{built}{LEASES}/{MINE}/folder-1"
    compose.Project(mine, "docker compose", "/folder", "project").run("build")
    assert node.ran[-1] == "cd /folder && DOCKER_BUILDKIT=0 docker compose build"
    for path in packaged("course").glob("*.py"):
        assert "docker build" not in path.read_text("utf-8"), path


def test_clean_removes_only_objects_of_the_rehearsal() -> None:
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


def test_an_object_that_cannot_be_removed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 15))
    monkeypatch.setattr(
        "labctl.checks.exercises.docker_objects.time.monotonic", lambda: next(clock)
    )
    monkeypatch.setattr("labctl.checks.exercises.docker_objects.time.sleep", lambda _: None)
    node = Node([("network", f"rehearse-{MINE}-net", "")])
    monkeypatch.setattr(
        node,
        "_answer",
        lambda line, usual=node._answer: (
            (1, "", "has active endpoints") if line.startswith("docker network rm") else usual(line)
        ),
    )
    with pytest.raises(AssertionError, match="n1 cannot be removed: has active endpoints"):
        sandbox(node).clean()


@pytest.mark.parametrize(
    ("users", "removed"),
    [
        pytest.param({OLD: "n1"}, True, id="an earlier rehearsal of this node"),
        pytest.param({}, True, id="a rehearsal without a lease"),
        pytest.param({OLD: "gone"}, True, id="a rehearsal of a node that the lab does not have"),
        pytest.param({OLD: "n2"}, False, id="a rehearsal of another node, which may be running"),
    ],
)
def test_leftovers_of_a_killed_rehearsal_are_removed(users: dict[str, str], removed: bool) -> None:
    left = [("container", f"rehearse-{OLD}-web", ""), ("image", "1", OLD)]
    own = ("container", f"rehearse-{MINE}-web", "")
    node = Node([*left, own, ("container", "theirs", "")], dict(users))
    sandbox(node).open()
    assert f"rehearse-{MINE}-web" in node.names
    assert "theirs" in node.names
    assert ({f"rehearse-{OLD}-web", "1"} & node.names == set()) is removed
    assert (OLD not in node.users) is removed
    assert node.users[MINE] == "n1"


def test_an_overlay_network_is_not_removed_by_a_third_node() -> None:
    """Every node lists it, also nodes on which its rehearsal has no lease."""
    net = ("overlay", f"rehearse-{OTHERS}-net", OTHERS)
    node = Node([net])
    sandbox(node).open()
    assert node.things == [net]
    stale = Node([net], {OTHERS: "n1"})  # a lease of an earlier rehearsal of this node
    sandbox(stale).open()
    assert stale.things == []


def test_a_sandbox_on_another_node_belongs_to_the_same_rehearsal() -> None:
    here, there = Node(), Node()
    mine = sandbox(here, others={"n2": there})
    other = mine.on("n2")
    assert (other.node, other.owner, other.token) == ("n2", "n1", MINE)
    assert there.users == {MINE: "n1"}
    mine.images = {"busybox": "room.example/busybox:1"}  # the next section's
    assert mine.on("n2").image("busybox") == "room.example/busybox:1"
    there.things.append(("container", other.name("x"), ""))
    mine.clean()
    assert there.things == []
    mine.close()
    assert there.users == {}


def test_the_last_rehearsal_to_leave_removes_pulled_images() -> None:
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
def test_a_network_of_the_engine_is_removed_later_only_if_it_is_new(
    monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    node = Node()
    monkeypatch.setattr(
        node, "_answer", lambda line: (int("inspect" in line and not there), "", "")
    )
    sandbox(node).engine_network("docker_gwbridge")
    assert (f"echo docker_gwbridge >>{LEASES}/networks" in node.ran) is not there


def test_the_last_rehearsal_to_leave_removes_a_network_of_the_engine() -> None:
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


def test_a_pull_of_a_damaged_engine_is_repeated_and_names_the_repair() -> None:
    node = Node(answer=(1, "", UNREACHABLE))
    with pytest.raises(AssertionError) as caught:
        sandbox(node).pull("busybox")
    assert len(node.ran) == 6
    message = str(caught.value)
    assert message.startswith(f"busybox cannot be pulled on n1: {UNREACHABLE}. ")
    assert "moby#39372" in message
    assert "systemctl restart docker" in message


def test_a_pull_that_the_registry_refuses_is_not_repeated() -> None:
    node = Node(answer=(1, "", "manifest unknown"))
    with pytest.raises(AssertionError, match=r"pulled on n1: manifest unknown$"):
        sandbox(node).pull("busybox")
    assert len(node.ran) == 1


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
def test_a_container_on_an_overlay_network_is_repeated_if_the_engine_is_damaged(
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
        AssertionError, match=words[-20:] or f"{name} runs on n1 but got no address on over"
    ):
        network.joined(sandbox(Unsteady(refusals=10, words=words)), "two", "over")


def test_a_container_that_cannot_run_is_not_repeated() -> None:
    node = Unsteady(refusals=1, words="no such network")
    with pytest.raises(AssertionError, match="no such network"):
        network.joined(sandbox(node), "two", "over")
    assert sum(line.startswith("docker run ") for line in node.ran) == 1


def test_the_pulling_file_of_a_lease() -> None:
    """The integration tests of rehearse run these lines in a shell."""
    node = Node()
    mine = sandbox(node)
    mine.lease.set_pulling(True)
    mine.lease.set_pulling(False)
    mine.lease.wait_for_pulls(OTHERS)
    assert node.ran[:2] == [f"touch {LEASES}/{MINE}/pulling", f"rm -f {LEASES}/{MINE}/pulling"]
    assert f"[ -e {LEASES}/{OTHERS}/pulling ] || exit 0" in node.ran[2]
