"""Faults of a lab and their places in lab.yaml: one kind for every check.

pydantic's error messages are written for programmers ("Input should be a valid integer, unable to
parse string"), and lab.yaml is written by teachers. `from_pydantic` rewrites them once. This module
does not import pydantic.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labctl.config import foreign_keys
from labctl.config.numbers import number_hint
from labctl.config.patterns import shown
from labctl.messages import msg

KeyPath = tuple[str | int, ...]
"""A place in lab.yaml: keys and indexes from the top."""

_BRANCHES = frozenset({"(count)", "(list)", "(auto)", "(file)"})
"""The tags of unions in the model. pydantic adds the chosen branch to the path of an error."""
_KEY = "[key]"
"""pydantic ends a path with this if the key itself is wrong and not the value under it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a lab.

    Parameters:
        path: where it is in lab.yaml.
        message: what is wrong, a sentence without a full stop.
        hint: what to do about it.
        needs: other top-level keys that the check has read. If one of them is wrong too, this fault
            may be its consequence and is not reported.
        missing: the key at `path` is missing, so that no line of the file is its own.
    """

    path: KeyPath
    message: str
    hint: str = ""
    needs: tuple[str, ...] = ()
    missing: bool = False


def first_of_each_place(found: Iterable[Fault]) -> Iterator[Fault]:
    """Yield the first fault of each place; a key of the whole lab is checked for each node."""
    seen: set[KeyPath] = set()
    for fault in found:
        if fault.path not in seen:
            seen.add(fault.path)
            yield fault


class Refused(ValueError):
    """Raised by a validator of the model: the value is not accepted.

    Parameters:
        message: what is wrong, a sentence without a full stop.
        hint: what to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


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
    return text or msg("the file")


def real_path(location: KeyPath) -> KeyPath:
    """Return the place in lab.yaml that pydantic means by `location`."""
    return tuple(part for part in location if part not in _BRANCHES and part != _KEY)


def from_pydantic(
    kind: str,
    location: KeyPath,
    value: object,
    context: Mapping[str, Any],
    known: Collection[str],
) -> Fault | None:
    """Return an error of pydantic's as a fault; None if it is only a consequence of another one.

    Parameters:
        kind: pydantic's name for the kind of error.
        location: pydantic's path to the value.
        value: the value.
        context: what pydantic adds for that kind.
        known: the keys that are allowed beside the value, for suggestions.
    """
    path = real_path(location)
    if kind == "value_error" and isinstance(context["error"], Refused):
        return Fault(path, context["error"].message, context["error"].hint)
    if kind == "extra_forbidden":
        return unknown_key(path, known)
    if kind == "missing":
        return Fault(path, msg("the key {key!r} is missing", key=str(path[-1])), missing=True)
    if kind == "invalid_key":
        return Fault(path, "a key must be a string", "write it in quotes")
    if kind == "literal_error":
        return _choice(path, value, str(context["expected"]))
    if kind in _LENGTHS:
        return _length(kind, path, value, context)
    if kind in _PLAIN:
        wanted, hint = _PLAIN[kind], _type_hint(kind, value, path)
        if location[-1:] == (_KEY,):
            return Fault(
                path,
                msg("the key must be {wanted}, is {value}", wanted=wanted, value=shown(value)),
                hint,
            )
        return Fault(
            path, msg("must be {wanted}, is {value}", wanted=wanted, value=shown(value)), hint
        )
    # No model can cause another kind today. pydantic's name of it is better than nothing.
    return Fault(path, kind)


_PLAIN = {
    "int_type": msg("a whole number"),
    "int_parsing": msg("a whole number"),
    "int_from_float": msg("a whole number"),
    "bool_type": msg("true or false"),
    "string_type": msg("a string"),
    "string_unicode": msg("a string of valid characters"),
    "model_type": msg("a mapping (key: value)"),
    "dict_type": msg("a mapping (key: value)"),
    "mapping_type": msg("a mapping (key: value)"),
    "tuple_type": msg("a list"),
    "list_type": msg("a list"),
}
# YAML 1.1 read these as true and false.
_OLD_BOOLS = {"yes", "no", "on", "off", "y", "n"}
_ITEMS = {
    "nodes": msg("write: - name: {value}"),
    "machines": msg("write: - {{name: {value}, host: ADDRESS}}"),
    "synced_folders": msg("write: - {{host: {value}, guest: /srv/labs}}"),
}
"""How to write an item of a list that must be a mapping."""
_LENGTHS = {
    "too_short": ("min_length", msg("at least")),
    "too_long": ("max_length", msg("at most")),
}


def _type_hint(kind: str, value: object, path: KeyPath) -> str:
    """Return what to do about a value of the wrong type."""
    if kind in ("int_type", "int_parsing") and isinstance(value, str):
        return number_hint(str(path[-1]) if path else "", value)
    if kind in ("model_type", "dict_type") and isinstance(value, str) and path[0] in _ITEMS:
        return msg(_ITEMS[str(path[0])], value=value)
    if kind == "string_type" and isinstance(value, bool):
        return msg("write it in quotes, or YAML reads true or false")
    if kind == "string_type" and isinstance(value, int | float):
        return msg('write it in quotes, or YAML reads a number: "{value}"', value=shown(value))
    if kind == "bool_type" and str(value).lower() in _OLD_BOOLS:
        return msg("in YAML 1.2, only true and false are booleans")
    return ""


def _length(kind: str, path: KeyPath, value: object, context: Mapping[str, Any]) -> Fault | None:
    """Return the fault of a list that is too short or too long."""
    name, words = _LENGTHS[kind]
    if kind == "too_short" and isinstance(value, list) and len(value) >= context[name]:
        return None  # pydantic counts valid items only; what is wrong is an item
    if not context["actual_length"]:
        return Fault(path, "must not be empty")
    return Fault(
        path,
        msg(
            "must have {bound} {limit} items, has {count}",
            bound=words,
            limit=context[name],
            count=context["actual_length"],
        ),
    )


def unknown_key(path: KeyPath, known: Collection[str]) -> Fault:
    """Return the fault of a key that does not exist, with the most similar one that does."""
    key = str(path[-1])
    if foreign := foreign_keys.hint(path, tuple(known)):
        return Fault(path, msg("unknown key {key!r}", key=key), foreign)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return Fault(
            path, msg("unknown key {key!r}; did you mean {near!r}?", key=key, near=near[0])
        )
    hint = msg("available: {known}", known=", ".join(sorted(known))) if known else ""
    return Fault(path, msg("unknown key {key!r}", key=key), hint)


def _choice(path: KeyPath, value: object, expected: str) -> Fault:
    """Return the fault of a value outside a fixed set; `expected` is pydantic's list of the set."""
    choices = re.findall(r"'([^']*)'", expected)
    # The only set with one choice is `mirrors: auto`.
    wanted = (
        msg("one of {choices}", choices=", ".join(choices))
        if len(choices) > 1
        else msg("{choices} or a list", choices=choices[0])
    )
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = msg("did you mean {near!r}?", near=near[0]) if near else ""
    return Fault(path, msg("must be {wanted}, is {value}", wanted=wanted, value=shown(value)), hint)
