"""The loop that brings a node into the wanted state: one exchange when there is nothing to do.

All probes go out in the first exchange. A resource that is as wanted costs nothing more; one that
is not costs one exchange, which carries its change, a look at whether the change worked, and fresh
probes of what follows, up to the next resource that was not as wanted when it was last seen. So a
run with C changes takes 1 + C exchanges, no plan is made from a stale look, and no change is
believed without being seen. Where a change righted a later resource too, one look more is taken
behind that one. An open question of a play (see `labctl.playbook`) is measured in the exchange of
the last change before it, or in one of its own, and takes one to go on, in the run that asks it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from labctl.errors import ChangeFailed, DidNotConverge, LabctlError, PlaybookError
from labctl.events import ChangeDone, ChangeStarted, Decided, Emit, Exchanged
from labctl.facts import PROBE, Facts
from labctl.playbook import Play, Playbook, Question, Undecided
from labctl.remote.exchange import Observed, Shell, exchange, legible
from labctl.resources.base import Ask, Change, Resource, quote


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that was made, or with `check` would be."""

    playbook: str
    resource: str
    summary: str
    diff: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did on a node.

    Parameters:
        node: the node's name.
        changes: the changes made; with `check`, at least these would be.
        exchanges: round trips that it took.
        facts: what the node is.
        choices: every answer that is known now.
        complete: False where `check` met a question that could not be measured before a change.
    """

    node: str
    changes: tuple[Applied, ...]
    exchanges: int
    facts: Facts
    choices: dict[str, Any]
    complete: bool = True


Asker = Callable[[Ask], str]
"""Waits for another node and asks it; returns what it told, or raises a `LabctlError`."""
SECRET = "(kept secret)"
"""Stands in messages for what another node told in confidence."""


def nobody(ask: Ask) -> str:
    """The `Asker` of a node that is provisioned where there are no others."""
    raise PlaybookError(f"there is no {ask.node} to be asked", hint="run labctl on the whole lab")


Keeper = Callable[[Facts, dict[str, Any]], None]
"""Takes what is known of a node: its facts, and every answer that was measured on it."""


class Planner(Protocol):
    """Makes a play's argument from what is known of the node."""

    def __call__(self, facts: Facts, choices: dict[str, Any]) -> Play: ...


@dataclass(frozen=True, slots=True)
class Item:
    """A resource and the playbook that asked for it."""

    playbook: str
    resource: Resource


@dataclass(slots=True)
class _Node:
    """One run on one node: the shell, what is known, what was done."""

    shell: Shell
    emit: Emit
    check: bool
    ask: Asker = nobody
    came_through: Callable[[str], None] = lambda playbook: None
    exchanges: int = 0
    changes: list[Applied] = field(default_factory=list)

    def exchange(self, snippets: Sequence[str], *, gate: bool = False) -> list[Observed]:
        start = time.monotonic()
        seen = exchange(self.shell, snippets, gate=gate)
        self.exchanges += 1
        self.emit(Exchanged(self.shell.name, len(snippets), time.monotonic() - start))
        return seen


def unfold(
    playbooks: Iterable[Playbook], play: Play, only: Iterable[str] = ()
) -> tuple[list[Item], Question | None]:
    """Run the plays up to the first open question.

    Parameters:
        playbooks: in the order of work.
        play: what is known.
        only: names of playbooks; where there are any, the others are passed over.

    Returns:
        The resources, and the question that stopped the plays, or None.

    Raises:
        PlaybookError: a play raised an error, or two resources of one id differ.
    """
    chosen = set(only)
    items: list[Item] = []
    seen: dict[str, Item] = {}
    for playbook in playbooks:
        if chosen and playbook.name not in chosen:
            continue
        try:
            for resource in playbook.play(play):
                earlier = seen.setdefault(resource.id, Item(playbook.name, resource))
                # The same thing once more is fine: a service has to be looked at again after a
                # later playbook wrote its files. Two wishes for one thing never end.
                if earlier.resource != resource:
                    raise PlaybookError(
                        f"{earlier.playbook} and {playbook.name} want {resource.id} differently",
                        hint="keep one of the two",
                        node=play.node.name,
                    )
                items.append(Item(playbook.name, resource))
        except Undecided as open_question:
            return items, open_question.question
        except LabctlError:
            raise
        except Exception as error:
            raise PlaybookError(
                f"the playbook {playbook.name} failed: {type(error).__name__}: {error}",
                hint=f"see {playbook.folder / 'play.py'}",
                node=play.node.name,
            ) from error
    return items, None


def converge(
    shell: Shell,
    playbooks: Sequence[Playbook],
    planner: Planner,
    *,
    emit: Emit,
    facts: Facts | None = None,
    choices: dict[str, Any] | None = None,
    refresh: bool = False,
    check: bool = False,
    only: Iterable[str] = (),
    ask: Asker = nobody,
    came_through: Callable[[str], None] = lambda playbook: None,
    keep: Keeper = lambda facts, choices: None,
) -> Outcome:
    """Bring one node into the state that its playbooks describe.

    Parameters:
        shell: a root shell on the node.
        playbooks: in the order of work.
        planner: makes the plays' argument of facts and choices.
        emit: takes the events of the run.
        facts: what was known of the node; None reads it first.
        choices: answers known from earlier runs.
        refresh: measure again whatever is asked. Answers that are not asked for stay where `only`
            passes playbooks over; else nothing needs them any more, and they are forgotten.
        check: look only; report the changes that would be made.
        only: names of playbooks to run; none: all.
        ask: asks other nodes what a change needs of them.
        came_through: is told each playbook's name as soon as the node has all that it wants, for
            those who wait for it.
        keep: is given all that is known after each answer. What was measured is true whether or
            not a later change fails, or the run is killed.

    Returns:
        What was done and what is known now.

    Raises:
        ChangeFailed: a change's script failed; the rest of the node's work was not begun.
        DidNotConverge: a change ran and its resource is still not as wanted.
        PlaybookError: a play failed.
        RemoteError: the node could not be reached, or broke off.
    """
    only = tuple(only)
    old = dict(choices or {})
    new: dict[str, Any] = {}
    run = _Node(shell, emit, check, ask, came_through)
    if facts is None:
        facts = Facts.read(run.exchange([PROBE])[0])
    complete = True
    asked: set[str] = set()
    settled: list[Item] | None = None
    while True:
        known = {**(_to_be_asked(old) if refresh else old), **new}
        items, question = unfold(playbooks, planner(facts, known), only)
        # What stood before a question that was answered meanwhile has been seen to be as wanted.
        done = settled or []
        start = len(done) if items[: len(done)] == done else 0
        measured = None
        if len(items) > start or (question is None and settled is None):
            met, measured = _settle(run, items, start, facts, question)
            if met is not None:  # another machine answered than the one that was known
                facts, old, new, asked, settled = met, {}, {}, set(), None
                continue
            settled = items
        if question is None:
            for playbook in playbooks:
                if not check and (not only or playbook.name in only):
                    came_through(playbook.name)
            break
        if check and run.changes:
            # The measurement may need what an earlier change brings; a guess would mislead.
            complete = False
            break
        if question.key in asked:
            # Each of the two scripts would put the other's answer out of date, without end.
            raise PlaybookError(
                f"{question.key} is asked for with two different scripts",
                hint="give each question of the lab's playbooks a key of its own",
                node=shell.name,
            )
        asked.add(question.key)
        seen = run.exchange([question.script])[0] if measured is None else measured
        try:
            # Through JSON, so that this run sees what the next one will read from the state.
            answer = json.loads(json.dumps(question.decide(seen)))
        except Exception as error:
            raise PlaybookError(
                f"{question.key} could not be decided: {type(error).__name__}: {error}",
                details=seen.text[-2000:],
                node=shell.name,
            ) from error
        new[question.key] = {"script": question.script, "answer": answer}
        emit(Decided(shell.name, question.key, str(answer)))
        keep(facts, {**old, **new})
    known = new if refresh and complete and not only else {**old, **new}
    return Outcome(shell.name, tuple(run.changes), run.exchanges, facts, known, complete)


def _to_be_asked(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return answers that can still be known, and are to no question's script any more."""
    return {
        key: {**stored, "script": None} if isinstance(stored, dict) else stored
        for key, stored in choices.items()
    }


def _settle(
    run: _Node, items: Sequence[Item], start: int, facts: Facts, question: Question | None
) -> tuple[Facts | None, Observed | None]:
    """Bring the items from `start` on into their wanted state, in order.

    Returns:
        Other facts than the given ones, where another machine answered; nothing was changed in that
        case. And what the question's script saw, where it went along with the last change.
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
            run.came_through(items[index - 1].playbook)
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


def _plan(run: _Node, item: Item, observed: Observed) -> Change | None:
    try:
        return item.resource.plan(observed)
    except ValueError as error:
        raise ChangeFailed(
            f"{item.resource.id}: {legible(str(error))}",
            resource=item.resource.id,
            node=run.shell.name,
        ) from error
