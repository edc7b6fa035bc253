"""The lab.yaml that `labctl init` writes: it loads, and so does every setting that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labctl import specfile
from labctl.cli.language import LOCALES
from labctl.spec import LabSpec


def _blocks() -> list[str]:
    """Return the switched-off settings, each switched on by itself."""
    blocks: list[list[str]] = []
    inside = False
    for line in specfile.starter().splitlines():
        if re.match(r"#[^ ]", line):
            blocks.append([line[1:]])
            inside = True
        elif inside and line.startswith("#  "):
            blocks[-1].append(line[1:])
        else:
            inside = False
    return ["\n".join(block) + "\n" for block in blocks]


def _load(tmp_path: Path, text: str) -> LabSpec:
    file = tmp_path / "lab.yaml"
    file.write_text(text, "utf-8")
    return specfile.load(file)


def test_the_starter_is_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(specfile.starter(), "utf-8")
    assert specfile.load(file) == specfile.load(None, folder=tmp_path)


@pytest.mark.parametrize("block", _blocks(), ids=lambda block: block.split(":")[0])
def test_every_setting_can_be_switched_on(tmp_path: Path, block: str) -> None:
    key = block.split(":", maxsplit=1)[0]
    text = specfile.starter()
    if key in ("nodes", "machines"):
        text = text.replace("\nnodes: 2\n", "\n")
    spec = _load(tmp_path, text + block)
    assert key in spec.model_fields_set


def test_every_key_is_shown() -> None:
    shown = {block.split(":")[0] for block in _blocks()}
    assert shown == set(LabSpec.model_fields)


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

    settings, explained = parted(specfile.starter())
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
