"""Machines that exist already: shut down, frozen, started anew, removed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from labctl.config import synced_folders
from labctl.errors import LabctlError, MachineError, UsageError
from labctl.events import Emit, Notice, Phase, PhaseEntered
from labctl.lab.boot import prepare, present, restore, started
from labctl.lab.index import LabIndex
from labctl.lab.lab import Lab, parted
from labctl.machines import plugins, providers
from labctl.machines.base import Machines, MachineState
from labctl.parallel import Result, each

Verb = Callable[[Machines, str, Emit], None]


RUNNING, STOPPED, SUSPENDED = MachineState.RUNNING, MachineState.STOPPED, MachineState.SUSPENDED


_FROZEN = "`labctl resume` first, or its memory would be lost"
"""To shut a suspended machine down, Vagrant throws away what it has in memory."""


def halt(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Shut nodes down in order; one that is off is left alone, one that is suspended refused."""
    return on_each(
        lab,
        "halt",
        limit,
        lambda m, node, emit: m.halt(node, emit=emit),
        enough=STOPPED,
        refused={SUSPENDED: ("is suspended", _FROZEN)},
    )


def suspend(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Freeze nodes and keep their memory on disk; one that is frozen is left alone."""
    return on_each(
        lab,
        "suspend",
        limit,
        lambda m, node, emit: m.suspend(node, emit=emit),
        enough=SUSPENDED,
        refused={STOPPED: ("is not running", "a node that is off needs no suspending")},
    )


def resume(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Let suspended nodes run on, with their clocks set; one that runs is left alone."""

    def work(machines: Machines, node: str, emit: Emit) -> None:
        with started(lab, machines, node, frozen=True):
            machines.resume(node, emit=emit)

    return on_each(
        lab,
        "resume",
        limit,
        work,
        enough=RUNNING,
        refused={STOPPED: ("is not suspended but off", "bring it up with `labctl up`")},
    )


def reload(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Restart nodes with what lab.yaml says now about memory, processors and folders.

    One that is suspended is refused.
    """

    def work(machines: Machines, node: str, emit: Emit) -> None:
        with started(lab, machines, node):
            machines.reload(node, emit=emit)

    return on_each(
        lab, "reload", limit, work, first=prepare, refused={SUSPENDED: ("is suspended", _FROZEN)}
    )


def sync(lab: Lab, limit: Iterable[str], *, watch: bool) -> list[Result[None]]:
    """Push the rsync folders of the lab to its nodes again.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; none: all.
        watch: go on pushing what changes, until the user interrupts.

    Raises:
        UsageError: the lab has no folder that is synced by rsync.
    """
    works = plugins.additions_work()
    own = providers.get(lab.provider).folder_types
    kinds = {
        synced_folders.resolved(folder, lab.spec, own, additions=works)
        for folder in lab.spec.synced_folders
    }
    if "rsync" not in kinds:
        raise UsageError(
            "no folder of this lab is synced by rsync",
            hint="list one under 'synced_folders' in lab.yaml, or copy with `labctl scp`",
        )

    def work(machines: Machines, node: str, emit: Emit) -> None:
        machines.sync(node, watch=watch, emit=emit)

    off = "bring it up with `labctl up`"
    return on_each(
        lab,
        "sync",
        limit,
        work,
        refused={STOPPED: ("is not running", off), SUSPENDED: ("is suspended", off)},
        # A watch may last for hours and changes nothing of the lab's: it does not hold the lock,
        # and as none ends by itself, none can wait for another's end.
        lock=not watch,
        at_once=watch,
    )


def destroy(lab: Lab, names: Sequence[str]) -> list[Result[None]]:
    """Remove machines, and what the lab remembers of them.

    Parameters:
        lab: the lab.
        names: of the machines, as `doomed` returned them.
    """
    with lab.state.locked("destroy"):
        machines = _machines(lab)

        def work(node: str) -> None:
            machines.destroy(node, emit=lab.emit)
            lab.hostkeys.forget(node)
            lab.state.forget(node)

        results = each(names, work, cap=1, stop=lab.stop)
        if not present(machines.states()):
            _forget(lab)
        return results


def _forget(lab: Lab) -> None:
    """Forget what the lab's machines were, so that the next ones may be others."""
    lab.state.forget_identity()
    LabIndex().strike(lab.workspace.state)


def _machines(lab: Lab) -> Machines:
    """Return the lab's machines, whose Vagrantfile is made again where it was lost."""
    made_with = lab.state.provider()
    if made_with and not lab.workspace.vagrantfile.is_file():
        restore(lab, made_with)
    return lab.machines()


def doomed(lab: Lab, limit: Iterable[str]) -> list[str]:
    """Return the machines that `destroy` would remove, also those that left lab.yaml since.

    Where there is none at all, as when the first `up` failed, the lab is forgotten.

    Raises:
        UsageError: a name is no machine's, or the lab's machines are not labctl's to remove.
        LabLocked: another labctl is at work on the lab.
    """
    if not lab.spec.uses_vagrant:
        raise UsageError(
            "this lab's machines existed before labctl and are not destroyed by it",
            hint="take them out of 'machines:' in lab.yaml, or remove them yourself",
        )
    patterns = parted(limit)
    # A Vagrant that another labctl has at work would break off if its machine were looked at.
    with lab.state.locked("destroy"):
        there = present(_machines(lab).states())
        if not there:
            _forget(lab)
    if not patterns:
        return sorted(there)
    left_over = [name for name in patterns if name in there]
    others = [pattern for pattern in patterns if pattern not in left_over]
    chosen = {*left_over, *(lab.select(others) if others else ())}
    return sorted(chosen & there)


def on_each(
    lab: Lab,
    what: str,
    limit: Iterable[str],
    work: Verb,
    first: Callable[[Lab, Machines], dict[str, MachineState]] | None = None,
    *,
    enough: MachineState | None = None,
    refused: Mapping[MachineState, tuple[str, str]] | None = None,
    lock: bool = True,
    at_once: bool = False,
) -> list[Result[None]]:
    """Do one thing to every chosen machine that exists, as a rule under the lab's lock.

    Parameters:
        lab: the lab.
        what: the command, for messages.
        limit: names or patterns of nodes; none: all.
        work: does it to one machine.
        first: does what comes before all of them, and returns what each machine is doing.
        enough: a machine in this state is as wanted and left alone.
        refused: for states in which it cannot be done, what to say: (message, hint).
        lock: hold the lab's lock meanwhile.
        at_once: to all of them, whatever `parallel` in lab.yaml says.

    Returns:
        A result for each machine that was there.

    Raises:
        MachineError: none of the chosen machines exists.
    """
    nodes = lab.select(limit)
    with lab.state.locked(what) if lock else contextlib.nullcontext():
        machines = _machines(lab)
        states = first(lab, machines) if first is not None else machines.states()
        there = present(states)
        chosen = [node for node in nodes if node in there]
        if not chosen:
            raise MachineError(
                f"{', '.join(nodes)}: there is no such machine yet",
                hint="bring the lab up with `labctl up`",
            )
        for node in nodes:
            if node not in there:
                lab.emit(Notice(node, "was never brought up and is left out"))

        def guarded(node: str) -> None:
            if states[node] in (refused or {}):
                message, hint = (refused or {})[states[node]]
                raise MachineError(message, node=node, hint=hint)
            lab.emit(PhaseEntered(node, Phase.BOOTING, what))
            try:
                if states[node] is not enough:
                    work(machines, node, lab.emit)
            except LabctlError as error:
                lab.emit(PhaseEntered(node, Phase.FAILED, error.message))
                raise
            lab.emit(PhaseEntered(node, Phase.DONE, what))

        cap = len(chosen) if at_once else lab.spec.parallel
        return each(chosen, guarded, cap=cap, stop=lab.stop)
