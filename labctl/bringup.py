"""From a specification to machines that answer: the Vagrantfile, and who is brought up when."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from labctl import render
from labctl.errors import UsageError
from labctl.events import Notice, Phase, PhaseEntered
from labctl.lab import Lab
from labctl.machines import providers
from labctl.machines.base import Machines, MachineState
from labctl.registry import Entry, Registry, clash
from labctl.state import NodeRecord, write


def present(states: dict[str, MachineState]) -> set[str]:
    """Return the names of the machines that exist, running or not."""
    return {name for name, state in states.items() if state is not MachineState.ABSENT}


def prepare(lab: Lab, machines: Machines) -> None:
    """Write the Vagrantfile and remember the provider.

    Raises:
        UsageError: a machine exists that the lab no longer has; the new Vagrantfile would lose it.
    """
    lab.workspace.make()
    if not lab.spec.uses_vagrant:
        return
    if lab.provider == "libvirt" and providers.emulated():
        lab.emit(
            Notice("", "this processor has no virtualization: libvirt emulates, which is slow")
        )
    registry = Registry()
    other = clash(lab.spec.network, registry.others(lab.workspace.state))
    if other is not None:
        raise UsageError(
            f"the network {lab.spec.network} belongs to the lab in {other.folder} already",
            hint="leave 'network' out and labctl takes a free one, or destroy that lab first",
        )
    text = vagrantfile(lab, lab.provider)
    if (lab.workspace.state / ".vagrant").is_dir():
        gone = present(machines.states()) - set(lab.spec.node_names)
        if gone:
            raise UsageError(
                f"{', '.join(sorted(gone))}: still there, and no longer part of the lab",
                hint=f"remove with `labctl destroy {' '.join(sorted(gone))}`, or raise the nodes",
            )
    old = lab.workspace.vagrantfile
    if not old.is_file() or old.read_text("utf-8") != text:
        write(old, text)
    lab.state.save_provider(lab.provider)
    registry.note(
        Entry(
            str(lab.workspace.folder),
            str(lab.workspace.state),
            lab.spec.name,
            lab.spec.network,
            lab.spec.node_names,
        )
    )


def vagrantfile(lab: Lab, provider: str) -> str:
    """Return the Vagrantfile of the lab for a provider, which need not be installed.

    Raises:
        UsageError: the lab's machines exist already, or a template is wrong.
    """
    if not lab.spec.uses_vagrant:
        raise UsageError("a lab of existing machines has no Vagrantfile")
    return render.vagrantfile(
        lab.spec,
        provider,
        lab.workspace.templates,
        emulated=provider == "libvirt" and providers.emulated(),
    )


class Bringer:
    """Brings machines up in an order that their provider can bear.

    Parameters:
        lab: the lab.
        machines: what makes them.
        nodes: all that will be asked for.
    """

    def __init__(self, lab: Lab, machines: Machines, nodes: Sequence[str]) -> None:
        self._lab = lab
        self._machines = machines
        self._states = machines.states()
        missing = [node for node in nodes if not self._answers(node)]
        alone = machines.alone_first(missing)
        self._first = missing[0] if missing and alone else None
        self._first_boots = threading.Event()

    def _answers(self, node: str) -> bool:
        """Whether the machine runs and it is known how to reach it."""
        state = self._states.get(node)
        if state is MachineState.EXISTING:
            return True
        return state is MachineState.RUNNING and self._lab.state.node(node).target is not None

    def up(self, node: str) -> None:
        """Bring one machine up and remember how it is reached.

        Raises:
            MachineError: it did not come up.
        """
        if self._answers(node):
            return
        lab = self._lab
        if self._first not in (None, node):
            lab.emit(PhaseEntered(node, Phase.WAITING, f"for {self._first}"))
            self._first_boots.wait()
        lab.emit(PhaseEntered(node, Phase.BOOTING))
        try:
            if self._states.get(node) in (None, MachineState.ABSENT):
                lab.hostkeys.forget(node)
                lab.state.save(node, NodeRecord())
            alone = node == self._first
            booting = self._first_boots.set if alone else lambda: None
            target = self._machines.up(node, emit=lab.emit, booting=booting)
            record = lab.state.node(node)
            record.target = target
            lab.state.save(node, record)
        finally:
            if node == self._first:
                self._first_boots.set()
