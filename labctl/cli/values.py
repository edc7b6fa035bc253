"""Text on the command line, taken as it is.

Typer builds a pydantic validator for every parameter, even for text, which needs none. Importing
pydantic takes a third of the time that a short command such as `exec` spends on this side. Typer
has no option against it, so this module replaces one private method of Typer's parameters. With a
Typer that lacks the method it does nothing, and a test fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.core import TyperArgument, TyperOption

HOOK = "get_runtime_param"
"""Typer's method that builds the validator of a parameter."""


class _Text:
    """Stands in for a parameter's validator, and builds that only for a value that needs it.

    Parameters:
        parameter: Typer's.
        build: returns Typer's own validator of a parameter.
    """

    def __init__(self, parameter: Any, build: Callable[[Any], Any]) -> None:
        self._build = build
        self._annotation = parameter.type_descriptor.annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value as the command takes it; raises as Typer does."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        if self._annotation is str and isinstance(value, str):
            return value
        if self._annotation == list[str] and several and isinstance(value, list | tuple):
            return list(value)
        return self._build(param).coerce(value, param=param, ctx=ctx)


def take_text_unvalidated() -> None:
    """Make Typer take text without pydantic, in this process; other values as before."""
    for kind in (TyperOption, TyperArgument):
        build = getattr(kind, HOOK, None)
        if build is not None:
            setattr(kind, HOOK, _instead_of(build))


def _instead_of(build: Callable[[Any], Any]) -> Callable[[Any], _Text]:
    return lambda parameter: _Text(parameter, build)
