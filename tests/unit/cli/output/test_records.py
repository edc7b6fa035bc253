"""The published JSON Schema has every kind of line that labctl prints."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest

import labctl
from labctl.cli.output.records import json_schema
from tests.json_lines import check_line

PACKAGE = Path(labctl.__file__).parent
PRINTED = sorted(
    {
        kind
        for module in PACKAGE.rglob("*.py")
        for kind in re.findall(r'"event": "([a-z-]+)"', module.read_text("utf-8"))
    }
)


def test_lines_are_found_in_the_source() -> None:
    assert {"result", "baked", "exported", "imported", "moved"} <= set(PRINTED)


@pytest.mark.parametrize("kind", PRINTED)
def test_each_kind_of_line_is_in_the_schema(kind: str) -> None:
    definitions = json_schema()["$defs"].values()
    events = (one.get("properties", {}).get("event", {}) for one in definitions)
    kinds = {event.get("const") for event in events}
    assert kind in kinds


def test_the_lines_of_boxes_are_as_the_schema_says() -> None:
    box = {"name": "course", "version": "0.4", "provider": "libvirt", "digest": "ab", "bytes": 9}
    check_line({"event": "baked", **box})
    check_line(
        {"event": "imported", "checkpoint": "c", "boxes": {"n": {"name": "b", "version": "1"}}}
    )
    file = {"path": "/tmp/c", "bytes": 9, "sha256": "ab"}
    check_line({"event": "exported", "checkpoint": "c", "nodes": ["n"], **file})
    with pytest.raises((AssertionError, jsonschema.ValidationError)):
        check_line({"event": "baked", **box, "more": 1})
