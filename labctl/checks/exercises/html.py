"""The result of a rehearsal as one HTML page, which needs no network and no script.

The template escapes every value. This module removes control characters, including those that
change the direction of text.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl import __version__, templating
from labctl.checks.exercises.timeline import clock, timeline
from labctl.checks.report import Check, CommandRun, NodeReport
from labctl.events import CheckOutcome
from labctl.messages import printable

if TYPE_CHECKING:
    from labctl.checks.exercises.result import Rehearsal
    from labctl.parallel import Result

_COLOURS = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")

_STATES = {
    CheckOutcome.PASSED: "good",
    CheckOutcome.FAILED: "bad",
    CheckOutcome.ERROR: "bad",
    CheckOutcome.SKIPPED: "none",
}
"""The state that an outcome is drawn as."""


def page(rehearsal: Rehearsal, templates: tuple[Path, ...]) -> str:
    """Return the page.

    Parameters:
        rehearsal: the result.
        templates: the folders that may hold rehearsal.html.j2, in order.

    Raises:
        UsageError: the template is missing or invalid.
    """
    began = datetime.datetime.fromtimestamp(rehearsal.began).astimezone()
    counts = rehearsal.counts()
    values = {
        "lab": rehearsal.lab,
        "labctl": __version__,
        "began": f"{began:%A, %d %B %Y, %H:%M %Z}",
        "began_iso": began.isoformat(timespec="seconds"),
        "took": clock(rehearsal.seconds),
        "state": _state(rehearsal),
        "verdict": _verdict(rehearsal),
        "counts": {**counts, "failed": counts["failed"] + counts["error"]},
        "nodes": [_node(result) for result in rehearsal.results],
        "sections": [_section(name, rehearsal.results) for name in rehearsal.sections],
        "causes": _causes(rehearsal),
        "failures": _failures(rehearsal),
        "not_applicable": _not_applicable(rehearsal),
        "timeline": timeline(rehearsal),
        "versions": _versions(rehearsal.reports),
    }
    return templating.template("rehearsal.html.j2", templates, _clean(values), html=True)


def _state(rehearsal: Rehearsal) -> str:
    if not rehearsal.ok:
        return "bad"
    return "good" if rehearsal.counts()["passed"] else "none"


def _verdict(rehearsal: Rehearsal) -> str:
    counts = rehearsal.counts()
    bad = {check.section for report in rehearsal.reports for check in report.failed}
    lost = [result.node for result in rehearsal.results if result.error]
    parts = []
    if bad:
        names = [name for name in rehearsal.sections if name in bad]
        parts.append(
            f"{len(bad)} of {_many(len(rehearsal.sections), 'section')} failed: " + ", ".join(names)
        )
    if lost:
        parts.append(f"{_many(len(lost), 'node')} could not be rehearsed: {', '.join(lost)}")
    if parts:
        return "; ".join(parts)
    if not counts["passed"]:
        return "No exercise applies to this lab"
    return "Every exercise that applies to this lab passed"


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _node(result: Result[NodeReport]) -> dict[str, Any]:
    error = result.error
    return {
        "name": result.node,
        "error": None
        if error is None
        else {"message": error.message, "hint": error.hint, "details": error.details},
    }


def _section(name: str, results: Sequence[Result[NodeReport]]) -> dict[str, Any]:
    """Return a section: a cell for each node, and its exercises with the outcome on each node."""
    cells: list[dict[str, Any]] = []
    exercises: dict[tuple[str, str], dict[str, Any]] = {}
    for result in results:
        checks = [c for c in result.value.checks if c.section == name] if result.value else []
        cells.append({"node": result.node, **_cell(checks, result.error is not None)})
        for check in checks:
            exercise = exercises.setdefault(
                (check.name, check.title), {"title": check.title, "name": check.name, "runs": []}
            )
            exercise["runs"].append(
                {
                    "node": result.node,
                    "state": _STATES[check.outcome],
                    "word": check.outcome.words,
                    "seconds": f"{check.seconds:.1f} s",
                }
            )
    return {
        "name": name,
        "cells": cells,
        "exercises": list(exercises.values()),
        "state": _worst(cell["state"] for cell in cells),
    }


def _cell(checks: Sequence[Check], lost: bool) -> dict[str, Any]:
    states = [_STATES[check.outcome] for check in checks]
    applied = len(states) - states.count("none")
    return {
        "state": "lost" if lost or not states else _worst(states),
        "passed": states.count("good"),
        "applied": applied,
        "not_applicable": states.count("none"),
        "seconds": clock(sum(check.seconds for check in checks)),
    }


def _worst(states: Iterable[str]) -> str:
    found = set(states)
    return next((s for s in ("bad", "lost", "good") if s in found), "none")


def _causes(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    """Return what is wrong in plain words. A cause that breaks ten exercises is one entry."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for report in rehearsal.reports:
        for check in report.failed:
            fix = check.fix.replace(report.node, "NODE")
            entry = found.setdefault(
                (check.explanation, fix),
                {"text": check.explanation, "nodes": [], "exercises": 0, "fix": check.fix},
            )
            entry["exercises"] += 1
            if report.node not in entry["nodes"]:
                entry["nodes"].append(report.node)
                if len(entry["nodes"]) > 1:
                    entry["fix"] = fix
    return list(found.values())


def _failures(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    """Return the failed exercises. A failure on eight nodes is one entry."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for report in rehearsal.reports:
        for check in report.failed:
            entry = found.setdefault(
                (check.section, check.name, check.title),
                {"section": check.section, "title": check.title, "name": check.name, "runs": []},
            )
            entry["runs"].append(
                {
                    "node": report.node,
                    "word": check.outcome.words,
                    "at": clock(check.started - rehearsal.began),
                    "seconds": f"{check.seconds:.1f} s",
                    "message": check.details or "no message",
                    "commands": [_command(ran, report.node) for ran in check.relevant_commands],
                }
            )
    order = {name: place for place, name in enumerate(rehearsal.sections)}
    return sorted(found.values(), key=lambda entry: order.get(entry["section"], len(order)))


def _command(ran: CommandRun, node: str) -> dict[str, Any]:
    if ran.exit_code is None:
        code = "did not end"
    else:
        code = "" if ran.exit_code == 0 else f"exit code {ran.exit_code}"
    return {
        "where": "" if ran.node == node else ran.node,
        "prompt": "#" if ran.root else "$",
        "line": ran.command,
        "code": code,
        "ok": ran.exit_code == 0,
        "output": "\n".join(text.strip("\n") for text in (ran.out, ran.err) if text.strip()),
        "seconds": f"{ran.seconds:.1f} s",
        "phase": {"setup": "setup", "call": "", "teardown": "cleanup"}[ran.phase],
    }


def _not_applicable(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    """Return the exercises that do not apply, by section and reason."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for report in rehearsal.reports:
        for check in report.skipped:
            titles = found.setdefault((check.section, check.message), {})
            titles.setdefault(check.title, []).append(report.node)
    return [
        {
            "section": section,
            "reason": reason,
            "exercises": [
                {"title": title, "nodes": _some(nodes, rehearsal)}
                for title, nodes in titles.items()
            ],
        }
        for (section, reason), titles in found.items()
    ]


def _some(nodes: Sequence[str], rehearsal: Rehearsal) -> str:
    """Return the names of `nodes`; an empty text if they are all rehearsed nodes."""
    names = list(dict.fromkeys(nodes))
    return "" if len(names) == len(rehearsal.reports) else ", ".join(names)


def _versions(reports: Sequence[NodeReport]) -> list[dict[str, Any]]:
    """Return the versions with their nodes. Nodes with equal versions share an entry."""
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for report in reports:
        found.setdefault(tuple(sorted(report.versions.items())), []).append(report.node)
    return [{"nodes": nodes, "versions": dict(versions)} for versions, nodes in found.items()]


def _clean(value: Any) -> Any:
    """Return plain values whose texts have only printable characters."""
    if isinstance(value, str):
        return printable(_COLOURS.sub("", value).replace("\r\n", "\n"), keep="\n\t")
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
