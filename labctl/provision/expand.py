"""Run plays to get their resources, up to the first open question."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from labctl.errors import LabctlError, PlaybookError
from labctl.messages import msg
from labctl.provision.loader import Playbook
from labctl.provision.machine_preflight import MachinePreflight
from labctl.provision.play import Play, Question, Undecided
from labctl.provision.preflight import Preflight
from labctl.provision.resources.base import Resource


@dataclass(frozen=True, slots=True)
class Item:
    """A resource and the playbook that yielded it."""

    playbook: str
    resource: Resource


def preflights(
    playbooks: Iterable[Playbook],
    play: Play,
    only: Iterable[str] = (),
    *,
    first_contact: bool = False,
) -> list[Preflight]:
    """Return the checks before the first change; see `labctl.provision.preflight`.

    Parameters:
        playbooks: in the order of work.
        play: the argument of their functions `preflight`.
        only: names of the playbooks to run; empty runs all.
        first_contact: also return the checks of a machine that existed before labctl.

    Raises:
        PlaybookError: a function `preflight` raised an error.
    """
    chosen = set(only)
    found: list[Preflight] = [MachinePreflight()]
    for playbook in playbooks:
        if playbook.preflight is None or (chosen and playbook.name not in chosen):
            continue
        with _failing(playbook, play):
            found += playbook.preflight(play)
    return [check for check in found if first_contact or not check.at_first_contact]


@contextlib.contextmanager
def _failing(playbook: Playbook, play: Play) -> Iterator[None]:
    """Turn an error of a playbook's code into a `PlaybookError` that names the playbook."""
    try:
        yield
    except (LabctlError, Undecided):
        raise
    except Exception as error:
        raise PlaybookError(
            msg(
                "the playbook {playbook} failed: {kind}: {error}",
                playbook=playbook.name,
                kind=type(error).__name__,
                error=error,
            ),
            hint=msg("see {folder}", folder=playbook.folder / "play.py"),
            node=play.node.name,
        ) from error


def expand(
    playbooks: Iterable[Playbook], play: Play, only: Iterable[str] = ()
) -> tuple[list[Item], Question | None]:
    """Run the plays up to the first open question.

    Parameters:
        playbooks: in the order of work.
        play: the argument of the plays.
        only: names of the playbooks to run; empty runs all.

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
            with _failing(playbook, play):
                for resource in playbook.play(play):
                    earlier = seen.setdefault(resource.id, Item(playbook.name, resource))
                    # Two equal resources are fine: a service is probed again after a later playbook
                    # has written its files. Two different ones would undo each other in every run.
                    if earlier.resource != resource:
                        raise PlaybookError(
                            msg(
                                "{playbook} and {other} define {resource} differently",
                                playbook=earlier.playbook,
                                other=playbook.name,
                                resource=resource.id,
                            ),
                            hint="remove one of them",
                            node=play.node.name,
                        )
                    items.append(Item(playbook.name, resource))
        except Undecided as open_question:
            return items, open_question.question
    return items, None
