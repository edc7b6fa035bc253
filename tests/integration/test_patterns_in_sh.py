"""A pattern means the same to every sh as to the check of what a node sends back."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from labctl.remote.transfer.pattern import PathPattern, alternatives
from tests.needs import require

CHARACTERS = ["a", "b", "1", *"^!-][\\*?. '\"${},ü第\n~`&;()|<>#%"]
TOKENS = [*CHARACTERS, "*", "?", "[", "]", "[[:digit:]]", "[!a]", "[^a]", "[a-b]", "[]a]", "[b-a]"]


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_pattern_in_a_shell(shell: str, tmp_path: Path) -> None:
    require(shell)
    invent = random.Random(shell)
    names = {"".join(invent.choices(CHARACTERS, k=invent.randint(1, 4))) for _ in range(100)}
    names -= {".", ".."}
    for name in names:
        (tmp_path / name).touch()
    texts = ["".join(invent.choices(TOKENS, k=invent.randint(1, 5))) for _ in range(400)]
    patterns = [PathPattern.parse(f"./{one}") for text in texts for one in alternatives(text)]
    script = "".join(
        f"for found in {pattern.shell}; do printf '%s\\0' \"$found\"; done; printf '\\0'\n"
        for pattern in patterns
    )
    done = subprocess.run(
        [shell, "-c", script], cwd=tmp_path, env={"LC_ALL": "C"}, capture_output=True, check=True
    )
    assert done.stderr == b""
    answers = os.fsdecode(done.stdout).split("\0\0")[:-1]
    assert len(answers) == len(patterns)
    for pattern, answer in zip(patterns, answers, strict=True):
        found = {name.removeprefix("./") for name in answer.split("\0")} & names
        assert found == {name for name in names if pattern.last.matches(name)}, pattern
