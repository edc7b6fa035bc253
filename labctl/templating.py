"""Text from templates: the one module that imports Jinja.

Templates run in Jinja's sandbox, because a lab folder may bring its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
)
from jinja2 import TemplateSyntaxError as JinjaSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from labctl.errors import UsageError
from labctl.messages import msg

# Folders that are searched for a template in this order: the lab's own first, then the packaged.
TemplateFolders = tuple[Path, ...]

PACKAGED = "labctl"
"""Where a template finds labctl's own ones: ``{% extends "labctl/Vagrantfile.j2" %}``."""

_LARGEST = 1 << 20
"""Bytes of the largest template that is read."""


def _json_filter(value: object) -> str:
    return json.dumps(_defined(value), indent=2, sort_keys=True, ensure_ascii=False)


def _sha256_filter(value: object) -> str:
    """Return the digest of a text as a Content-Security-Policy names it."""
    digest = hashlib.sha256(str(_defined(value)).encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _defined_first(filter_: Callable[[Any], str]) -> Callable[[object], str]:
    return lambda value: filter_(_defined(value))


def _defined(value: object) -> object:
    """Return `value`. If it is undefined, the template fails here and not in a filter."""
    if isinstance(value, StrictUndefined):
        str(value)
    return value


class _Folders(FileSystemLoader):
    """Loads templates from folders, whatever has their names there."""

    def get_source(self, environment: Environment, template: str) -> Any:
        for folder in self.searchpath:
            path = Path(folder, template)
            if path.is_file() and path.stat().st_size > _LARGEST:
                raise UsageError(
                    msg(
                        "cannot read {path}: {reason}",
                        path=path,
                        reason=msg("it is larger than 1 MB"),
                    )
                )
        return super().get_source(environment, template)


def template(
    name: str,
    templates: TemplateFolders,
    values: Mapping[str, Any],
    *,
    html: bool = False,
    filters: Mapping[str, Callable[[Any], str]] | None = None,
) -> str:
    """Render the first template called `name` with `values`.

    Parameters:
        name: file name of the template, such as ``daemon.json.j2``.
        templates: folders to look in, in order. A template of the first one can extend or include
            one of the others as ``labctl/NAME``, even under the same name.
        values: the names that the template may use.
        html: escape every value, because the output is HTML.
        filters: further filters for this template, by name.

    Raises:
        UsageError: the template is missing or wrong, with its file and line.
    """
    environment = SandboxedEnvironment(
        loader=ChoiceLoader(
            [
                _Folders(templates, encoding="utf-8"),
                # A lab's template of the same name hides the packaged one, and may extend it. A
                # provider's own templates come last.
                PrefixLoader({PACKAGED: _Folders(templates[1:], encoding="utf-8")}),
            ]
        ),
        undefined=StrictUndefined,
        autoescape=html,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        newline_sequence="\n",
    )
    environment.filters |= {
        name: _defined_first(filter) for name, filter in (filters or {}).items()
    }
    environment.filters["json"] = _json_filter
    environment.filters["sha256"] = _sha256_filter
    try:
        return environment.get_template(name).render(values)
    except TemplateNotFound as error:
        searched = ", ".join(map(str, templates)) or msg("no folder")
        raise UsageError(
            msg("template {error} not found", error=error.name), details=searched
        ) from error
    except JinjaSyntaxError as error:
        place = f"{error.filename or name}:{error.lineno}"
        raise UsageError(msg("{what}: {why}", what=place, why=error.message)) from error
    except RecursionError as error:
        raise UsageError(
            msg("{name}: the template extends or includes itself", name=name),
            hint=msg('write {{% extends "{packaged}/{name}" %}}', packaged=PACKAGED, name=name),
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(msg("{name}: the template is not UTF-8", name=name)) from error
    # Errors while a template runs: undefined names, forbidden attributes, and whatever its
    # expressions raise.
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        message = f"{_place(error, templates) or name}: {error or type(error).__name__}"
        raise UsageError(message) from error


def _place(error: BaseException, templates: TemplateFolders) -> str:
    """Return "file:line" of the template's line that `error` comes from, or an empty text.

    Jinja rewrites tracebacks so that frames of a template carry its file and line.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if any(Path(frame.filename).is_relative_to(folder) for folder in templates):
            return f"{frame.filename}:{frame.lineno}"
    return ""
