"""Values of the command line that need no check: none, texts, and lists of texts.

Typer has pydantic check every value by now, also a text, which is one already. To import it takes
a third of the time that a short command spends on this side, and most need it for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.core import TyperArgument, TyperOption


class _Value:
    """Stands for what Typer checks the values of a parameter with.

    Parameters:
        parameter: Typer's.
        build: returns Typer's own check of a parameter, for values that do need one.
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


def spare() -> None:
    """Have texts taken as they are, in this process. A Typer without such checks is left alone."""
    for kind in (TyperOption, TyperArgument):
        build = getattr(kind, "get_runtime_param", None)
        if build is not None:
            setattr(kind, "get_runtime_param", _instead_of(build))  # noqa: B010


def _instead_of(build: Callable[[Any], Any]) -> Callable[[Any], _Value]:
    return lambda parameter: _Value(parameter, build)
