"""Stand-ins for what is outside: a node that obeys a toy language, and machines without Vagrant.

The fake node takes the very script that `labctl.remote.exchange` composes and answers in its
framing, so what is tested is what goes over the wire.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.config.model import LabSpec
from labctl.config.validate import validate
from labctl.errors import LabctlError
from labctl.events import Emit, Event, Exchanged, Notice
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.machines.base import MachineState
from labctl.parallel import Result
from labctl.provision.facts import PROBE, Facts
from labctl.provision.loader import Playbook
from labctl.provision.machine_preflight import MachinePreflight
from labctl.provision.play import Play, Plays
from labctl.provision.resources.base import Change, Observed, Resource
from labctl.remote.target import Target

CENTOS = Facts("4f9c", "x86_64", "centos", "7")
SINCE = b"since 2026-01-01 10:00:00\n\n"
"""The output that `status` reads from a node before the engine's answer."""


def answers(*values: object) -> bytes:
    """Return what an engine's daemon writes that answers with these values."""
    bodies = [json.dumps(value) for value in values]
    return b"".join(
        f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode() for body in bodies
    )


def settings_output(
    text: str | None = None,
    owned: str | None = None,
    unit: str = "",
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return what engine_settings.sh prints on a node with these files."""

    def coded(content: str) -> str:
        return base64.b64encode(content.encode("utf-8", "surrogateescape")).decode()

    lines = [f"file {coded(text)}"] if text is not None else []
    lines += [f"owned {coded(owned)}"] if owned is not None else []
    lines.append(f"unit {coded(unit)}")
    lines += [f"environment {path} {coded(said)}" for path, said in (environment or {}).items()]
    return "\n".join(lines) + "\n"


def lab_spec(**raw: Any) -> LabSpec:
    """Return the lab that lab.yaml would describe with these keys."""
    result = validate(raw)
    assert isinstance(result, LabSpec), result
    return result


def unframe(script: str) -> tuple[str, list[str]]:
    """Return the token and the snippets of a composed script, as a shell would read its words."""
    words = shlex.split(script.partition("export LC_ALL\n")[2])
    snippets = [unlimited(words[i + 1]) for i, word in enumerate(words) if word == "eval"]
    return words[words.index("labctl_end") + 1], snippets


def unlimited(snippet: str) -> str:
    """Return a snippet without what limits its time."""
    if not snippet.startswith("timeout "):
        return snippet
    return snippet.partition("\n")[2].rpartition("\n")[0]


def framed(token: str, results: Iterable[tuple[int, bytes]]) -> bytes:
    """Return what a node writes that ran snippets with these exit codes and outputs."""
    return b"".join(output + f"\n{token} {code} 1\n".encode("ascii") for code, output in results)


@dataclass
class FakeNode:
    """A node that keeps settings, and obeys ``get KEY``, ``set KEY VALUE`` and ``fail TEXT``.

    `scripts` keeps the snippets of every exchange. What a test puts into `instead` answers a
    snippet of that text in place of the toy language.
    """

    name: str = "node1"
    facts: Facts = CENTOS
    settings: dict[str, str] = field(default_factory=dict)
    scripts: list[list[str]] = field(default_factory=list)
    instead: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def run(self, script: str) -> bytes:
        token, snippets = unframe(script)
        self.scripts.append(snippets)
        results = [self._obey(snippets[0])]
        gate = " gate\n" in script
        if not gate or results[0][0] == 0:
            results += [self._obey(snippet) for snippet in snippets[1:]]
        return framed(token, results)

    def _obey(self, snippet: str) -> tuple[int, bytes]:
        if snippet in self.instead:
            return self.instead[snippet]
        if snippet == PROBE:
            f = self.facts
            return 0, f"{f.machine_id}\n{f.architecture}\n{f.distribution}\n{f.version}\n".encode()
        if snippet == MachinePreflight().probe():
            return 0, b""
        verb, *words = snippet.split(" ", 2)
        match verb, words:
            case "get", [key]:
                found = self.settings.get(key)
                return (1, b"") if found is None else (0, found.encode("utf-8", "surrogateescape"))
            case "set", [key, value]:
                self.settings[key] = value
                return 0, b""
            case "fail", _:
                return 7, " ".join(words).encode()
            case "pass", _:
                return 0, " ".join(words).encode()
        raise AssertionError(f"the fake node does not know: {snippet!r}")

    def sent(self, verb: str) -> list[str]:
        """Return every snippet so far that begins with `verb`."""
        return [s for snippets in self.scripts for s in snippets if s.split(" ")[0] == verb]


@dataclass(frozen=True)
class Setting:
    """A resource of the fake node: `key` has `value`. `script` replaces its change."""

    key: str
    value: str
    script: str = ""

    @property
    def id(self) -> str:
        return f"setting:{self.key}"

    def probe(self) -> str:
        return f"get {self.key}"

    def plan(self, observed: Observed) -> Change | None:
        if observed.ok and observed.output == self.value:
            return None
        return Change(
            f"set {self.key}",
            self.script or f"set {self.key} {self.value}",
            f"-{observed.output}\n+{self.value}",
        )


def playbook(
    name: str, play: Callable[[Play], Iterable[Resource]] | Sequence[Resource]
) -> Playbook:
    """Return a playbook of a function, or of the resources that it yields whatever the node is."""
    if callable(play):
        return Playbook(name, Path("playbooks") / name, play)
    resources = tuple(play)

    def function(_: Play) -> Plays:
        yield from resources

    return Playbook(name, Path("playbooks") / name, function)


def planner(spec: LabSpec | None = None, user: str = "vagrant") -> Callable[..., Play]:
    """Return what makes plays for the first node of a lab."""
    lab = spec or lab_spec()

    def plan(facts: Facts, choices: dict[str, Any]) -> Play:
        return Play(
            lab=lab,
            node=lab.lab_nodes[0],
            facts=facts,
            user=user,
            addresses={n.name: n.address for n in lab.lab_nodes if n.address is not None},
            choices=choices,
        )

    return plan


class Heard(list[Event]):
    """Events, in the order in which they were emitted."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type) -> list[Any]:
        """Return the events of one kind."""
        return [event for event in self if isinstance(event, kind)]

    @property
    def exchanges(self) -> int:
        return len(self.of(Exchanged))


@dataclass
class FakeMachines:
    """Machines that exist in memory alone.

    What a test puts into `failing`, by a call such as ``up node1``, is raised by that call. A node
    in `reachable` has the address that stands there, all others 127.0.0.1. `left_open` are ports
    that are still forwarded to machines which stopped by themselves.
    """

    known: dict[str, MachineState] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    kept: dict[str, list[str]] = field(default_factory=dict)
    failing: dict[str, LabctlError] = field(default_factory=dict)
    reachable: dict[str, str] = field(default_factory=dict)
    left_open: dict[str, socket.socket] = field(default_factory=dict)

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call in self.failing:
            raise self.failing[call]

    def states(self, *, wait: bool = True) -> dict[str, MachineState]:
        return dict(self.known)

    def up(self, node: str, *, emit: Emit, booting: Callable[[], None]) -> Target:
        self._note(f"up {node}")
        booting()
        self.known[node] = MachineState.RUNNING
        return self.target(node)

    def target(self, node: str) -> Target:
        return Target(node, self.reachable.get(node, "127.0.0.1"), user="vagrant")

    def halt(self, node: str, *, emit: Emit) -> None:
        self._note(f"halt {node}")
        self.known[node] = MachineState.STOPPED

    def release_ports(self, node: str, *, emit: Emit) -> None:
        if node in self.left_open:
            self.left_open.pop(node).close()

    def suspend(self, node: str, *, emit: Emit) -> None:
        self._note(f"suspend {node}")
        self.known[node] = MachineState.SUSPENDED

    def resume(self, node: str, *, emit: Emit) -> None:
        self._note(f"resume {node}")
        self.known[node] = MachineState.RUNNING

    def reload(self, node: str, *, emit: Emit) -> None:
        self._note(f"reload {node}")
        self.known[node] = MachineState.RUNNING

    def sync(self, node: str, *, watch: bool, emit: Emit) -> None:
        self._note(f"{'watch' if watch else 'sync'} {node}")

    def save(self, node: str, name: str, *, emit: Emit) -> None:
        self._note(f"save {node} {name}")
        self.kept.setdefault(node, []).append(name)

    def restore(self, node: str, name: str, *, emit: Emit) -> None:
        self._note(f"restore {node} {name}")
        self.known[node] = MachineState.RUNNING

    def checkpoints(self, node: str) -> list[str]:
        return list(self.kept.get(node, ()))

    def drop(self, node: str, name: str, *, emit: Emit) -> None:
        self._note(f"drop {node} {name}")
        self.kept[node].remove(name)

    def destroy(self, node: str, *, emit: Emit) -> None:
        self._note(f"destroy {node}")
        self.known[node] = MachineState.ABSENT

    def add_box(self, name: str, place: Path, *, emit: Emit) -> None:
        self._note(f"add box {name}")

    def alone_first(self, nodes: Sequence[str]) -> bool:
        return len(nodes) > 1


@dataclass
class ScriptedConnection:
    """A node that records its scripts, and fails if a test requires it."""

    name: str
    scripts: list[str] = field(default_factory=list)
    error: LabctlError | None = None
    answer: bytes = SINCE + answers({"Version": "19.03.9"}, [{}, {}])

    def __enter__(self) -> ScriptedConnection:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, script: str) -> bytes:
        self.call(script)
        return b""

    def call(self, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        if self.error is not None:
            raise self.error
        self.scripts.append(command)
        return 0, self.answer, b""

    def call_script(self, script: str) -> tuple[int, bytes, bytes]:
        return self.call(script)

    def limited(self, seconds: float) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


class FakeLab(Lab):
    """A lab in the folder of the test, whose machines and nodes are fakes.

    Parameters:
        fakes: its machines, in the states that the test wants.
        raw: what its lab.yaml would say.
    """

    def __init__(self, fakes: FakeMachines, /, **raw: Any) -> None:
        folder = Path.cwd()
        self.heard = Heard()
        super().__init__(
            Workspace(folder, None, folder / ".labctl"),
            lab_spec(**(({} if "machines" in raw else {"provider": "libvirt"}) | raw)),
            emit=self.heard,
        )
        self.workspace.make()
        self.fakes = fakes
        self.connections: dict[str, ScriptedConnection] = {}

    @property
    def provider(self) -> str:
        return self.spec.provider or "libvirt"

    def machines(self) -> FakeMachines:
        return self.fakes

    def connection(self, name: str, *, patience: float = 0.0, timeout: float = 20.0) -> Any:
        self.target(name)
        return self.connections.setdefault(name, ScriptedConnection(name))

    def notices(self) -> list[str]:
        """The notices of the lab."""
        return [f"{notice.node}: {notice.message}" for notice in self.heard.of(Notice)]


def outcomes(results: Iterable[Result[Any]]) -> dict[str, str]:
    """Return "ok", or the error's message, by node."""
    return {r.node: r.error.message if r.error else "ok" for r in results}
