"""Shut down, suspend, resume, restart, sync and destroy machines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from labctl.config import synced_folders
from labctl.errors import LabctlError, MachineError, UsageError
from labctl.events import Emit, Notice, Phase, PhaseEntered
from labctl.lab import copies, machine_settings
from labctl.lab.boot import prepare, present, restore, started
from labctl.lab.checkpoint_record import CheckpointRecord
from labctl.lab.index import LabIndex
from labctl.lab.lab import Lab
from labctl.lab.selection import split_patterns
from labctl.machines import plugins, providers
from labctl.machines.base import Machines, MachineState
from labctl.messages import msg
from labctl.parallel import Result, each

Verb = Callable[[Machines, str, Emit], None]


RUNNING, STOPPED, SUSPENDED = MachineState.RUNNING, MachineState.STOPPED, MachineState.SUSPENDED


_PHASES = {
    "halt": Phase.HALTING,
    "suspend": Phase.SUSPENDING,
    "resume": Phase.RESUMING,
    "reload": Phase.RESTARTING,
    "sync": Phase.SYNCING,
    "checkpoint save": Phase.SAVING,
    "checkpoint restore": Phase.RESTORING,
    "checkpoint delete": Phase.DELETING,
}
"""The phase of a node while a command works on it."""

_FROZEN = msg("run `labctl resume` first; otherwise its memory would be lost")
"""To shut a suspended machine down, Vagrant discards its memory."""


def halt(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Shut nodes down cleanly; nodes that are off are skipped, suspended nodes are refused."""
    return on_each(
        lab,
        "halt",
        limit,
        lambda m, node, emit: m.halt(node, emit=emit),
        enough=STOPPED,
        refused={SUSPENDED: (msg("is suspended"), _FROZEN)},
    )


def suspend(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Suspend nodes and keep their memory on disk; suspended nodes are skipped."""
    return on_each(
        lab,
        "suspend",
        limit,
        lambda m, node, emit: m.suspend(node, emit=emit),
        enough=SUSPENDED,
        refused={STOPPED: (msg("is not running"), msg("only running nodes can be suspended"))},
    )


def resume(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Resume suspended nodes and set their clocks; running nodes are skipped."""

    def work(machines: Machines, node: str, emit: Emit) -> None:
        with started(lab, machines, node, frozen=True):
            machines.resume(node, emit=emit)

    return on_each(
        lab,
        "resume",
        limit,
        work,
        enough=RUNNING,
        refused={STOPPED: (msg("is off, not suspended"), msg("start it with `labctl up`"))},
    )


def reload(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Restart nodes with lab.yaml's current settings of machines.

    Suspended nodes are refused.
    """

    def first(lab: Lab, machines: Machines) -> dict[str, MachineState]:
        states = prepare(lab, machines)
        nodes = lab.select(limit)
        for notice in machine_settings.notices(lab, nodes, states, restarting=True):
            lab.emit(notice)
        return states

    def work(machines: Machines, node: str, emit: Emit) -> None:
        with started(lab, machines, node):
            machines.reload(node, emit=emit)

    return on_each(
        lab,
        "reload",
        limit,
        work,
        first=first,
        refused={SUSPENDED: (msg("is suspended"), _FROZEN)},
    )


def sync(lab: Lab, limit: Iterable[str], *, watch: bool) -> list[Result[None]]:
    """Sync the lab's rsync folders to its nodes.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; none: all.
        watch: continue to sync changes until the user interrupts.

    Raises:
        UsageError: the lab has no rsync folder.
    """
    works = plugins.additions_work()
    own = providers.get(lab.provider).folder_types
    kinds = {
        synced_folders.resolved(folder, lab.spec, own, additions=works)
        for folder in lab.spec.synced_folders
    }
    if "rsync" not in kinds:
        raise UsageError(
            "this lab has no rsync folders",
            hint="add one under 'synced_folders' in lab.yaml, or copy with `labctl scp`",
        )

    def work(machines: Machines, node: str, emit: Emit) -> None:
        machines.sync(node, watch=watch, emit=emit)

    off = msg("start it with `labctl up`")
    return on_each(
        lab,
        "sync",
        limit,
        work,
        refused={STOPPED: (msg("is not running"), off), SUSPENDED: (msg("is suspended"), off)},
        # A watch may last for hours and changes nothing in the lab, so it does not hold the lock.
        # No watch ends by itself, so none may wait for another.
        lock=not watch,
        at_once=watch,
    )


def destroy(lab: Lab, names: Sequence[str]) -> list[Result[None]]:
    """Remove machines and their records.

    Parameters:
        lab: the lab.
        names: of the machines, from `doomed`.
    """
    with lab.state.locked("destroy"):
        copies.remove_left(lab)
        machines = _machines(lab)

        def work(node: str) -> None:
            lab.emit(PhaseEntered(node, Phase.DESTROYING))
            try:
                machines.destroy(node, emit=lab.emit)
            except LabctlError as error:
                lab.emit(PhaseEntered(node, Phase.FAILED, error.message))
                raise
            lab.hostkeys.forget(node)
            lab.state.forget(node)
            CheckpointRecord(lab.workspace.checkpoints).remove(node)
            lab.emit(PhaseEntered(node, Phase.DONE))

        results = each(names, work, cap=1, stop=lab.stop)
        if not present(machines.states()):
            _forget(lab)
        return results


def _forget(lab: Lab) -> None:
    """Forget the lab's provider, name and network, so that later machines may differ."""
    lab.state.forget_identity()
    LabIndex().strike(lab.workspace.state)


def _machines(lab: Lab) -> Machines:
    """Return the lab's machines; a lost Vagrantfile is written again."""
    made_with = lab.state.provider()
    if made_with and not lab.workspace.vagrantfile.is_file():
        restore(lab, made_with)
    return lab.machines()


def doomed(lab: Lab, limit: Iterable[str]) -> list[str]:
    """Return the machines that `destroy` would remove, including those that left lab.yaml.

    If no machine exists, for example after a failed first `up`, the lab is removed from the index.

    Raises:
        UsageError: a name is not a machine, or labctl did not create the machines.
        LabLocked: another labctl process uses the lab.
    """
    if not lab.uses_vagrant:
        raise UsageError(
            "labctl does not destroy existing machines",
            hint="remove them from 'machines:' in lab.yaml, or destroy them yourself",
        )
    patterns = split_patterns(limit)
    # Reading the state of a machine would make another labctl's Vagrant process abort.
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
    """Do one thing to every selected machine that exists, usually under the lab's lock.

    Parameters:
        lab: the lab.
        what: the command, for messages.
        limit: names or patterns of nodes; none: all.
        work: does it to one machine.
        first: runs before all of them and returns the state of each machine.
        enough: machines in this state are skipped.
        refused: (message, hint) for states in which it is impossible.
        lock: hold the lab's lock.
        at_once: start all of them, regardless of `parallel` in lab.yaml.

    Returns:
        A result for each machine that exists.

    Raises:
        MachineError: none of the selected machines exists.
    """
    nodes = lab.select(limit)
    with lab.state.locked(what) if lock else contextlib.nullcontext():
        if lock:
            copies.remove_left(lab)
        machines = _machines(lab)
        states = first(lab, machines) if first is not None else machines.states()
        there = present(states)
        chosen = [node for node in nodes if node in there]
        if not chosen:
            raise MachineError(
                msg("{nodes}: not created yet", nodes=", ".join(nodes)),
                hint="bring the lab up with `labctl up`",
            )
        for node in nodes:
            if node not in there:
                lab.emit(Notice(node, "was never brought up; skipped"))

        def guarded(node: str) -> None:
            if states[node] in (refused or {}):
                message, hint = (refused or {})[states[node]]
                raise MachineError(message, node=node, hint=hint)
            lab.emit(PhaseEntered(node, _PHASES[what]))
            try:
                if states[node] is not enough:
                    work(machines, node, lab.emit)
            except LabctlError as error:
                lab.emit(PhaseEntered(node, Phase.FAILED, error.message))
                raise
            lab.emit(PhaseEntered(node, Phase.DONE))

        cap = len(chosen) if at_once else lab.parallel
        return each(chosen, guarded, cap=cap, stop=lab.stop)
