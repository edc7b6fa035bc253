"""Machines that exist already: shut down, frozen, started anew, removed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence

from labctl.bringup import prepare, present
from labctl.errors import UsageError
from labctl.events import Emit, Phase, PhaseEntered
from labctl.fanout import Result, each
from labctl.lab import Lab
from labctl.machines.base import Machines
from labctl.registry import Registry

Verb = Callable[[Machines, str, Emit], None]


def halt(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Shut nodes down in order."""
    return on_each(lab, "halt", limit, lambda m, node, emit: m.halt(node, emit=emit))


def suspend(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Freeze nodes and keep their memory on disk."""
    return on_each(lab, "suspend", limit, lambda m, node, emit: m.suspend(node, emit=emit))


def resume(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Let suspended nodes run on, with their clocks set."""

    def work(machines: Machines, node: str, emit: Emit) -> None:
        machines.resume(node, emit=emit)
        woken(lab, machines, node)

    return on_each(lab, "resume", limit, work)


def reload(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    """Restart nodes with what lab.yaml says now about memory, processors and folders."""

    def work(machines: Machines, node: str, emit: Emit) -> None:
        machines.reload(node, emit=emit)
        woken(lab, machines, node)

    return on_each(lab, "reload", limit, work, first=prepare)


def sync(lab: Lab, limit: Iterable[str], *, watch: bool) -> list[Result[None]]:
    """Push the rsync folders of the lab to its nodes again.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; none: all.
        watch: go on pushing what changes, until the user interrupts.

    Raises:
        UsageError: the lab has no folder that is synced by rsync.
    """
    if not any(folder.type in ("auto", "rsync") for folder in lab.spec.synced_folders):
        raise UsageError(
            "no folder of this lab is synced by rsync",
            hint="list one under 'synced_folders' in lab.yaml, or copy with `labctl scp`",
        )

    def work(machines: Machines, node: str, emit: Emit) -> None:
        machines.sync(node, watch=watch, emit=emit)

    # A watch may last for hours and changes nothing of the lab's: it does not hold the lock.
    return on_each(lab, "sync", limit, work, lock=not watch)


def destroy(lab: Lab, names: Sequence[str]) -> list[Result[None]]:
    """Remove machines, and what the lab remembers of them.

    Parameters:
        lab: the lab.
        names: of the machines, as `doomed` returned them.
    """
    with lab.state.locked("destroy"):
        machines = lab.machines()

        def work(node: str) -> None:
            machines.destroy(node, emit=lab.emit)
            lab.hostkeys.forget(node)
            lab.state.forget(node)

        results = each(names, work, cap=1, stop=lab.stop)
        if not present(machines.states()):
            lab.state.save_provider("")
            Registry().strike(lab.workspace.state)
        return results


def doomed(lab: Lab, limit: Iterable[str]) -> list[str]:
    """Return the machines that `destroy` would remove, also those that left lab.yaml since.

    Raises:
        UsageError: a name is no machine's, or the lab's machines are not labctl's to remove.
    """
    if not lab.spec.uses_vagrant:
        raise UsageError(
            "this lab's machines existed before labctl and are not destroyed by it",
            hint="take them out of 'machines:' in lab.yaml, or remove them yourself",
        )
    there = present(lab.machines().states())
    patterns = [part for item in limit for part in item.split(",") if part]
    if not patterns:
        return sorted(there)
    left_over = [name for name in patterns if name in there]
    others = [pattern for pattern in patterns if pattern not in left_over]
    chosen = {*left_over, *(lab.select(others) if others else ())}
    return sorted(chosen & there)


def woken(lab: Lab, machines: Machines, node: str) -> None:
    """Note how a node is reached now, and set its clock to this machine's.

    The address may be another than before. The clock stood still while the node did; one that is
    behind makes certificates invalid and the engine's times wrong, and chrony corrects it slowly.
    """
    record = lab.state.node(node)
    record.target = machines.target(node)
    lab.state.save(node, record)
    with lab.remote(node, patience=60.0) as remote:
        remote.run(f"date -u -s @{int(time.time())} >/dev/null")


def on_each(
    lab: Lab,
    what: str,
    limit: Iterable[str],
    work: Verb,
    first: Callable[[Lab, Machines], None] | None = None,
    *,
    lock: bool = True,
) -> list[Result[None]]:
    """Do one thing to every chosen machine that exists, as a rule under the lab's lock.

    Parameters:
        lab: the lab.
        what: the command, for messages.
        limit: names or patterns of nodes; none: all.
        work: does it to one machine.
        first: does what comes before all of them.
        lock: hold the lab's lock meanwhile.

    Returns:
        A result for each machine that was there.
    """
    nodes = lab.select(limit)
    with lab.state.locked(what) if lock else contextlib.nullcontext():
        machines = lab.machines()
        if first is not None:
            first(lab, machines)
        there = present(machines.states())

        def guarded(node: str) -> None:
            lab.emit(PhaseEntered(node, Phase.BOOTING, what))
            work(machines, node, lab.emit)
            lab.emit(PhaseEntered(node, Phase.DONE, what))

        chosen = [node for node in nodes if node in there]
        return each(chosen, guarded, cap=lab.spec.parallel, stop=lab.stop)
