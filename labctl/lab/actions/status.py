"""The status of all nodes, probed at once: which ones answer, and what runs on them."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from labctl.errors import AuthFailed, Defect, HostKeyChanged, LabctlError, ProtocolError
from labctl.events import Emit, Notice
from labctl.lab.actions.health import NOTHING_KNOWN, SCRIPT, Health
from labctl.lab.index import Entry, LabIndex
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.machines.base import MachineState
from labctl.messages import msg
from labctl.parallel import affordable, each
from labctl.remote.docker_api import RawOutput, ask

LIMIT = 15.0
"""Seconds after which a node is given up, whatever it does."""

_STEP = 3.0
"""Seconds for each step of connecting."""

_STEP_BY_PROXY = 10.0
"""The same if a program connects first, such as ssh to the host of the machine."""

_HUNG = 8
"""Seconds after which an engine counts as hung."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The status of a node.

    Parameters:
        state: ``running`` if the node itself answered, else the reason or its provider's state.
        engine: version of the running engine, or ``-`` if none answers.
        containers: number of running containers, or ``-``.
        health: the node's own report.
        warnings: what is wrong with a node that works, each with its fix.
        problem: what a node that can be reached does wrong; empty: nothing.
    """

    node: str
    state: str
    address: str | None
    engine: str = "-"
    containers: str = "-"
    health: Health = NOTHING_KNOWN
    warnings: tuple[str, ...] = ()
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the status as plain values."""
        return asdict(self)


def status(lab: Lab, limit: Iterable[str]) -> list[NodeStatus]:
    """Probe nodes.

    Parameters:
        lab: the lab.
        limit: names or patterns; none: all nodes.

    Returns:
        A row for each node, in the lab's order. A node that does not answer is not an error, but
        one that answers nonsense, or too much, or never ends, has a `problem`.
    """
    nodes = lab.select(limit)
    if not lab.uses_vagrant:
        lab.workspace.make()  # a first connection records the host key there
    cap = affordable(32, len(nodes), lambda text: lab.emit(Notice("", text)))
    results = each(nodes, lambda node: _ask(lab, node), cap=cap, stop=lab.stop)
    if any(result.error for result in results):
        states = _states(lab)
    rows: list[NodeStatus] = []
    for result in results:
        if result.value is not None:
            rows.append(result.value)
            continue
        address = lab.node(result.node).address
        problem = ""
        if isinstance(result.error, HostKeyChanged):
            state: str = msg("another host key")
        elif isinstance(result.error, AuthFailed):
            state = msg("login refused")
        elif isinstance(result.error, ProtocolError | Defect):
            state = msg("not working")
            problem = result.error.message
            lab.emit(Notice(result.node, problem))
        else:
            state = str(states.get(result.node, MachineState.ABSENT))
            if state in (MachineState.RUNNING, MachineState.EXISTING, MachineState.UNKNOWN):
                state = msg("no answer")
        rows.append(NodeStatus(result.node, state, address, problem=problem))
    return rows


@dataclass(frozen=True, slots=True)
class RegistryStatus:
    """The lab's private registry, as the instructor needs it."""

    address: str
    user: str
    password: str

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def registry_of(lab: Lab) -> RegistryStatus | None:
    """Return the lab's private registry; None if the lab has never been provisioned with one."""
    login = lab.secret_store.known("registry")
    if login is None or not login.address:
        return None
    return RegistryStatus(login.address, login.user, login.password)


@dataclass(frozen=True, slots=True)
class LabStatus:
    """A lab of this computer and its nodes; no nodes if its folder is gone."""

    folder: str
    name: str
    network: str
    gone: bool
    nodes: tuple[NodeStatus, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the status as plain values."""
        return asdict(self)


def status_of_all(emit: Emit) -> list[LabStatus]:
    """Probe every lab that was brought up on this computer and not destroyed."""

    def look(entry: Entry) -> LabStatus:
        nodes: tuple[NodeStatus, ...] = ()
        if not entry.gone:
            spec_file = Path(entry.spec) if entry.spec else None
            workspace = Workspace.at(Path(entry.folder), Path(entry.state), spec_file)
            try:
                lab = Lab.open(workspace, {}, emit=emit)
                nodes = () if lab.is_class else tuple(status(lab, ()))
            except LabctlError as error:
                emit(Notice("", msg("{what}: {why}", what=entry.folder, why=error.message)))
        return LabStatus(entry.folder, entry.name, entry.network, entry.gone, nodes)

    entries = LabIndex().entries()
    if not entries:
        return []
    with ThreadPoolExecutor(max_workers=min(8, affordable(256, 256) // 32 or 1)) as pool:
        return list(pool.map(look, entries))


def _ask(lab: Lab, node: str) -> NodeStatus:
    told = b""

    def run(command: str, *arguments: str) -> RawOutput:
        nonlocal told
        line = command % tuple(map(shlex.quote, arguments))
        # The limit runs on the node, so that no process is left there waiting for the engine.
        bounded = f"timeout -k 2 {_HUNG} sh -c {shlex.quote(line)}"
        _, out, err = connection.call_script(f"{SCRIPT}\n{bounded}")
        told, _, out = out.partition(b"\n\n")
        return RawOutput(out, err)

    engine = containers = "-"
    step = _STEP_BY_PROXY if lab.target(node).proxy else _STEP
    with (
        lab.connection(node, timeout=step) as connection,
        connection.limited(LIMIT),
        contextlib.suppress(AssertionError, ValueError, TypeError, KeyError),
    ):
        version, running = ask(run, ("GET", "/version", None), ("GET", "/containers/json", None))
        engine, containers = str(version.json()["Version"])[:40], str(len(running.json()))
    health = Health.read(told, time.time())
    warnings = list(health.warnings())
    if engine == "-" and health.engine == "-" and health.since != "-":
        health = replace(health, engine=msg("no answer"))
        warnings.append(msg("Docker does not answer. Run `labctl heal {node}`.", node=node))
    address = lab.node(node).address
    return NodeStatus(
        node, MachineState.RUNNING, address, engine, containers, health, tuple(warnings)
    )


def _states(lab: Lab) -> dict[str, MachineState]:
    """Return the provider's states; a lab that was never brought up has none."""
    if lab.uses_vagrant and not (lab.workspace.state / ".vagrant").is_dir():
        return {}
    try:
        # Vagrant locks a machine to read its state, and an `up` that finds it locked aborts.
        if lab.state.busy():
            return dict.fromkeys(lab.node_names, MachineState.UNKNOWN)
        return lab.machines().states(wait=False)
    except LabctlError:
        return dict.fromkeys(lab.node_names, MachineState.UNKNOWN)
