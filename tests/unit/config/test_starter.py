"""The lab.yaml that `labctl init` writes: it loads, and so does every setting that it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from labctl.cli.i18n.locale import LOCALES
from labctl.config import load, node_options, starter
from labctl.config.model import LabSpec
from labctl.config.schema import json_schema, model_of_labctl


def _blocks() -> list[str]:
    """Return the switched-off settings, each switched on by itself."""
    blocks: list[list[str]] = []
    inside = False
    for line in starter.TEXT.splitlines():
        if re.match(r"#[^ ]", line):
            blocks.append([line[1:]])
            inside = True
        elif inside and line.startswith("#  "):
            blocks[-1].append(line[1:])
        else:
            inside = False
    return ["\n".join(block) + "\n" for block in blocks]


def _load(tmp_path: Path, text: str) -> LabSpec:
    for name in ("extra.rb", "setup.sh"):  # files that the settings name must exist
        (tmp_path / name).write_text("", "utf-8")
    (tmp_path / "roster.csv").write_text("anna\n", "utf-8")
    file = tmp_path / "lab.yaml"
    file.write_text(text, "utf-8")
    return load.load(file)


def test_the_starter_is_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(starter.TEXT, "utf-8")
    assert load.load(file) == load.load(None, folder=tmp_path)


@pytest.mark.parametrize("block", _blocks(), ids=lambda block: block.split(":")[0])
def test_every_setting_can_be_switched_on(tmp_path: Path, block: str) -> None:
    key = block.split(":", maxsplit=1)[0]
    text = starter.TEXT
    if key in ("nodes", "machines"):
        text = text.replace("\nnodes: 2\n", "\n")
    for name in ("app", "exercises"):
        (tmp_path / name).mkdir(exist_ok=True)
    spec = _load(tmp_path, text + block)
    assert key in spec.model_fields_set


def _keys(value: object, above: str = "") -> Iterator[str]:
    """Yield the path of each key in plain values; what stands in a list has the list's path."""
    if isinstance(value, list):
        for item in value:
            yield from _keys(item, above)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"{above}{key}"
            yield from _keys(item, f"{above}{key}.")


def _schema_keys(part: dict[str, Any], schema: dict[str, Any], above: str = "") -> Iterator[str]:
    """Yield the path of each key that a JSON Schema has a name for."""
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
    for inner in (*part.get("anyOf", ()), *part.get("oneOf", ()), *part.get("allOf", ())):
        yield from _schema_keys(inner, schema, above)
    if isinstance(part.get("items"), dict):
        yield from _schema_keys(part["items"], schema, above)
    for key, inner in part.get("properties", {}).items():
        yield f"{above}{key}"
        yield from _schema_keys(inner, schema, f"{above}{key}.")


def test_every_key_is_shown() -> None:
    shown = {key for block in _blocks() for key in _keys(YAML(typ="safe").load(block))}
    schema = json_schema()
    wanted = set(_schema_keys(schema, schema))
    assert {"nodes.memory", "box.sha256", "sources.vault.key", "registry.image"} <= wanted
    # What a node has in common with the lab is shown for one of them.
    common = {f"nodes.{key}" for key in wanted} & wanted
    common = {key for key in common if key.split(".")[1] in (*node_options.KEYS, "box")}
    shown |= {key.removeprefix("nodes.") for key in shown & common}
    assert wanted - shown - common == set()
    assert set(model_of_labctl().model_fields) == {key.split(".")[0] for key in shown}


def test_a_translated_starter_has_the_same_settings() -> None:
    """Only what explains differs, and all of that does."""

    def parted(text: str) -> tuple[list[str], list[str]]:
        settings, explained = [""], []
        for line in text.splitlines():
            explains = re.match(r"#( [^ ]|$)", line) is not None
            if not explains:
                settings.append(line)
            elif settings[-1] != "?":
                settings.append("?")
                explained.append(line)
        return settings, explained

    settings, explained = parted(starter.TEXT)
    translations = list(LOCALES.glob("*/lab.yaml"))
    assert translations
    for file in translations:
        theirs, theirs_explained = parted(file.read_text("utf-8"))
        assert theirs == settings, file
        same = set(explained) & set(theirs_explained)
        assert all(line.startswith("# Docker ---") for line in same), file


def test_a_section_whose_lines_are_comments_is_not_there(tmp_path: Path) -> None:
    assert _load(tmp_path, "docker:\n  # users: [anna]\nsources:\n  compose:\nbox:\n") == _load(
        tmp_path, ""
    )
