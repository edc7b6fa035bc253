"""Every line that labctl prints with --json is checked against its published JSON Schema."""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonschema
from jsonschema.exceptions import best_match

from labctl.cli.output.records import json_schema


def lines_of(text: str) -> list[dict[str, Any]]:
    """Return what labctl printed with --json, a line each, once it is checked."""
    found = [json.loads(line) for line in text.splitlines()]
    for line in found:
        check_line(line)
    return found


def check_line(line: Any) -> None:
    """Fail if a line is not as the schema says.

    A new kind of line, or a new field, belongs into `labctl/cli/output/records.py`.
    """
    by_event = _validators()
    assert line["event"] in by_event, f"no such event in the schema: {line}"
    best = best_match(by_event[line["event"]].iter_errors(line))
    assert best is None, f"{best.json_path}: {best.message}, in {line}"


@functools.cache
def _validators() -> dict[str, jsonschema.Draft202012Validator]:
    """By the value of ``event``: one kind is checked at once, where `oneOf` would try all."""
    whole = json_schema()
    jsonschema.Draft202012Validator.check_schema(whole)
    definitions = whole["$defs"]
    kinds = [one["$ref"].rpartition("/")[2] for one in whole["oneOf"]]
    return {
        definitions[kind]["properties"]["event"]["const"]: jsonschema.Draft202012Validator(
            {"$ref": f"#/$defs/{kind}", "$defs": definitions}
        )
        for kind in kinds
    }
