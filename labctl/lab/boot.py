"""Bring machines up: write the Vagrantfile, start machines in a safe order, record their
addresses."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from labctl.config import synced_folders
from labctl.errors import Interrupted, Problem, SpecError, UsageError
from labctl.events import Phase, PhaseEntered
from labctl.lab import machine_settings
from labctl.lab.claim import claim, entry
from labctl.lab.index import LabIndex
from labctl.lab.lab import Lab
from labctl.lab.state import NodeRecord
from labctl.machines import plugins, providers
from labctl.machines.base import Machines, MachineState
from labctl.messages import msg
from labctl.remote.target import Target
from labctl.storage import read_again, write


def present(states: dict[str, MachineState]) -> set[str]:
    """Return the names of the machines that exist, running or not."""
    return {name for name, state in states.items() if state is not MachineState.ABSENT}


def prepare(lab: Lab, machines: Machines) -> dict[str, MachineState]:
    """Write the Vagrantfile and register the lab on this computer.

    The provider and the names of existing machines are kept. For `machines:` of lab.yaml, only the
    ssh_config is written.

    Returns:
        The state of each machine, which saves another call of Vagrant (a second).

    Raises:
        SpecError: a synced folder needs a program that is not installed.
        UsageError: a machine exists that the lab no longer defines, so the new Vagrantfile would
            lose it; or another lab uses the network.
    """
    lab.workspace.make()
    if not lab.uses_vagrant:
        if lab.site is None:
            LabIndex().note(entry(lab, ""))
        lab.write_ssh_config()
        return machines.states()
    problems = list(missing(lab, lab.provider))
    if problems:
        raise SpecError(str(lab.workspace.spec_file or "the lab"), problems)
    for notice in providers.get(lab.provider).notices(lab.spec):
        lab.emit(notice)
    text = vagrantfile(lab, lab.provider)
    old = lab.workspace.vagrantfile
    states = machines.states()
    if _made(lab) - states.keys():  # the file was lost, or was rewritten without them
        restore(lab, lab.provider)
        states = machines.states()
    gone = present(states) - set(lab.node_names)
    if gone:
        raise UsageError(
            msg(
                "{gone}: these machines exist but are no longer part of the lab",
                gone=", ".join(sorted(gone)),
            ),
            hint=msg(
                "run `labctl destroy {gone}`, or increase the number of nodes",
                gone=" ".join(sorted(gone)),
            ),
        )
    if lab.site is None:  # a class claims the network for all of its students
        claim(lab)
    if read_again(old) != text:
        write(old, text)
    lab.state.save_provider(lab.provider)
    lab.state.keep_identity(lab.name, lab.spec.network)
    return states or machines.states()  # no Vagrantfile existed before


def restore(lab: Lab, provider: str) -> None:
    """Write a Vagrantfile that defines every machine that Vagrant created, if one was lost.

    It includes machines that left the lab, because otherwise Vagrant could not destroy them.
    """
    left = sorted(_made(lab) - set(lab.node_names))
    write(lab.workspace.vagrantfile, vagrantfile(lab, provider, left))


def _made(lab: Lab) -> frozenset[str]:
    """Return the names of the machines that Vagrant created, including those that left the lab."""
    from labctl.machines.vagrant_program import made  # only Vagrant labs need it

    return made(lab.workspace.state)


def vagrantfile(lab: Lab, provider: str, left: Sequence[str] = ()) -> str:
    """Return the lab's Vagrantfile for a provider, which need not be installed.

    Parameters:
        lab: the lab.
        provider: its name.
        left: names of machines that left the lab and must stay in the file.

    Raises:
        UsageError: the lab uses existing machines, or a template is wrong.
    """
    if not lab.uses_vagrant:
        raise UsageError("a lab of existing machines has no Vagrantfile")
    # Importing Jinja is slow, and most commands render nothing.
    from labctl.machines import vagrantfile as render

    return render.vagrantfile(
        lab.spec,
        providers.get(provider),
        lab.workspace.templates,
        additions=plugins.additions_work(),
        left=left,
        own=machine_settings.own_file(lab.spec.vagrantfile) if lab.spec.vagrantfile else "",
        site=lab.site,
    )


def missing(lab: Lab, provider: str) -> Iterator[Problem]:
    """Yield what the lab needs and this computer lacks."""
    works = plugins.additions_work()
    maker = providers.get(provider)
    for index, folder in enumerate(lab.spec.synced_folders):
        kind = synced_folders.resolved(folder, lab.spec, maker.folder_types, additions=works)
        unfit = synced_folders.unfit(folder, lab.spec, additions=works)
        problem = unfit or plugins.missing(kind)
        if problem:
            message = msg("folder of type {kind}: {problem}", kind=kind, problem=problem[0])
            yield Problem(f"synced_folders[{index}]", message, hint=problem[1])
    yield from maker.problems(lab.spec)


def _begun(lab: Lab, node: str, *, frozen: bool = False) -> None:
    """Record that a node is starting, in case labctl is killed before the end.

    Parameters:
        lab: the lab.
        node: the node's name.
        frozen: it is suspended and keeps what its boot set up.
    """
    record = lab.state.node(node)
    if frozen and record.settled:
        record.resuming = True
    else:
        record.settled = False
    lab.state.save(node, record)


def _settled(lab: Lab, node: str, target: Target, *, frozen: bool = False) -> None:
    """Record that a node has started, and how to reach it.

    Parameters:
        lab: the lab.
        node: the node's name.
        target: how to reach it.
        frozen: it resumed, with the settings that it had.
    """
    record = lab.state.node(node)
    if not frozen:
        record.machine = machine_settings.after_start(lab, node, record.machine)
    record.target, record.settled, record.resuming = target, True, False
    lab.state.save(node, record)


@contextlib.contextmanager
def started(lab: Lab, machines: Machines, node: str, *, frozen: bool = False) -> Iterator[None]:
    """Wrap starting or resuming a machine; record its address and set its clock afterwards.

    The address may have changed. The clock of a suspended node stood still; a clock that is behind
    makes certificates invalid, and chrony corrects it slowly.

    Parameters:
        lab: the lab.
        machines: creates the lab's machines.
        node: the node's name.
        frozen: it is suspended and only resumes.
    """
    _begun(lab, node, frozen=frozen)
    yield
    _settled(lab, node, machines.target(node), frozen=frozen)
    set_clock(lab, node)


def set_clock(lab: Lab, node: str) -> None:
    """Set a node's clock to this computer's."""
    with lab.connection(node, patience=60.0) as connection:
        connection.run(f"date -u -s @{int(time.time())} >/dev/null")


class BootQueue:
    """Starts machines in an order that their provider supports.

    If the provider needs it, one machine at a time starts alone, in the order of `nodes`, until one
    of them boots. By then the box is imported and the networks exist. The rest start together.

    Parameters:
        lab: the lab.
        machines: creates the machines.
        nodes: all nodes that will be started.
        states: the state of each machine, from `prepare`; None: read it.

    Raises:
        SpecError: a forwarded port of a machine that would start is in use on this computer.
    """

    def __init__(
        self,
        lab: Lab,
        machines: Machines,
        nodes: Sequence[str],
        states: Mapping[str, MachineState] | None = None,
    ) -> None:
        self._lab = lab
        self._machines = machines
        self._states = machines.states() if states is None else states
        missing = [node for node in nodes if not self._answers(node)]
        machine_settings.check_ports(lab, machines, missing, self._states)
        self._queue = missing if machines.alone_first(missing) else []
        self._turn = threading.Condition()

    def _answers(self, node: str) -> bool:
        """Return whether the machine runs, started cleanly, and has a known address."""
        state = self._states.get(node)
        if state is MachineState.EXISTING:
            return True
        record = self._lab.state.node(node)
        seen = record.settled and not record.resuming
        return state is MachineState.RUNNING and seen and record.target is not None

    def up(self, node: str) -> None:
        """Bring one machine up and record how to reach it.

        Raises:
            MachineError: it did not come up.
            Interrupted: the user interrupted the run before its turn.
        """
        if self._answers(node):
            return
        self._wait(node)
        try:
            if self._lab.stop.requested.is_set():
                raise Interrupted("not started", node=node)
            self._start(node)
        finally:
            self._next(node)

    def _start(self, node: str) -> None:
        """Start a machine from its current state."""
        lab, machines = self._lab, self._machines
        lab.emit(PhaseEntered(node, Phase.BOOTING))
        state = self._states.get(node, MachineState.ABSENT)
        record = lab.state.node(node)
        running, frozen = state is MachineState.RUNNING, state is MachineState.SUSPENDED
        if lab.site is not None and state is not MachineState.ABSENT and record.was_cut_off:
            # Vagrant would take it for a machine that only has to start, but its network, folders
            # and key were never set up. Nothing of a student's can be on it.
            machines.destroy(node, emit=lab.emit)
            state, running, frozen = MachineState.ABSENT, False, False
        if state is MachineState.ABSENT:
            lab.hostkeys.forget(node)
            lab.state.save(node, NodeRecord())
            record = lab.state.node(node)
        if running and record.settled and record.resuming:
            target = machines.target(node)  # it resumed after its labctl was killed
        else:
            _begun(lab, node, frozen=frozen)
            if running or (frozen and not record.settled):
                # No run saw it come up, and `vagrant up` would not restart it.
                machines.reload(node, emit=lab.emit)
                target = machines.target(node)
            else:
                target = machines.up(node, emit=lab.emit, booting=self._all_may)
        self._all_may()
        _settled(lab, node, target, frozen=frozen and record.settled)
        if frozen or record.resuming:
            set_clock(lab, node)
        if lab.site is not None:
            self._flush(node)

    def _flush(self, node: str) -> None:
        """Let a new machine write its disk: a host that loses power soon would empty its files."""
        with self._lab.connection(node, patience=60.0) as connection:
            connection.run("sync")

    def _wait(self, node: str) -> None:
        """Wait until the node may start."""
        with self._turn:
            if node in self._queue and self._queue[0] != node:
                self._lab.emit(
                    PhaseEntered(
                        node, Phase.WAITING, msg("{node} boots first", node=self._queue[0])
                    )
                )
                self._turn.wait_for(lambda: node not in self._queue or self._queue[0] == node)

    def _all_may(self) -> None:
        """Let all nodes start: the first one has done what must not run in parallel."""
        with self._turn:
            self._queue = []
            self._turn.notify_all()

    def _next(self, node: str) -> None:
        """Let the next node try; this one created nothing that the others need."""
        with self._turn:
            if node in self._queue:
                self._queue.remove(node)
            self._turn.notify_all()
