"""Bringing resources into their wanted state, in order, by as few exchanges as can be trusted.

A change is carried by one exchange, with a look at whether it worked, and as far as the next
resource that was not as wanted when it was last seen. So no plan is made from a stale look, and no
change is believed without being seen. Where a change righted a later resource too, one look more is
taken behind that one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from labctl.errors import ChangeFailed, DidNotConverge, PlaybookError
from labctl.events import ChangeDone, ChangeStarted, Emit, Exchanged
from labctl.provision.expand import Item
from labctl.provision.facts import PROBE, Facts
from labctl.provision.play import Question
from labctl.provision.resources.base import Change, PeerQuery, Resource, quote
from labctl.remote.exchange import Observed, Shell, exchange, legible


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that was made, or with `check` would be."""

    playbook: str
    resource: str
    summary: str
    diff: str


AskPeer = Callable[[PeerQuery], str]
"""Waits for another node and asks it; returns what it told, or raises a `LabctlError`."""
SECRET = "(kept secret)"
"""Stands in messages for what another node told in confidence."""


def no_peers(ask: PeerQuery) -> str:
    """The `AskPeer` of a node that is provisioned where there are no others."""
    raise PlaybookError(f"there is no {ask.node} to be asked", hint="run labctl on the whole lab")


@dataclass(slots=True)
class Run:
    """One run on one node: the shell, whom to tell and to ask, and what was done.

    Parameters:
        shell: a root shell on the node.
        emit: takes the events of the run.
        check: look only.
        ask: asks other nodes what a change needs of them.
        came_through: is told each playbook's name as soon as the node has all that it wants.
        exchanges: round trips so far.
        changes: made so far; with `check`, those that would be.
    """

    shell: Shell
    emit: Emit
    check: bool
    ask: AskPeer = no_peers
    on_playbook_done: Callable[[str], None] = lambda playbook: None
    exchanges: int = 0
    changes: list[Applied] = field(default_factory=list)

    def exchange(self, snippets: Sequence[str], *, gate: bool = False) -> list[Observed]:
        start = time.monotonic()
        seen = exchange(self.shell, snippets, gate=gate)
        self.exchanges += 1
        self.emit(Exchanged(self.shell.name, len(snippets), time.monotonic() - start))
        return seen


def apply(
    run: Run, items: Sequence[Item], start: int, facts: Facts, question: Question | None
) -> tuple[Facts | None, Observed | None]:
    """Bring the items from `start` on into their wanted state, in order.

    Parameters:
        run: on which node.
        items: all resources so far, in the order of work.
        start: number of the first that is not known to be as wanted.
        facts: what the node was when they were wished for.
        question: what is to be measured when they are as wanted; None: nothing.

    Returns:
        Other facts than the given ones, where another machine answered; nothing was changed in that
        case. And what the question's script saw, where it went along with the last change.

    Raises:
        ChangeFailed, DidNotConverge, RemoteError: as `labctl.provision.converge.converge`.
    """
    probes = [item.resource.probe() for item in items]
    about, *looks = run.exchange([PROBE, *probes[start:]])
    now = Facts.read(about)
    if now != facts:
        return now, None
    seen = dict(enumerate(looks, start))
    fresh = len(items)  # from there on, what was seen is older than the last change
    measured = None
    for index in range(start, len(items)):
        item = items[index]
        if index and item.playbook != items[index - 1].playbook and not run.check:
            run.on_playbook_done(items[index - 1].playbook)
        if index == fresh:
            fresh = min(_first_wrong(items, seen, index) + 1, len(items))
            seen |= enumerate(run.exchange(probes[index:fresh]), index)
        change = _plan(run, item, seen[index])
        if change is None:
            continue
        if run.check and item.resource.id in {applied.resource for applied in run.changes}:
            continue  # asked for once more; the first change would have brought it about
        # What stands on a node may hold any bytes; the script keeps them, a diff need not.
        done = Applied(item.playbook, item.resource.id, change.summary, legible(change.diff))
        where = (run.shell.name, item.playbook, item.resource.id, change.summary)
        run.emit(ChangeStarted(*where, diff=done.diff, check=run.check))
        run.changes.append(done)
        if run.check:
            continue
        began = time.monotonic()
        script, answer = change.script, ""
        if change.ask is not None:
            answer = run.ask(change.ask)
            script = f"answer={quote(answer)}\n{script}"
        wrong = _first_wrong(items, seen, index + 1, righted=item.resource)
        fresh = min(wrong + 1, len(items))
        asking = [question.script] if question is not None and wrong == len(items) else []
        result, *looks = run.exchange([script, *probes[index:fresh], *asking], gate=True)
        said = result.text
        if change.ask is not None and change.ask.secret and answer:
            said = said.replace(answer, SECRET)
        if not result.ok:
            raise ChangeFailed(
                f"{change.summary}: failed with exit code {result.exit_code}",
                resource=item.resource.id,
                details=said[-4000:],
                node=run.shell.name,
            )
        # Thrown away where one more change turns out to be needed: it came too early then.
        measured = looks.pop() if asking else None
        seen |= enumerate(looks, index)
        left = _plan(run, item, seen[index])
        if left is not None:
            raise DidNotConverge(
                f"{change.summary}: ran, and {item.resource.id} is still not as wanted",
                resource=item.resource.id,
                details="\n".join(p for p in (said[-3000:], legible(left.diff)) if p),
                node=run.shell.name,
            )
        run.emit(ChangeDone(*where, seconds=time.monotonic() - began))
    return None, measured


def _first_wrong(
    items: Sequence[Item],
    seen: Mapping[int, Observed],
    index: int,
    righted: Resource | None = None,
) -> int:
    """Return the first item from `index` on that was not as wanted when it was last seen.

    That decides how far the next exchange looks and nothing else. The number of items where all
    were as wanted, or are the resource `righted`, which may be asked for more than once.
    """
    for later in range(index, len(items)):
        try:
            wrong = items[later].resource.plan(seen[later]) is not None
        except ValueError:  # what cannot be understood wants a fresh look too
            wrong = True
        if wrong and items[later].resource != righted:
            return later
    return len(items)


def _plan(run: Run, item: Item, observed: Observed) -> Change | None:
    try:
        return item.resource.plan(observed)
    except ValueError as error:
        raise ChangeFailed(
            f"{item.resource.id}: {legible(str(error))}",
            resource=item.resource.id,
            node=run.shell.name,
        ) from error
