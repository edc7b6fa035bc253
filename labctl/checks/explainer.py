"""The words about a failed check: its author's, or those of a deeper cause."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.checks import causes
from labctl.checks.explanation import PROVISION, Explanation, Failure, filled, last_line, reason
from labctl.errors import LabctlError
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.checks.report import CommandRun
    from labctl.events import CheckOutcome


class Explainer:
    """Explains the failed checks of one node.

    Parameters:
        node: the node's name.
        user: the lab's user there.
        shells: run commands on the lab's nodes, by name.
        rehearsal: whether the checks are exercises, which provisioning does not always repair.
    """

    def __init__(
        self, node: str, user: str, shells: Mapping[str, causes.Shell], *, rehearsal: bool
    ) -> None:
        self._node = node
        self._user = user
        self._shells = shells
        self._rehearsal = rehearsal
        self._lost: Explanation | None = None

    @property
    def lost(self) -> bool:
        """True if the node has stopped answering, so that no other check can pass."""
        return self._lost is not None

    def default(self, section: str, title: str, outcome: CheckOutcome) -> Explanation:
        """Return the words about a check whose author wrote none."""
        wrong = msg(
            "{section}: {title}: {outcome}", section=section, title=title, outcome=outcome.words
        )
        return Explanation(wrong, fix="" if self._rehearsal else PROVISION)

    def explain(
        self,
        own: Explanation,
        error: BaseException | None,
        commands: Sequence[CommandRun],
        messages: Sequence[str],
    ) -> Explanation:
        """Return what people read about a failed check.

        Parameters:
            own: the author's words.
            error: what the check raised; None if it did not run.
            commands: what it ran on nodes, in order.
            messages: pytest's messages about it.
        """
        if error is not None:
            own = _with_reason(own, error, commands)
        evidence = "\n".join([own.because, *messages, *(ran.out + ran.err for ran in commands)])
        words = causes.explain(self._causes(commands), own, evidence)
        return replace(
            words,
            wrong=filled(words.wrong, self._node),
            because=filled(words.because, self._node),
            fix=words.fix.replace("{node}", self._node),
        )

    def _causes(self, commands: Sequence[CommandRun]) -> list[Explanation]:
        """Return what is wrong with the node as a whole, or with another that the check used."""
        if self._lost is not None:
            return [self._lost]
        found = causes.find(self._shells[self._node], self._user)
        if found:
            self._lost = next((one for one in found if not one.needs_engine), None)
            return found
        others = {ran.node for ran in commands if ran.exit_code != 0} - {self._node}
        return [
            replace(
                cause,
                wrong=msg("{what} on {node}", what=cause.wrong, node=other),
                fix=cause.fix.replace("{node}", other),
            )
            for other in sorted(others)
            for cause in causes.find(self._shells[other], self._user)
        ]


def _with_reason(
    own: Explanation, error: BaseException, commands: Sequence[CommandRun]
) -> Explanation:
    """Return the author's words with the reason that the failure itself gives."""
    if isinstance(error, Failure):
        own = replace(own, wrong=error.wrong or own.wrong, fix=error.fix or own.fix)
    because = reason(error)
    if isinstance(error, LabctlError):
        because = error.message
    elif not because and isinstance(error, AssertionError):
        because = own.because or _failed_command(commands)
    elif not because:  # a defect of the check itself
        at = traceback.extract_tb(error.__traceback__)[-1]
        because = msg(
            "{file}, line {line}: {kind}: {error}",
            file=at.filename,
            line=at.lineno,
            kind=type(error).__name__,
            error=error,
        )
    return replace(own, because=because)


def _failed_command(commands: Sequence[CommandRun]) -> str:
    """Return the last line of the last command if that failed; else an empty text."""
    if not commands or commands[-1].exit_code == 0:
        return ""
    return last_line(commands[-1].err) or last_line(commands[-1].out)
