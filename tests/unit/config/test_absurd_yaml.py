"""A lab.yaml that nobody means: an error with its line, at once, whatever is in it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from labctl.config import document
from labctl.errors import SpecError, UsageError

LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGED_LAUGHS = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{{','.join(f'k{i}: *{before}' for i in range(9))}}}\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)

ABSURD: dict[str, tuple[str | bytes, int, str]] = {
    "a mapping merges itself": ("a: &a {<<: *a}", 1, "refers to itself"),
    "a list of itself to merge": ("a: &a {<<: [*a, *a]}", 1, "refers to itself"),
    "merges in a circle": ("x: &x {<<: {<<: &y {<<: *x}}}", 1, "refers to itself"),
    "a list in itself": ("x: 1\na: &a [*a]", 2, "refers to itself"),
    "the document in itself": ("&r\na: *r", 1, "refers to itself"),
    "a key of itself": ("&a {*a : 1}", 1, "a key must be one word"),
    "a merge of a number": ("a: {<<: 1}", 1, "<< takes a mapping"),
    "a merge of a list of numbers": ("a: {<<: [1, 2]}", 1, "<< takes a mapping"),
    "a bool of another word": ("b: 1\na: !!bool maybe", 2, "'maybe' is not a value of the type"),
    "an int of another word": ("a: !!int x", 1, "'x' is not a value of the type int"),
    "an int of a hex word": ("a: !!int 0xz", 1, "is not a value of the type int"),
    "a float of another word": ("a: !!float x", 1, "'x' is not a value of the type float"),
    "bytes": ("a: !!binary aGVsbG8=", 1, "does not support the tag !!binary"),
    "a set": ("a: !!set {x, y}", 1, "does not support the tag !!set"),
    "a Python call": ("a: !!python/object/apply:os.system ['true']", 1, "does not support the tag"),
    "a tag of one's own": ("a: 1\nb: !foo bar", 2, "does not support the tag !foo"),
    "a tag by directive": ("%TAG ! tag:x,2000:\n---\na: !y z", 3, "does not support the tag"),
    "an escape beyond all characters": ('a: "\\Uffffffff"', 1, "invalid YAML"),
    "an escape of half a character": ('a: "\\ud800"', 1, "a character that does not exist"),
    "an invalid escape": ('a: "\\xZZ"', 1, "invalid YAML, column"),
    "5,000 lists": ("a: " + "[" * 5000, 1, "too large"),
    "5,000 closed lists": ("a: " + "[" * 5000 + "]" * 5000, 1, "too large"),
    "5,000 lists on lines": ("a:\n" + " [\n" * 5000, 53, "too large"),
    "5,000 mappings": ("a: " + "{a: " * 5000, 1, "too large"),
    "100,000 lists": ("[" * 100_000, 1, "too large"),
    "lists by dashes": ("a:\n  " + "- " * 5000, 2, "too large"),
    "1,000 indented keys": ("".join(" " * i + "a:\n" for i in range(1000)), 51, "too large"),
    "questions": ("? " * 5000, 1, "too large"),
    "a billion laughs": (LAUGHS, 1, "too large"),
    "a billion laughs of mappings": (MERGED_LAUGHS, 1, "too large"),
    "30,000 keys": ("".join(f"k{i}: 1\n" for i in range(30_000)), 5000, "too large"),
    "a number of 100,000 digits": ("a: " + "9" * 100_000, 1, "is not a value of the type int"),
    "a hex number of 100,000 digits": ("a: 0x" + "f" * 100_000, 1, "is not a value of the type"),
    "a number beyond floats": ("a: 1e99999999", 1, "is not a value of the type float"),
    "infinity": ("a: .inf", 1, "is not a value of the type float"),
    "no number": ("a: .nan", 1, "is not a value of the type float"),
    "a key twice": ("a: 1\na: 2", 2, "the key appears twice"),
    "a key twice inside": ("b:\n  a: 1\n  a: 2", 3, "the key appears twice"),
    "a key twice, once quoted": ('a: 1\n"a": 2', 2, "the key appears twice"),
    "a list as a key": ("? [a, b]\n: 1", 1, "a key must be one word or number"),
    "a mapping as a key": ("? {a: b}\n: 1", 1, "a key must be one word or number"),
    "a tab": ("a:\n\tb: 1", 2, "invalid YAML, column 1"),
    "NUL": ("a: 1\nb: \0", 2, "control character"),
    "two documents": ("a: 1\n---\nb: 2", 2, "another document"),
    "another YAML": ("%YAML 9.9\n---\na: 1", 1, "invalid YAML"),
    "an alias of nothing": ("a: *x", 1, "found undefined alias"),
    "asterisks": ("*" * 1000, 1, "found undefined alias"),
    "an open quote": ("a: '" + "x\n" * 5000, 5001, "invalid YAML"),
    "a long tag": ("a: !" + "x" * 5000 + " 1", 1, "does not support the tag"),
    "colons": ("a: " + ": " * 3000, 1, "invalid YAML"),
    "UTF-16": ("a: 1".encode("utf-16"), 1, "not UTF-8"),
    "a surrogate's bytes": (b"a: 1\nb: \xed\xa0\x80", 2, "not UTF-8"),
    "all bytes": (bytes(range(256)), 2, "not UTF-8"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_an_error_with_its_line_at_once(tmp_path: Path, name: str) -> None:
    text, line, words = ABSURD[name]
    path = tmp_path / "lab.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    began = time.process_time()
    with pytest.raises(SpecError) as caught:
        document.read(path)
    assert time.process_time() - began < 5  # 0.5 s at most, if nothing else runs
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.line == line
    assert len(problem.message) < 200


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# nothing", {}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: !!str 1", {"a": "1"}),
        ("a: !!null x", {"a": None}),
        ("a: [0x1f, 0o17, -5, +5, 1_000, 0o9, 09]", {"a": [31, 15, -5, 5, 1000, "0o9", 9]}),
        ("a: [1.5, -1e3, .5]", {"a": [1.5, -1000.0, 0.5]}),
        (
            "a: [true, False, yes, on, ~, null, '']",
            {"a": [True, False, "yes", "on", None, None, ""]},
        ),
        ("%YAML 1.1\n---\na: yes", {"a": True}),
        ("a: 2001-99-99\n2020-01-01: 1", {"a": "2001-99-99", "2020-01-01": 1}),
        ("a: '2001-01-01'", {"a": "2001-01-01"}),
        ("5000: 1", {5000: 1}),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}),
        ("b: {<<: [{p: 1}, {p: 2, q: 2}]}", {"b": {"p": 1, "q": 2}}),
        ("b: {<<: {<<: {p: 1}, p: 2}}", {"b": {"p": 2}}),
        ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
    ],
)
def test_what_yaml_means(tmp_path: Path, text: str, values: dict[str, object]) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(text, "utf-8")
    assert document.read(path).values == values


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")
def test_a_lab_yaml_that_never_ends(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    os.mkfifo(path)
    with pytest.raises(UsageError, match="not a regular file"):
        document.read(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="not a regular file"):
        document.read(path)


def test_a_lab_yaml_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("# " + "x" * (2 << 20))
    with pytest.raises(UsageError, match="larger than 1 MB"):
        document.read(path)
