"""The loop that brings a node into the wanted state: one exchange when there is nothing to do.

All probes go out in the first exchange. A resource that is as wanted costs nothing more; one that
is not costs one exchange (`labctl.provision.apply`), so that a run with C changes takes 1 + C. An
open question of a play (see `labctl.playbook`) is measured in the exchange of the last change
before it, or in one of its own, and takes one to go on, in the run that asks it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from labctl.errors import PlaybookError
from labctl.events import Decided, Emit
from labctl.provision.apply import Applied, AskPeer, Run, apply, no_peers
from labctl.provision.expand import Item, expand
from labctl.provision.facts import PROBE, Facts
from labctl.provision.loader import Playbook
from labctl.provision.play import Play
from labctl.remote.exchange import Shell


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


Keeper = Callable[[Facts, dict[str, Any]], None]
"""Takes what is known of a node: its facts, and every answer that was measured on it."""


class Planner(Protocol):
    """Makes a play's argument from what is known of the node."""

    def __call__(self, facts: Facts, choices: dict[str, Any]) -> Play: ...


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
    ask: AskPeer = no_peers,
    on_playbook_done: Callable[[str], None] = lambda playbook: None,
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
    run = Run(shell, emit, check, ask, on_playbook_done)
    if facts is None:
        facts = Facts.read(run.exchange([PROBE])[0])
    complete = True
    asked: set[str] = set()
    settled: list[Item] | None = None
    while True:
        known = {**(_to_be_asked(old) if refresh else old), **new}
        items, question = expand(playbooks, planner(facts, known), only)
        # What stood before a question that was answered meanwhile has been seen to be as wanted.
        done = settled or []
        start = len(done) if items[: len(done)] == done else 0
        measured = None
        if len(items) > start or (question is None and settled is None):
            met, measured = apply(run, items, start, facts, question)
            if met is not None:  # another machine answered than the one that was known
                facts, old, new, asked, settled = met, {}, {}, set(), None
                continue
            settled = items
        if question is None:
            for playbook in playbooks:
                if not check and (not only or playbook.name in only):
                    on_playbook_done(playbook.name)
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
