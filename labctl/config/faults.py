"""What validation found, and how to say it in plain sentences.

pydantic speaks to programmers ("Input should be a valid integer, unable to parse string"); those
who write lab.yaml are teachers. This module turns one into the other, and it does so without
importing pydantic: a fault is a place, a kind and a value.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from labctl.config.patterns import shown

KeyPath = tuple[str | int, ...]

# Kinds of our own. A CROSS fault concerns several places that are each right by themselves.
OWN = "labctl"
CROSS = "labctl_cross"
# pydantic names the branch of a union in the path; these are the names that spec.py gives.
BRANCHES = frozenset({"(count)", "(list)", "(auto)"})
# With this at its end, a path means a key itself, not what stands under it.
KEY = "[key]"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Parameters:
        path: its place, as keys and indexes from the top of lab.yaml.
        kind: pydantic's error type, or OWN or CROSS.
        value: what stands there.
        context: what pydantic adds for the kind; for our own kinds the `message`, `hint`, and
            `needs`: top-level keys that must be right for the fault to mean anything. `late` marks
            what the checks between places found, for which each place had to be right by itself.
    """

    path: KeyPath
    kind: str
    value: object = None
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """The top-level keys that this fault was concluded from, besides its own."""
        return tuple(self.context.get("needs", ()))

    @property
    def late(self) -> bool:
        """Whether the checks between places found it, so that no more of them can be found."""
        return bool(self.context.get("late"))


def cross(path: KeyPath, message: str, hint: str = "", needs: tuple[str, ...] = ()) -> Fault:
    """Return a fault between several places; see `Fault` for the parameters."""
    return Fault(path, CROSS, None, {"message": message, "hint": hint, "needs": needs})


def where(path: KeyPath) -> str:
    """Return `path` in YAML terms: ``nodes[1].address``; the empty path is the file."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", part):
            text += f".{part}" if text else part
        else:
            text += f"[{shown(part)}]"
    return text or "the file"


_PLAIN = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text",
    "string_unicode": "a text of whole characters",
    "model_type": "a mapping (key: value)",
    "dict_type": "a mapping (key: value)",
    "mapping_type": "a mapping (key: value)",
    "tuple_type": "a list",
    "list_type": "a list",
}
# YAML 1.1 took these for true and false.
_OLD_BOOLS = {"yes", "no", "on", "off", "y", "n"}
_LENGTHS = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}


def sentence(fault: Fault, known: Collection[str]) -> tuple[str, str]:
    """Return (message, hint) for `fault`.

    `known` are the keys that are allowed where the fault stands; they serve for suggestions.
    """
    value, context = fault.value, fault.context
    if fault.kind in (OWN, CROSS):
        return str(context["message"]), str(context.get("hint", ""))
    if fault.kind == "extra_forbidden":
        return _unknown_key(str(fault.path[-1]), known)
    if fault.kind == "missing":
        return f"the key {str(fault.path[-1])!r} is missing", ""
    if fault.kind == "invalid_key":
        return "a key must be a text", "write it in quotes"
    if fault.kind == "literal_error":
        return _choice(value, str(context.get("expected", "")))
    if fault.kind in _LENGTHS:
        if not context["actual_length"]:
            return "must not be empty", ""
        name, words = _LENGTHS[fault.kind]
        return f"must have {words} {context[name]} items, has {context['actual_length']}", ""
    if fault.kind in _PLAIN:
        hint = ""
        number = isinstance(value, bool | int | float)
        if fault.kind == "string_type" and number:
            hint = f'write it in quotes, or YAML reads a number: "{shown(value)}"'
            if isinstance(value, bool):
                hint = "write it in quotes, or YAML reads true or false"
        if fault.kind == "bool_type" and str(value).lower() in _OLD_BOOLS:
            hint = "YAML 1.2 knows true and false only"
        wanted = _PLAIN[fault.kind]
        if fault.path and fault.path[-1] == KEY:
            return f"the key must be {wanted}, is {shown(value)}", hint
        return f"must be {wanted}, is {shown(value)}", hint
    # A kind that no model here can cause today. Better pydantic's words than none.
    return str(context.get("message", fault.kind)), ""


def _unknown_key(key: str, known: Collection[str]) -> tuple[str, str]:
    """Return (message, hint) for a key that does not exist, with the nearest that does."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"unknown key {key!r}; did you mean {near[0]!r}?", ""
    return f"unknown key {key!r}", "known here: " + ", ".join(sorted(known)) if known else ""


def _choice(value: object, expected: str) -> tuple[str, str]:
    """Return (message, hint) for a value outside a fixed set; `expected` is pydantic's list."""
    choices = re.findall(r"'([^']*)'", expected)
    # The one set of one is `mirrors: auto`.
    wanted = f"one of {', '.join(choices)}" if len(choices) > 1 else f"{choices[0]} or a list"
    message = f"must be {wanted}, is {shown(value)}"
    near = difflib.get_close_matches(str(value), choices, n=1)
    return message, f"did you mean {near[0]!r}?" if near else ""
