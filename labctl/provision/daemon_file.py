"""The text of daemon.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labctl.config import daemon_json as daemon
from labctl.errors import UsageError
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.provision.play import Play
    from labctl.templating import TemplateFolders


def daemon_json_text(
    keys: Mapping[str, Any],
    mirrors: Sequence[str],
    insecure_registries: Sequence[str],
    play: Play,
) -> str:
    """Return the text of daemon.json with these keys, mirrors and registries.

    Raises:
        UsageError: as `daemon_json`.
    """
    settings = daemon.merged(keys, mirrors, insecure_registries)
    return daemon_json(settings, play.templates)


def daemon_json(settings: Mapping[str, Any], templates: TemplateFolders) -> str:
    """Return the text of daemon.json, in the same bytes for the same settings.

    Parameters:
        settings: every key, registry mirrors included; see `labctl.config.daemon_json.merged`.
        templates: where to look for daemon.json.j2.

    Raises:
        UsageError: the template is missing or wrong, or its output is not a daemon.json.
    """
    from labctl.templating import template  # Jinja takes time to import, and most runs need none

    text = template("daemon.json.j2", templates, {"settings": dict(settings)})
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise UsageError(
            msg("daemon.json.j2 does not produce valid JSON: {error}", error=error), details=text
        ) from error
    if not isinstance(parsed, dict):
        raise UsageError("daemon.json.j2 does not produce a JSON object", details=text)
    for problem in daemon.file_problems(parsed):
        message = msg(
            "daemon.json.j2 produces a wrong {where}: {message}",
            where=problem.where,
            message=problem.message,
        )
        raise UsageError(message, hint=problem.hint, details=text)
    return daemon.canonical(parsed)
