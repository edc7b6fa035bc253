"""Why a check failed, in words for the people who run the class.

An author writes the words beside the check. pytest's own words stay in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from labctl.messages import Message, msg, recent

PROVISION = "labctl provision"
"""The command that repairs what a playbook should have set up."""

HEAL = "labctl heal {node}"
"""The command that repairs a node on which something works badly although nothing has drifted."""

_ATTRIBUTE = "labctl_on_failure"
_TESTINFRA = "Unexpected exit code"
"""How testinfra's `check_output` begins; the rest is a Python value."""

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Explanation:
    """The text for people about a failed check.

    Parameters:
        wrong: what is wrong on the node, as a sentence without a full stop.
        because: why, if that is known.
        fix: the command that repairs it; empty if there is none.
        needs_engine: whether the check can only pass while Docker runs.
    """

    wrong: str
    because: str = ""
    fix: str = PROVISION
    needs_engine: bool = True


class Failure(AssertionError):
    """A failure whose reason is known in words.

    Parameters:
        message: all details, for the log.
        because: the reason, for people.
        wrong: what is wrong; empty: as in the check's `on_failure`.
        fix: the command that repairs it; empty: as in the check's `on_failure`.
    """

    def __init__(self, message: str, *, because: str = "", wrong: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.because, self.wrong, self.fix = because, wrong, fix


def on_failure(
    wrong: str, *, because: str = "", fix: str = PROVISION, needs_engine: bool = True
) -> Callable[[FunctionT], FunctionT]:
    """Return a decorator with the text for people if the check fails.

    Parameters:
        wrong: what is wrong on the node then, as a sentence without a full stop.
        because: the usual reason. The message of a failed `assert` replaces it.
        fix: the command that repairs it. ``{node}`` in it becomes the node's name.
        needs_engine: whether the check can only pass while Docker runs. While Docker is stopped,
            all of these checks share one explanation.
    """
    explanation = Explanation(wrong, because, fix, needs_engine)

    def mark(function: FunctionT) -> FunctionT:
        setattr(function, _ATTRIBUTE, explanation)
        return function

    return mark


def explanation_of(function: object) -> Explanation | None:
    """Return the arguments of a test function's `on_failure`; None if it has none."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Explanation) else None


def reason(error: BaseException) -> str:
    """Return the reason that an error gives for people; empty if it has only words for programs.

    That is the message behind an `assert`, without the values that pytest adds. Of an output of
    several lines it is the last one, which is where programs put their reason.
    """
    if isinstance(error, Failure):
        return error.because
    if not isinstance(error, AssertionError) or not error.args:
        return ""
    text, sign, _ = str(error.args[0]).partition("\nassert ")
    if text.startswith(_TESTINFRA) or (not sign and text.startswith("assert ")):
        return ""
    found = recent(text)
    return found if found.values else last_line(text)


def last_line(text: str) -> str:
    """Return the last line of a text that is not blank, as a message if it is one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return recent(lines[-1]) if lines else ""


def filled(text: str, node: str) -> str:
    """Return a text of an explanation with the node's name in the place of ``{node}``."""
    if isinstance(text, Message) and text.values:
        return text
    return msg(text, node=node) if "{node}" in text else text
