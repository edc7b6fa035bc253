"""The pages that a reader follows step by step, as data: their commands and files, in order."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("class-day.md", "playbooks/writing.md", "exercises/writing.md")
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
    """A file that the page asks the reader to write; blocks of YAML are a lab.yaml."""

    path: str
    text: str


def steps() -> Iterator[Command | File]:
    """Yield what the pages ask their reader to run and to write."""
    for page in PAGES:
        yield from _steps(page)


def _steps(page: str) -> Iterator[Command | File]:
    for block in _BLOCK.finditer((DOCS / page).read_text("utf-8")):
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
            case "sh":
                pass  # an illustration: another program, or a command that is shown elsewhere
            case other:
                raise AssertionError(f"docs/{page} has a block of the kind {other}")
