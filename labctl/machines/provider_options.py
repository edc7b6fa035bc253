"""The keys `provider_options`, `disk`, `gui` and `nested`: what each provider accepts.

Settings that read or write files of this computer, start programs on it or listen on its network
are refused: lab.yaml is data. `vagrantfile` in lab.yaml is for those.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from labctl.config.faults import Fault, KeyPath
from labctl.config.patterns import shown
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec

VALUE = r"[A-Za-z0-9][A-Za-z0-9_.:,+-]{0,99}"
"""A value of a setting: one word, which is no path."""

Judge = Callable[[str, Any], "tuple[str, str] | None"]
"""Returns (message, hint) if a provider refuses a setting, else None."""


def faults(spec: LabSpec, provider: str, judge: Judge) -> Iterator[Fault]:
    """Yield the settings of `provider` that it refuses."""
    for at, settings in _places(spec, provider):
        for name, value in settings.items():
            if refused := judge(name, value):
                yield Fault((*at, name), *refused)


def unknown(spec: LabSpec, known: tuple[str, ...]) -> Iterator[Fault]:
    """Yield the providers in `provider_options` that do not exist."""
    named = dict.fromkeys(
        name
        for part in (spec, *(() if isinstance(spec.nodes, int) else spec.nodes))
        for name in part.provider_options
    )
    for name in named.keys() - set(known):
        near = difflib.get_close_matches(name, known, n=1)
        message = msg("unknown provider '{name}'", name=name)
        hint = (
            msg("did you mean {near!r}?", near=near[0])
            if near
            else msg("available: {names}", names=", ".join(known))
        )
        for at, _ in _places(spec, name):
            yield Fault(at, message, hint)


def _places(spec: LabSpec, provider: str) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Yield where lab.yaml has settings of a provider, and the settings."""
    if provider in spec.provider_options:
        yield ("provider_options", provider), spec.provider_options[provider]
    if not isinstance(spec.nodes, int):
        for index, node in enumerate(spec.nodes):
            if provider in node.provider_options:
                at = ("nodes", index, "provider_options", provider)
                yield at, node.provider_options[provider]


def word_problem(value: object) -> tuple[str, str] | None:
    """Return (message, hint) unless `value` is true, false, a whole number or one word."""
    if isinstance(value, bool | int) or (isinstance(value, str) and re.fullmatch(VALUE, value)):
        return None
    message = msg("must be true, false, a whole number or one word, is {value}", value=shown(value))
    return message, msg("put anything else into a Ruby file, and set that file as vagrantfile")


def set_by(key: str) -> tuple[str, str]:
    """Return (message, hint) for a setting that labctl makes from a key of lab.yaml."""
    return msg("labctl sets it itself"), msg("use the key '{key}' of lab.yaml", key=key)
