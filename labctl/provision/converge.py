"""Converge one node: one exchange if there is nothing to do.

The first exchange carries all probes. Each change costs one more exchange (`labctl.provision.
apply`), so a run with C changes takes 1 + C. An open question of a play (see `labctl.playbook`) is
measured together with the last change before it, or in an exchange of its own, and the resources
after it take one more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from labctl.errors import PlaybookError
from labctl.events import Decided, Emit, Notice
from labctl.messages import msg
from labctl.provision.apply import Applied, QueryPeer, Run, apply, no_peers
from labctl.provision.expand import Item, expand, preflights
from labctl.provision.facts import PROBE, Facts
from labctl.provision.loader import Playbook
from labctl.provision.play import Play
from labctl.provision.preflight import Preflight, examine
from labctl.remote.exchange import Observed, Shell


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run on a node.

    Parameters:
        node: the node's name.
        changes: the changes made; with `check`, the changes that would at least be made.
        exchanges: number of round trips.
        facts: facts of the node.
        choices: answers to all questions so far, by key.
        complete: False if `check` could not measure a question because a change comes before it.
    """

    node: str
    changes: tuple[Applied, ...]
    exchanges: int
    facts: Facts
    choices: dict[str, Any]
    complete: bool = True


Keeper = Callable[[Facts, dict[str, Any]], None]
"""Saves the facts of a node and the answers that were measured on it."""


class Planner(Protocol):
    """Builds the argument of plays from facts and answers."""

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
    query_peer: QueryPeer = no_peers,
    on_playbook_done: Callable[[str], None] = lambda playbook: None,
    keep: Keeper = lambda facts, choices: None,
) -> Outcome:
    """Bring one node into the state that its playbooks describe.

    Parameters:
        shell: a root shell on the node.
        playbooks: in the order of work.
        planner: builds the argument of the plays.
        emit: takes the events of the run.
        facts: facts from an earlier run; None reads them first.
        choices: answers from earlier runs, by key.
        refresh: measure every question again. Answers to questions that no play has any more are
            dropped, unless `only` leaves playbooks out.
        check: only report the changes that would be made.
        only: names of the playbooks to run; empty runs all.
        query_peer: reads values that a change needs from other nodes.
        on_playbook_done: called with each playbook's name when the node has finished it.
        keep: saves all answers after each measurement, which is true even if a later change fails
            or the run is killed.

    Returns:
        What was done, and the facts and answers now.

    Raises:
        NotReady: something on the node is in the way; nothing was changed.
        ChangeFailed: a change's script failed; later resources were not changed.
        DidNotConverge: a change ran and its resource is still not as wanted.
        PlaybookError: a play failed.
        RemoteError: the node could not be reached, or the connection broke.
    """
    only = tuple(only)
    old = dict(choices or {})
    new: dict[str, Any] = {}
    run = Run(shell, emit, check, query_peer, on_playbook_done)
    first_contact = facts is None
    if facts is None:
        facts = Facts.read(run.exchange([PROBE])[0])
    preflight: Sequence[Preflight] | None = None
    complete = True
    measured_keys: set[str] = set()
    applied: list[Item] | None = None
    while True:
        known = {**(_outdated(old) if refresh else old), **new}
        play = planner(facts, known)
        items, question = expand(playbooks, play, only)
        looks = []
        if preflight is None:
            existing = first_contact and not play.lab.uses_vagrant
            looks = preflights(playbooks, play, only, first_contact=existing)
        # Items before a question that is answered now were applied before it was measured.
        done = applied or []
        start = len(done) if items[: len(done)] == done else 0
        measured = None
        if len(items) > start or looks or (question is None and applied is None):
            ready = _examining(looks, run, first_contact)
            other_facts, measured = apply(run, items, start, facts, question, looks, ready)
            if other_facts is not None:  # the node was recreated
                facts, old, new, measured_keys, applied = other_facts, {}, {}, set(), None
                continue
            preflight = looks
            applied = items
        if question is None:
            for playbook in playbooks:
                if not check and (not only or playbook.name in only):
                    on_playbook_done(playbook.name)
            break
        if check and run.changes:
            # The measurement may depend on an earlier change, which `check` does not make.
            complete = False
            break
        if question.key in measured_keys:
            # Each script would make the other's answer stale, and the run would never end.
            raise PlaybookError(
                msg("{key} is measured by two different scripts", key=question.key),
                hint="use a unique key for each question of the lab's playbooks",
                node=shell.name,
            )
        measured_keys.add(question.key)
        seen = run.exchange([question.script])[0] if measured is None else measured
        try:
            # Through JSON, so that this run sees the value that the next one reads from the state.
            answer = json.loads(json.dumps(question.decide(seen)))
        except Exception as error:
            raise PlaybookError(
                msg(
                    "{key} could not be decided: {kind}: {error}",
                    key=question.key,
                    kind=type(error).__name__,
                    error=error,
                ),
                details=seen.text[-2000:],
                node=shell.name,
            ) from error
        new[question.key] = {"script": question.script, "answer": answer}
        emit(Decided(shell.name, question.key, str(answer)))
        keep(facts, {**old, **new})
    known = new if refresh and complete and not only else {**old, **new}
    return Outcome(shell.name, tuple(run.changes), run.exchanges, facts, known, complete)


def _examining(
    looks: Sequence[Preflight], run: Run, first_contact: bool
) -> Callable[[Sequence[Observed]], None]:
    """Return what judges the output of preflights; the machine's state is told at first contact."""

    def ready(seen: Sequence[Observed]) -> None:
        notices, error = examine(looks, seen, run.shell.name, first_contact=first_contact)
        for notice in notices:
            run.emit(Notice(run.shell.name, notice))
        if error is not None:
            raise error

    return ready


def _outdated(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers without their scripts, so that `Play.choose` measures each again."""
    return {
        key: {**stored, "script": None} if isinstance(stored, dict) else stored
        for key, stored in choices.items()
    }
