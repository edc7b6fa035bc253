"""Patterns of names: what braces, brackets and wildcards stand for."""

from __future__ import annotations

import time

import pytest

from labctl.remote.transfer.pattern import PathPattern, Pattern, alternatives, matches


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", ["a"]),
        ("{a,b}", ["a", "b"]),
        ("x{a,b}{1,2}", ["xa1", "xa2", "xb1", "xb2"]),
        ("{a,{b,c}d}e", ["ae", "bde", "cde"]),
        ("{,x}a", ["a", "xa"]),
        ("{1..3}", ["1", "2", "3"]),
        ("{08..10}", ["08", "09", "10"]),
        ("{c..a}", ["c", "b", "a"]),
        # What stays as it is, as in bash.
        *((text, [text]) for text in ("{}", "{a}", "{a", "a}", "{a..3}", r"\{a,b}", "{1..99999}")),
        (r"{a\,b,c}", [r"a\,b", "c"]),
        ("{{a,b}", ["{a", "{b"]),
        ("{" * 5000, ["{" * 5000]),
    ],
)
def test_what_braces_expand_to(text: str, found: list[str]) -> None:
    assert alternatives(text) == found


def test_more_alternatives_than_anybody_means_are_no_braces() -> None:
    text = "{a,b}" * 40
    assert alternatives(text) == [text]


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a", ["a"], ["b", "aa", ""]),
        ("*", ["a", "a b", "ü"], [".a", ".labctl"]),
        ("?a", ["ba"], [".a", "a"]),
        ("[.]a", [], [".a"]),
        (".*", [".a"], ["a"]),
        ("[!x]a", ["ba"], [".a", "xa"]),
        ("[^a]1", ["b1"], ["a1", "^"]),
        ("[[:digit:]]*", ["1", "2x"], ["x2"]),
        ("[![:digit:]]", ["x"], ["1"]),
        ("[a-c]", ["b"], ["d", "-"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[]a]", ["]", "a"], ["[]a]"]),
        ("[!]a]", ["b"], ["]"]),
        ("[z-a]", [], ["z", "m"]),
        ("[a", ["[a"], ["a"]),
        ("a[", ["a["], ["a"]),
        ("[]", ["[]"], ["]"]),
        (r"[\]]", ["]"], ["\\"]),
        ("??", ["ü", "ab"], ["a", "abc"]),
        ("?", ["a"], ["ü"]),
        (r"sp\ ace", ["sp ace"], [r"sp\ ace"]),
        (r"\*", ["*"], ["a"]),
        ("a\\", ["a\\"], ["a"]),
        ("{a,b}*", ["a1", "b2"], ["c", "{a,b}"]),
        ("*.tar.*", ["a.tar.gz"], ["a.tar", ".tar.gz"]),
        ("a*b*c", ["abc", "aXbYc", "abcbc"], ["ab", "acb"]),
        ("caf\udce9*", ["caf\udce9", "caf\udce9s"], ["café"]),
    ],
)
def test_what_a_pattern_stands_for(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [name for name in [*yes, *no] if matches(pattern, name)] == yes


def test_no_name_makes_a_pattern_slow() -> None:
    began = time.process_time()
    assert not matches("*a" * 40 + "b", "a" * 255)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("path", "shell", "wild", "base"),
    [
        ("/a/b", "/a/b", False, "/a/b"),
        ("./a b/*", "./'a b'/*", True, "./a b"),
        ("/*/x", "/*/x", True, ""),
        ("./it's/[a']", "./'it'\"'\"'s'/[a\"'\"]", True, "./it's"),
        ("./$(id)`id`", "./'$(id)`id`'", False, "./$(id)`id`"),
        (r"./a\/b", "./a/b", False, "./a/b"),
        (r"./a\\/b", r"./'a\'/b", False, r"./a\/b"),
        ("./[^a]1", "./[!a]1", True, "."),
        ("./-x", "./-x", False, "./-x"),
    ],
)
def test_how_sh_is_told_a_path(path: str, shell: str, wild: bool, base: str) -> None:
    found = PathPattern.parse(path)
    assert (found.shell, found.wild, found.base) == (shell, wild, base)


def test_a_name_without_wildcards_is_a_text() -> None:
    assert Pattern.parse(r"a\*b").text == "a*b"
    assert Pattern.parse("[a]").text is None
    assert Pattern.parse("a*").text is None
    assert Pattern.parse("").text == ""
