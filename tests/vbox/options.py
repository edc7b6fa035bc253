"""Command lines in VBoxManage's manner: words, and options with or without a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.vbox.errors import BadSyntax


@dataclass
class Parsed:
    """The words that are no options, and the values of the options in their order."""

    words: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)

    def has(self, option: str) -> bool:
        """True if the option was given."""
        return option in self.values

    def one(self, option: str) -> str:
        """The value of an option that has to be there; of several, the last."""
        if option not in self.values:
            raise BadSyntax(f"Missing required option: {option}")
        return self.values[option][-1]

    def get(self, option: str, default: str = "") -> str:
        """The value of an option, if it is there."""
        return self.values.get(option, [default])[-1]


def parse(
    arguments: Sequence[str],
    known: Mapping[str, bool],
    *,
    words: int | None = None,
) -> Parsed:
    """Take a command line apart.

    Parameters:
        arguments: what stands behind the verb.
        known: the options, and whether each takes a value. Any other is an error.
        words: how many words there have to be; any number where it is None.
    """
    parsed = Parsed()
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            parsed.words.append(argument)
            continue
        if argument not in known:
            raise BadSyntax(f"Unknown option: {argument}")
        value = ""
        if known[argument]:
            following = next(rest, None)
            if following is None:
                raise BadSyntax(f"Missing argument to '{argument}'")
            value = following
        parsed.values.setdefault(argument, []).append(value)
    if words is not None and len(parsed.words) != words:
        what = "Too many" if len(parsed.words) > words else "Not enough"
        raise BadSyntax(f"{what} parameters: {' '.join(arguments)}")
    return parsed


def action(arguments: Sequence[str], verb: str) -> tuple[str, list[str]]:
    """Split the first word off a command line that needs one."""
    if not arguments:
        raise BadSyntax(f"{verb}: what to do is not said")
    return arguments[0], list(arguments[1:])
