"""The instructor's guide as data: its commands and files, in the order of the reader."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"
VAGRANT_ONLY = "<!-- Vagrant's machines only -->"

_BLOCK = re.compile(
    rf"(?P<mark>{re.escape(VAGRANT_ONLY)}\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"# (\S+\.py)\n(.*)", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A line that begins with ``$ labctl``: its words after that."""

    words: tuple[str, ...]
    vagrant_only: bool


@dataclass(frozen=True)
class File:
    """A file that the reader is told to write; a lab.yaml is named so."""

    path: str
    text: str


def steps() -> Iterator[Command | File]:
    """Yield what the guide tells its reader to run and to write."""
    for block in _BLOCK.finditer(GUIDE.read_text("utf-8")):
        text = block["text"]
        match block["kind"]:
            case "console":
                for line in text.splitlines():
                    prompt, program, *words = shlex.split(line)
                    assert (prompt, program) == ("$", "labctl"), line
                    yield Command(tuple(words), block["mark"] is not None)
            case "yaml":
                yield File("lab.yaml", text)
            case "python":
                found = _FILE.fullmatch(text)
                assert found, f"the first line of this block does not name its file:\n{text}"
                yield File(found[1], found[2])
            case other:
                raise AssertionError(f"docs/guide.md has a block of the kind {other}")
