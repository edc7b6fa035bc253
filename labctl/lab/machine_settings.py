"""Which keys of lab.yaml a machine was started with, and which of them changed since.

Vagrant applies most settings when a machine starts, and some only when it is created. Without a
word about that, a user changes lab.yaml, runs `labctl up`, and wonders why nothing happened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labctl.config import faults
from labctl.errors import Problem, SpecError, UsageError
from labctl.events import Notice
from labctl.lab.index import LabIndex
from labctl.lab.lab import Lab
from labctl.machines import ports, providers
from labctl.machines.base import Machines, MachineState
from labctl.messages import msg
from labctl.storage import contents

_ABSENT = MachineState.ABSENT
_HOLD_PORTS = (MachineState.RUNNING, MachineState.EXISTING, MachineState.UNKNOWN)
"""States of machines that may listen on their forwarded ports themselves."""

_PLACES = ("path",)
"""Fields that say where in lab.yaml a value is, and not what it is."""


def settings(lab: Lab, name: str) -> dict[str, str]:
    """Return a digest of each key of lab.yaml that a machine is made of."""
    spec = lab.spec
    index = spec.node_names.index(name)
    node, options = spec.lab_nodes[index], spec.node_options[index]
    vagrantfile = _content(spec.vagrantfile) if spec.vagrantfile else ""
    once, always = (
        [
            (one.inline, one.file and _content(one.file), one.privileged)
            for one in options.snippets
            if one.run == run
        ]
        for run in ("once", "always")
    )
    values = {
        "box": (options.box or spec.box).model_dump(),
        "memory": node.memory,
        "cpus": node.cpus,
        "address": node.address,
        "synced_folders": [folder.model_dump() for folder in spec.synced_folders],
        "disk": options.disk,
        "gui": options.gui,
        "nested": options.nested,
        "forwarded_ports": [_plain(port) for port in options.forwards],
        "networks": [_plain(card) for card in options.interfaces],
        "provider_options": options.provider_options.get(lab.provider, {}),
        "provision": once,
        "provision (always)": always,
        "vagrantfile": vagrantfile,
    }
    return {
        key: hashlib.sha256(json.dumps(value, default=str, sort_keys=True).encode()).hexdigest()[
            :16
        ]
        for key, value in values.items()
    }


def _plain(value: Any) -> dict[str, Any]:
    return {key: part for key, part in asdict(value).items() if key not in _PLACES}


def _content(path: str) -> str:
    return hashlib.sha256(contents(Path(path))).hexdigest()


def own_file(path: str) -> str:
    """Return the text of the Ruby file that lab.yaml names as vagrantfile.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return contents(Path(path)).decode("utf-8")
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = msg("it is not UTF-8")
    raise UsageError(msg("{path} cannot be read: {reason}", path=path, reason=reason))


def after_start(lab: Lab, name: str, before: Mapping[str, str]) -> dict[str, str]:
    """Return what a machine has after a start.

    Parameters:
        lab: the lab.
        name: the node's name.
        before: what it had; empty: it is new.
    """
    now = settings(lab, name)
    fixed = providers.get(lab.provider).fixed
    return now | {key: value for key, value in before.items() if key in fixed and key in now}


def notices(
    lab: Lab, nodes: Sequence[str], states: Mapping[str, MachineState], *, restarting: bool = False
) -> Iterator[Notice]:
    """Yield which changed keys of lab.yaml do not hold for an existing machine yet.

    Parameters:
        lab: the lab.
        nodes: the nodes of this run.
        states: of the machines.
        restarting: the run restarts them all.
    """
    if not lab.uses_vagrant:  # this computer may have no provider
        return
    fixed = providers.get(lab.provider).fixed
    for name in nodes:
        had = lab.state.node(name).machine
        if not had or states.get(name, MachineState.ABSENT) is MachineState.ABSENT:
            continue
        yield from closed_ports(lab, name, states[name])
        changed = [key for key, value in settings(lab, name).items() if had.get(key) != value]
        new = [key for key in changed if key in fixed]
        rest = [key for key in changed if key not in fixed]
        if rest and not restarting and states[name] is not MachineState.STOPPED:
            yield Notice(
                name,
                msg(
                    "lab.yaml changed {keys}; `labctl reload {node}` applies it",
                    keys=", ".join(rest),
                    node=name,
                ),
            )
        if new:
            yield Notice(
                name,
                msg(
                    "lab.yaml changed {keys}, which apply only to a new machine: run "
                    "`labctl destroy {node}`, then `labctl up`",
                    keys=", ".join(new),
                    node=name,
                ),
            )


def addresses_in_use(
    lab: Lab, nodes: Sequence[str], states: Mapping[str, MachineState]
) -> Iterator[Notice]:
    """Yield which nodes that are still to be created have an address that answers already.

    labctl knows this user's labs. Another user's lab may have the same network, because both begin
    with the first one.

    Parameters:
        lab: the lab.
        nodes: the nodes of this run.
        states: of the machines.
    """
    new = [name for name in nodes if states.get(name, _ABSENT) is _ABSENT]
    wanted = {lab.node(name).address or "": name for name in new} if lab.uses_vagrant else {}
    wanted.pop("", None)
    for address in ports.taken(list(wanted), lab.spec.network):
        yield Notice(
            wanted[address],
            msg(
                "{address} is in use already, perhaps by a lab of another user of this computer; "
                "set another `network` in lab.yaml",
                address=address,
            ),
        )


def closed_ports(lab: Lab, name: str, state: MachineState) -> Iterator[Notice]:
    """Yield that a machine runs without its forwarded ports.

    vagrant-libvirt forwards them by ssh, which ends with a reboot inside the node. Only a start by
    Vagrant opens them again.
    """
    index = lab.spec.node_names.index(name)
    forwards = lab.spec.node_options[index].forwards
    had = lab.state.node(name).machine.get("forwarded_ports")
    if state is not MachineState.RUNNING or had != settings(lab, name)["forwarded_ports"]:
        return
    closed = [one for one in forwards if not ports.problem(one.host_ip, one.host, one.protocol)]
    if closed:
        yield Notice(
            name,
            msg(
                "nothing forwards port {ports} any more; `labctl reload {node}` does",
                ports=", ".join(str(one.host) for one in closed),
                node=name,
            ),
        )


def check_ports(
    lab: Lab, machines: Machines, nodes: Sequence[str], states: Mapping[str, MachineState]
) -> None:
    """Check that the forwarded ports of machines that will start are free on this computer.

    Parameters:
        lab: the lab.
        machines: of the lab.
        nodes: those that should run; the ones that do may hold their ports themselves.
        states: of the machines.

    Raises:
        SpecError: some are not.
    """
    nodes = [node for node in nodes if states.get(node) not in _HOLD_PORTS]
    for node in nodes:
        if states.get(node) is MachineState.STOPPED:
            machines.release_ports(node, emit=lab.emit)
    problems = []
    for options in lab.spec.node_options:
        for port in options.forwards if options.name in nodes else ():
            reason = ports.problem(port.host_ip, port.host, port.protocol)
            if reason:
                where = faults.where(port.path)
                line = lab.line(port.path)
                problems.append(Problem(where, reason, line, _owner(lab, port.host)))
    if problems:
        source = str(lab.workspace.spec_file or "the lab")
        raise SpecError(source, list(dict.fromkeys(problems)))


def _owner(lab: Lab, port: int) -> str:
    """Return what to do about a port in use; it may be that of another lab."""
    for other in LabIndex().others(lab.workspace.state):
        if port in other.ports:
            return msg(
                "the lab in {folder} forwards it too: run `labctl halt` there, or use another port",
                folder=other.folder,
            )
    return msg("end the program that listens there, or use another port")
