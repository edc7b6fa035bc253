"""From a specification to machines that answer: the Vagrantfile, and who is brought up when."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from labctl import folders
from labctl.errors import Interrupted, Problem, SpecError, UsageError
from labctl.events import Notice, Phase, PhaseEntered
from labctl.lab import Lab
from labctl.machines import plugins, providers
from labctl.machines.base import Machines, MachineState
from labctl.registry import Entry, Registry, clash
from labctl.remote.target import Target
from labctl.state import NodeRecord, write


def present(states: dict[str, MachineState]) -> set[str]:
    """Return the names of the machines that exist, running or not."""
    return {name for name, state in states.items() if state is not MachineState.ABSENT}


def prepare(lab: Lab, machines: Machines) -> dict[str, MachineState]:
    """Write the Vagrantfile, remember the provider, and note the lab among those of this machine.

    Machines that exist already need neither of the first two.

    Returns:
        What each machine is doing, so that nobody has to ask Vagrant again, which takes a second.

    Raises:
        SpecError: a synced folder needs what is not installed here.
        UsageError: a machine exists that the lab no longer has, so that the new Vagrantfile would
            lose it; or another lab has the network.
    """
    lab.workspace.make()
    if not lab.spec.uses_vagrant:
        _note(lab, "")
        return machines.states()
    if lab.provider == "libvirt" and providers.emulated():
        lab.emit(
            Notice("", "this processor has no virtualization: libvirt emulates, which is slow")
        )
    problems = list(missing(lab, lab.provider))
    if problems:
        raise SpecError(str(lab.workspace.spec_file or "the lab"), problems)
    if lab.spec.vbguest and lab.provider == "virtualbox" and not plugins.additions_work():
        lab.emit(
            Notice("", "vagrant-vbguest crashes on Vagrant's Ruby (3.2 or newer) and is left alone")
        )
    registry = Registry()
    other = clash(lab.spec.network, registry.others(lab.workspace.state))
    if other is not None and other.gone:
        lab.emit(
            Notice(
                "",
                f"the lab in {other.folder}, which is gone, had the network {other.network}; "
                "machines that it left behind would be in the way",
            )
        )
    elif other is not None:
        raise UsageError(
            f"the network {lab.spec.network} belongs to the lab in {other.folder} already",
            hint="leave 'network' out and labctl takes a free one, or destroy that lab first",
        )
    text = vagrantfile(lab, lab.provider)
    old = lab.workspace.vagrantfile
    states: dict[str, MachineState] | None = None
    if (lab.workspace.state / ".vagrant").is_dir():
        # Without a Vagrantfile, Vagrant cannot say: then it is asked again, below.
        states = machines.states() or None
        gone = present(states or {}) - set(lab.spec.node_names)
        if gone:
            raise UsageError(
                f"{', '.join(sorted(gone))}: still there, and no longer part of the lab",
                hint=f"remove with `labctl destroy {' '.join(sorted(gone))}`, or raise the nodes",
            )
    if not old.is_file() or old.read_text("utf-8") != text:
        write(old, text)
    lab.state.save_provider(lab.provider)
    _note(lab, lab.spec.network)
    return machines.states() if states is None else states


def _note(lab: Lab, network: str) -> None:
    """Note the lab among those of this machine."""
    folder, state = str(lab.workspace.folder), str(lab.workspace.state)
    Registry().note(Entry(folder, state, lab.spec.name, network, lab.spec.node_names))


def vagrantfile(lab: Lab, provider: str) -> str:
    """Return the Vagrantfile of the lab for a provider, which need not be installed.

    Raises:
        UsageError: the lab's machines exist already, or a template is wrong.
    """
    if not lab.spec.uses_vagrant:
        raise UsageError("a lab of existing machines has no Vagrantfile")
    from labctl import render  # Jinja takes long to import, and most commands render nothing

    return render.vagrantfile(
        lab.spec,
        provider,
        lab.workspace.templates,
        emulated=provider == "libvirt" and providers.emulated(),
        additions=plugins.additions_work(),
    )


def missing(lab: Lab, provider: str) -> Iterator[Problem]:
    """Yield what the lab's synced folders need and this machine does not have."""
    works = plugins.additions_work()
    for index, folder in enumerate(lab.spec.synced_folders):
        kind = folders.resolved(folder, lab.spec, provider, additions=works)
        unfit = folders.unfit(folder, lab.spec, provider, additions=works)
        problem = unfit or plugins.missing(kind)
        if problem:
            message = f"a folder of type {kind}: {problem[0]}"
            yield Problem(f"synced_folders[{index}]", message, hint=problem[1])
    if lab.spec.vbguest and provider == "virtualbox" and not plugins.find("vagrant-vbguest"):
        yield Problem(
            "vbguest",
            "Vagrant has no plugin vagrant-vbguest",
            hint="run `vagrant plugin install vagrant-vbguest`, or set vbguest: false",
        )


def _begun(lab: Lab, node: str) -> None:
    """Note that a node is being started, for the case that nobody sees it end."""
    record = lab.state.node(node)
    record.settled = False
    lab.state.save(node, record)


def _settled(lab: Lab, node: str, target: Target) -> None:
    """Note that a node was started, and how it is reached."""
    record = lab.state.node(node)
    record.target, record.settled = target, True
    lab.state.save(node, record)


@contextlib.contextmanager
def waking(lab: Lab, machines: Machines, node: str) -> Iterator[None]:
    """Around what lets a machine run on, or starts it anew; what comes after every such start.

    How the node is reached is noted, for the address may be another than before. Its clock is set
    to this machine's: it stood still while the node did, and one that is behind makes certificates
    invalid and the engine's times wrong, and chrony corrects it slowly.
    """
    _begun(lab, node)
    yield
    _settled(lab, node, machines.target(node))
    set_clock(lab, node)


def set_clock(lab: Lab, node: str) -> None:
    """Set a node's clock to this machine's."""
    with lab.remote(node, patience=60.0) as remote:
        remote.run(f"date -u -s @{int(time.time())} >/dev/null")


class Bringer:
    """Brings machines up in an order that their provider can bear.

    Where the provider wants it, one machine at a time goes alone, in the order of `nodes`, until
    one of them boots: by then the box is imported and the networks are made. The rest go together.

    Parameters:
        lab: the lab.
        machines: what makes them.
        nodes: all that will be asked for.
        states: what each machine is doing, as `prepare` returned it; None: it is asked for.
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
        self._queue = missing if machines.alone_first(missing) else []
        self._turn = threading.Condition()

    def _answers(self, node: str) -> bool:
        """Whether the machine runs as it should, and it is known how to reach it."""
        state = self._states.get(node)
        if state is MachineState.EXISTING:
            return True
        record = self._lab.state.node(node)
        return state is MachineState.RUNNING and record.settled and record.target is not None

    def up(self, node: str) -> None:
        """Bring one machine up and remember how it is reached.

        Raises:
            MachineError: it did not come up.
            Interrupted: the user interrupted the run before its turn came.
        """
        if self._answers(node):
            return
        self._wait(node)
        lab = self._lab
        if lab.stop.requested.is_set():
            raise Interrupted("not begun", node=node)
        lab.emit(PhaseEntered(node, Phase.BOOTING))
        state = self._states.get(node, MachineState.ABSENT)
        settled = lab.state.node(node).settled
        try:
            if state is MachineState.ABSENT:
                lab.hostkeys.forget(node)
                lab.state.save(node, NodeRecord())
            _begun(lab, node)
            if state is MachineState.RUNNING or (state is MachineState.SUSPENDED and not settled):
                # Nobody saw it come up; `vagrant up` would leave it as it is.
                self._machines.reload(node, emit=lab.emit)
                target = self._machines.target(node)
            else:
                target = self._machines.up(node, emit=lab.emit, booting=self._all_may)
            self._all_may()
        finally:
            self._next(node)
        _settled(lab, node, target)
        if state is MachineState.SUSPENDED:
            set_clock(lab, node)

    def _wait(self, node: str) -> None:
        """Wait until the node may be begun."""
        with self._turn:
            if node in self._queue and self._queue[0] != node:
                self._lab.emit(PhaseEntered(node, Phase.WAITING, f"for {self._queue[0]}"))
                self._turn.wait_for(lambda: node not in self._queue or self._queue[0] == node)

    def _all_may(self) -> None:
        """Let all go: what had to be made alone is made."""
        with self._turn:
            self._queue = []
            self._turn.notify_all()

    def _next(self, node: str) -> None:
        """Let the next one try: this one made nothing that the others could use."""
        with self._turn:
            if node in self._queue:
                self._queue.remove(node)
            self._turn.notify_all()
