"""From a specification to machines that answer: the Vagrantfile, and who is brought up when."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from labctl.config import synced_folders
from labctl.errors import Interrupted, Problem, SpecError, UsageError
from labctl.events import Notice, Phase, PhaseEntered
from labctl.lab.index import Entry, LabIndex
from labctl.lab.lab import Lab
from labctl.lab.state import NodeRecord
from labctl.machines import plugins, providers
from labctl.machines.base import Machines, MachineState
from labctl.remote.target import Target
from labctl.storage import write


def present(states: dict[str, MachineState]) -> set[str]:
    """Return the names of the machines that exist, running or not."""
    return {name for name, state in states.items() if state is not MachineState.ABSENT}


def prepare(lab: Lab, machines: Machines) -> dict[str, MachineState]:
    """Write the Vagrantfile, and note the lab among those of this machine.

    What the machines are made with, and what they are called, is kept as long as they are there.
    Machines that exist already need none of that; how they are reached is written.

    Returns:
        What each machine is doing, so that nobody has to ask Vagrant again, which takes a second.

    Raises:
        SpecError: a synced folder needs what is not installed here.
        UsageError: a machine exists that the lab no longer has, so that the new Vagrantfile would
            lose it; or another lab has the network.
    """
    lab.workspace.make()
    if not lab.spec.uses_vagrant:
        LabIndex().note(_entry(lab, ""))
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
    if _made(lab) - states.keys():  # the file was lost, or was written anew without them
        restore(lab, lab.provider)
        states = machines.states()
    gone = present(states) - set(lab.spec.node_names)
    if gone:
        raise UsageError(
            f"{', '.join(sorted(gone))}: still there, and no longer part of the lab",
            hint=f"remove with `labctl destroy {' '.join(sorted(gone))}`, or raise the nodes",
        )
    _claim(lab)
    if not old.is_file() or old.read_text("utf-8") != text:
        write(old, text)
    lab.state.save_provider(lab.provider)
    lab.state.keep_identity(lab.spec.name, lab.spec.network)
    return states or machines.states()  # without a Vagrantfile, nobody could say before


def _claim(lab: Lab) -> None:
    """Note the lab among those of this machine, with its network.

    Raises:
        UsageError: another lab has the network.
    """
    spec = lab.spec
    other = LabIndex().claim(_entry(lab, spec.network))
    if other is None:
        return
    if other.gone:
        lab.emit(
            Notice(
                "",
                f"the lab in {other.folder}, which is gone, had the network {other.network}; "
                "machines that it left behind would be in the way",
            )
        )
        return
    hint = (
        "leave 'network' out and run the same command again: labctl takes a free one then; "
        "or destroy that lab first"
    )
    if not isinstance(spec.nodes, int) and any(node.address for node in spec.nodes):
        hint = "set another 'network', with the nodes' addresses in it, or destroy that lab first"
    raise UsageError(
        f"the network {spec.network} belongs to the lab in {other.folder} already", hint=hint
    )


def _entry(lab: Lab, network: str) -> Entry:
    place = lab.workspace
    spec_file = str(place.spec_file or "")
    folder, state = str(place.folder), str(place.state)
    return Entry(folder, state, lab.spec.name, network, lab.spec.node_names, spec_file)


def restore(lab: Lab, provider: str) -> None:
    """Write a Vagrantfile by which Vagrant finds every machine that it made, where one was lost.

    Those that left the lab meanwhile are in it too, or they would never be seen again.
    """
    left = sorted(_made(lab) - set(lab.spec.node_names))
    write(lab.workspace.vagrantfile, vagrantfile(lab, provider, left))


def _made(lab: Lab) -> frozenset[str]:
    """Return the names of the machines that Vagrant made, those that left the lab too."""
    from labctl.machines.vagrant import made  # only labs that Vagrant makes need it

    return made(lab.workspace.state)


def vagrantfile(lab: Lab, provider: str, left: Sequence[str] = ()) -> str:
    """Return the Vagrantfile of the lab for a provider, which need not be installed.

    Parameters:
        lab: the lab.
        provider: its name.
        left: names of machines that left the lab, to be named in it still.

    Raises:
        UsageError: the lab's machines exist already, or a template is wrong.
    """
    if not lab.spec.uses_vagrant:
        raise UsageError("a lab of existing machines has no Vagrantfile")
    # Jinja takes long to import, and most commands render nothing.
    from labctl.machines import vagrantfile as render

    return render.vagrantfile(
        lab.spec,
        providers.get(provider),
        lab.workspace.templates,
        additions=plugins.additions_work(),
        left=left,
    )


def missing(lab: Lab, provider: str) -> Iterator[Problem]:
    """Yield what the lab needs of this computer and it does not have."""
    works = plugins.additions_work()
    maker = providers.get(provider)
    for index, folder in enumerate(lab.spec.synced_folders):
        kind = synced_folders.resolved(folder, lab.spec, maker.folder_types, additions=works)
        unfit = synced_folders.unfit(folder, lab.spec, additions=works)
        problem = unfit or plugins.missing(kind)
        if problem:
            message = f"a folder of type {kind}: {problem[0]}"
            yield Problem(f"synced_folders[{index}]", message, hint=problem[1])
    yield from maker.problems(lab.spec)


def _begun(lab: Lab, node: str, *, frozen: bool = False) -> None:
    """Note that a node is being started, for the case that nobody sees it end.

    Parameters:
        lab: the lab.
        node: the node's name.
        frozen: it is suspended, and goes on as it was: what a boot makes is there already.
    """
    record = lab.state.node(node)
    if frozen and record.settled:
        record.resuming = True
    else:
        record.settled = False
    lab.state.save(node, record)


def _settled(lab: Lab, node: str, target: Target) -> None:
    """Note that a node was started, and how it is reached."""
    record = lab.state.node(node)
    record.target, record.settled, record.resuming = target, True, False
    lab.state.save(node, record)


@contextlib.contextmanager
def started(lab: Lab, machines: Machines, node: str, *, frozen: bool = False) -> Iterator[None]:
    """Around what lets a machine run on, or starts it anew; what comes after every such start.

    How the node is reached is noted, for the address may be another than before. Its clock is set
    to this machine's: it stood still while the node did, and one that is behind makes certificates
    invalid and the engine's times wrong, and chrony corrects it slowly.

    Parameters:
        lab: the lab.
        machines: what makes its machines.
        node: the node's name.
        frozen: it is suspended, and is only let go on.
    """
    _begun(lab, node, frozen=frozen)
    yield
    _settled(lab, node, machines.target(node))
    set_clock(lab, node)


def set_clock(lab: Lab, node: str) -> None:
    """Set a node's clock to this machine's."""
    with lab.remote(node, patience=60.0) as remote:
        remote.run(f"date -u -s @{int(time.time())} >/dev/null")


class BootQueue:
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
        seen = record.settled and not record.resuming
        return state is MachineState.RUNNING and seen and record.target is not None

    def up(self, node: str) -> None:
        """Bring one machine up and remember how it is reached.

        Raises:
            MachineError: it did not come up.
            Interrupted: the user interrupted the run before its turn came.
        """
        if self._answers(node):
            return
        self._wait(node)
        try:
            if self._lab.stop.requested.is_set():
                raise Interrupted("not begun", node=node)
            self._start(node)
        finally:
            self._next(node)

    def _start(self, node: str) -> None:
        """Start a machine by what it takes in the state that it is in."""
        lab, machines = self._lab, self._machines
        lab.emit(PhaseEntered(node, Phase.BOOTING))
        state = self._states.get(node, MachineState.ABSENT)
        record = lab.state.node(node)
        running, frozen = state is MachineState.RUNNING, state is MachineState.SUSPENDED
        if state is MachineState.ABSENT:
            lab.hostkeys.forget(node)
            lab.state.save(node, NodeRecord())
        if running and record.settled and record.resuming:
            target = machines.target(node)  # it went on after its labctl was ended
        else:
            _begun(lab, node, frozen=frozen)
            if running or (frozen and not record.settled):
                # Nobody saw it come up; `vagrant up` would leave it as it is.
                machines.reload(node, emit=lab.emit)
                target = machines.target(node)
            else:
                target = machines.up(node, emit=lab.emit, booting=self._all_may)
        self._all_may()
        _settled(lab, node, target)
        if frozen or record.resuming:
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
