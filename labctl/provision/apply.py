"""Apply resources in their order, with as few exchanges as stay correct.

One exchange carries a change, a probe of its resource, and probes up to the next resource that was
not as wanted. So no plan is made from a stale probe, and every change is verified. If a change has
also fixed a later resource, one more exchange probes what comes after that resource.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from labctl.errors import ChangeFailed, DidNotConverge, PlaybookError, ProtocolError
from labctl.events import ChangeDone, ChangeStarted, Emit, Exchanged
from labctl.messages import msg
from labctl.provision import causes
from labctl.provision.expand import Item
from labctl.provision.facts import PROBE, Facts
from labctl.provision.play import Question
from labctl.provision.preflight import Preflight
from labctl.provision.resources.base import Change, PeerQuery, Resource, quote
from labctl.remote.exchange import Observed, Shell, exchange, legible, limited


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that was made, or that `check` would make."""

    playbook: str
    resource: str
    summary: str
    diff: str


QueryPeer = Callable[[PeerQuery], str]
"""Waits for another node and returns its answer; raises a `LabctlError` if there is none."""
SECRET = "(kept secret)"
"""Replaces a secret answer of another node in messages."""


def no_peers(query: PeerQuery) -> str:
    """The `QueryPeer` of a node that is provisioned without any other node."""
    raise PlaybookError(
        msg("this run cannot query {node}", node=query.node),
        hint="run labctl on the whole lab",
    )


@dataclass(slots=True)
class Run:
    """One run on one node, and what it has done so far.

    Parameters:
        shell: a root shell on the node.
        emit: takes the events of the run.
        check: probe only.
        query_peer: reads what a change needs from another node.
        on_playbook_done: called with a playbook's name when the node has finished it.
        exchanges: round trips so far.
        changes: changes made so far; with `check`, those that would be made.
    """

    shell: Shell
    emit: Emit
    check: bool
    query_peer: QueryPeer = no_peers
    on_playbook_done: Callable[[str], None] = lambda playbook: None
    exchanges: int = 0
    changes: list[Applied] = field(default_factory=list)

    def exchange(self, snippets: Sequence[str], *, gate: bool = False) -> list[Observed]:
        """Run snippets on the node in one exchange, and count it."""
        start = time.monotonic()
        seen = exchange(self.shell, snippets, gate=gate)
        self.exchanges += 1
        self.emit(Exchanged(self.shell.name, len(snippets), time.monotonic() - start))
        return seen


def apply(
    run: Run,
    items: Sequence[Item],
    start: int,
    facts: Facts,
    question: Question | None,
    preflight: Sequence[Preflight] = (),
    ready: Callable[[Sequence[Observed]], None] = lambda seen: None,
) -> tuple[Facts | None, Observed | None]:
    """Bring the items from `start` on into their wanted state, in their order.

    Parameters:
        run: the run on one node.
        items: all resources so far, in the order of work.
        start: index of the first item that has not been applied in this run.
        facts: facts of the node that the plays used.
        question: what to measure when all items are as wanted; None measures nothing.
        preflight: checks before the first change.
        ready: takes the output of `preflight`, and raises an error if nothing may be changed.

    Returns:
        Facts of the node, if they differ from the given ones because another machine answered; then
        nothing was changed. And what the question's script printed, if it ran with the last change.

    Raises:
        ChangeFailed, DidNotConverge, RemoteError: as `labctl.provision.converge.converge`.
    """
    probes = [item.resource.probe() for item in items]
    looks = [look.probe() for look in preflight]
    facts_seen, *results = run.exchange([PROBE, *looks, *probes[start:]])
    now = Facts.read(facts_seen)
    if now != facts:
        return now, None
    ready(results[: len(looks)])
    del results[: len(looks)]
    seen = dict(enumerate(results, start))
    fixed: list[Resource] = []
    fresh = len(items)  # probes of items from this index on are older than the last change
    measured = None
    for index in range(start, len(items)):
        item = items[index]
        if index and item.playbook != items[index - 1].playbook and not run.check:
            run.on_playbook_done(items[index - 1].playbook)
        if index == fresh:
            fresh = min(_first_pending(items, seen, index, fixed) + 1, len(items))
            seen |= enumerate(run.exchange(probes[index:fresh]), index)
        change = _plan(run, item, seen[index])
        if change is None:
            continue
        if run.check and item.resource.id in {applied.resource for applied in run.changes}:
            continue  # the same resource again: its first change would have fixed it
        # A file on a node may hold any bytes. The script keeps them, a diff need not.
        done = Applied(item.playbook, item.resource.id, change.summary, legible(change.diff))
        about = (run.shell.name, item.playbook, item.resource.id, change.summary)
        run.emit(ChangeStarted(*about, diff=done.diff, check=run.check))
        run.changes.append(done)
        if run.check:
            continue
        began = time.monotonic()
        script, answer = _script(run, change)
        fixed.append(item.resource)
        pending = _first_pending(items, seen, index + 1, fixed)
        fresh = min(pending + 1, len(items))
        last = question is not None and pending == len(items)
        measurement = [question.script] if question is not None and last else []
        snippets = [script, *probes[index:fresh], *measurement]
        result, *results = _make(run, item.resource.id, change, snippets)
        output = result.text
        if change.query is not None and change.query.secret and answer:
            output = output.replace(answer, SECRET)
        if not result.ok:
            raise _failure(run.shell.name, item.resource.id, change, result.exit_code, output)
        # A later change makes the measurement stale; it is then replaced or dropped.
        measured = results.pop() if measurement else None
        seen |= enumerate(results, index)
        left = _plan(run, item, seen[index])
        if left is not None:
            raise DidNotConverge(
                msg(
                    "{summary}: no error, but {resource} is still not in the wanted state",
                    summary=change.summary,
                    resource=item.resource.id,
                ),
                resource=item.resource.id,
                details="\n".join(p for p in (output[-3000:], legible(left.diff)) if p),
                node=run.shell.name,
            )
        run.emit(ChangeDone(*about, seconds=time.monotonic() - began))
    return None, measured


def _script(run: Run, change: Change) -> tuple[str, str]:
    """Return the script of a change, limited in time, and the answer of another node in it."""
    if change.query is None:
        return limited(change.script, change.limit), ""
    answer = run.query_peer(change.query)
    return limited(f"answer={quote(answer)}\n{change.script}", change.limit), answer


def _make(run: Run, resource: str, change: Change, snippets: Sequence[str]) -> list[Observed]:
    """Run a change's script and the snippets after it.

    Raises:
        ChangeFailed: the connection broke, for which the change may be the reason.
    """
    try:
        return run.exchange(snippets, gate=True)
    except ProtocolError as error:
        raise ChangeFailed(
            msg("{summary}: {why}", summary=change.summary, why=error.message).map(legible),
            resource=resource,
            hint=msg(
                "check that the node runs. If it does, this change may have cut it off: a "
                "firewall, or a network of docker that covers the address of this computer (set "
                "`bip` in docker.daemon). Then run the same command again; it resumes here"
            ),
            details=error.details,
            node=error.node,
        ) from error


def _failure(node: str, resource: str, change: Change, code: int, output: str) -> ChangeFailed:
    """Return the error for a change that failed, with the cause in one line if it is known."""
    cause = causes.explain(output, code, change.limit)
    why = msg("failed with exit code {code}", code=code) if cause is None else cause.message
    return ChangeFailed(
        msg("{summary}: {why}", summary=change.summary, why=why).map(legible),
        resource=resource,
        hint="" if cause is None else cause.remedy,
        details=output[-4000:],
        node=node,
    )


def _first_pending(
    items: Sequence[Item],
    seen: Mapping[int, Observed],
    index: int,
    fixed: Sequence[Resource],
) -> int:
    """Return the index of the first item from `index` on whose last probe wants a change.

    Returns the number of items if there is none. The result only decides how far the next exchange
    probes. Resources in `fixed`, which this run has changed, do not count; a run may list one more
    than once.
    """
    for later in range(index, len(items)):
        try:
            pending = items[later].resource.plan(seen[later]) is not None
        except ValueError:  # an output that makes no sense needs a fresh probe too
            pending = True
        if pending and items[later].resource not in fixed:
            return later
    return len(items)


def _plan(run: Run, item: Item, observed: Observed) -> Change | None:
    try:
        return item.resource.plan(observed)
    except ValueError as error:
        raise ChangeFailed(
            msg("{what}: {why}", what=item.resource.id, why=error).map(legible),
            resource=item.resource.id,
            node=run.shell.name,
        ) from error
