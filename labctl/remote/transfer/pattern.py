"""Patterns of file names, as a shell on a node means them.

Shells differ: ``[^a]`` means something else to dash than to bash, and sh knows no ``{a,b}``. Here a
pattern is parsed once. It is written again so that every sh reads it alike, and a name that a node
sends is compared with the same pattern. As for scp, ``?`` stands for one byte.
"""

from __future__ import annotations

import itertools
import re
import shlex
import string
from collections.abc import Iterator
from dataclasses import dataclass

_CLASSES = {
    "alpha": string.ascii_letters,
    "digit": string.digits,
    "alnum": string.ascii_letters + string.digits,
    "upper": string.ascii_uppercase,
    "lower": string.ascii_lowercase,
    "punct": string.punctuation,
    "xdigit": string.hexdigits,
    "blank": " \t",
    "space": " \t\n\r\v\f",
    "cntrl": "".join(map(chr, [*range(32), 127])),
    "graph": "".join(map(chr, range(33, 127))),
    "print": "".join(map(chr, range(32, 127))),
}
_CLASS = re.compile(r"\[:([a-z]+):\]")
_SINGLE = re.compile(r"\[([.=])(.)\1\]", re.DOTALL)
_RANGE = re.compile(r"(-?\d{1,9})\.\.(-?\d{1,9})|([A-Za-z])\.\.([A-Za-z])")
_ALL = frozenset(range(256))
_MOST = 1000
"""Alternatives that braces may stand for; more than that is literal text."""
_DEEPEST = 50
"""Braces in one pattern; more than that is literal text."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern.

    Parameters:
        bytes: which bytes it can stand for; None: any number of any bytes.
        literal: whether it is a character that stands for itself.
    """

    bytes: frozenset[int] | None
    literal: bool = False


_DOT = (_Part(frozenset(b"."), literal=True),)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of one name, without braces."""

    parts: tuple[_Part, ...]
    shell: str
    """The pattern as sh reads it: literal text is quoted."""

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Return the pattern of a name; a backslash makes the next character literal."""
        parts: list[_Part] = []
        shell = literal = ""
        at = 0
        while at < len(text):
            taken = _bracket(text, at) if text[at] == "[" else None
            if taken or text[at] in "*?":
                shell += shlex.quote(literal) if literal else ""
                literal = ""
            if taken:
                part, words, at = taken
                parts.append(part)
                shell += words
                continue
            if text[at] in "*?":
                parts.append(_Part(None if text[at] == "*" else _ALL))
                shell += text[at]
            else:
                if text[at] == "\\" and at + 1 < len(text):
                    at += 1
                literal += text[at]
                encoded = text[at].encode("utf-8", "surrogateescape")
                parts += [_Part(frozenset([byte]), literal=True) for byte in encoded]
            at += 1
        return cls(tuple(parts), shell + (shlex.quote(literal) if literal else ""))

    @property
    def text(self) -> str | None:
        """The one name that it stands for; None if it has wildcards."""
        found = bytearray()
        for part in self.parts:
            if not part.literal:
                return None
            found.extend(part.bytes or ())
        return found.decode("utf-8", "surrogateescape")

    def matches(self, name: str) -> bool:
        """Return whether it can stand for a name.

        A dot at the beginning of a name has to be in the pattern, as in sh.
        """
        if name.startswith(".") and self.parts[:1] != _DOT:
            return False
        data = name.encode("utf-8", "surrogateescape")
        at = part = 0
        star = resume = -1
        # After a mismatch only the last star can take more, so that no name makes this slow.
        while at < len(data):
            accepts = self.parts[part].bytes if part < len(self.parts) else frozenset()
            if accepts is None:
                star, resume = part, at
                part += 1
            elif data[at] in accepts:
                at, part = at + 1, part + 1
            elif star >= 0:
                resume += 1
                at, part = resume, star + 1
            else:
                return False
        return all(left.bytes is None for left in self.parts[part:])


def matches(pattern: str, name: str) -> bool:
    """Return whether a pattern, which may have braces, can stand for a name."""
    return any(Pattern.parse(one).matches(name) for one in alternatives(pattern))


def alternatives(text: str) -> list[str]:
    """Return what braces stand for, in the order of bash: ``{a,b}c`` is ``ac`` and ``bc``."""
    if text.count("{") > _DEEPEST:
        return [text]
    found = list(itertools.islice(_alternatives(text), _MOST + 1))
    return found if len(found) <= _MOST else [text]


def _alternatives(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "{" and (inner := _braces(text, at)):
            choices, end = inner
            for choice in choices:
                for first in _alternatives(choice):
                    for rest in _alternatives(text[end:]):
                        yield text[:at] + first + rest
            return
        at += 1
    yield text


def _braces(text: str, start: int) -> tuple[list[str], int] | None:
    """Return the choices in the braces that open at `start`, and where they end; None: literal."""
    choices, depth, begin, at = [], 0, start + 1, start
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "{":
            depth += 1
        elif text[at] == "," and depth == 1:
            choices.append(text[begin:at])
            begin = at + 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                last = text[begin:at]
                if choices:
                    return [*choices, last], at + 1
                sequence = _sequence(last)
                return (sequence, at + 1) if sequence else None
        at += 1
    return None


def _sequence(text: str) -> list[str]:
    """Return what ``1..3`` or ``a..c`` stands for; empty if it is neither or too long."""
    found = _RANGE.fullmatch(text)
    if not found:
        return []
    if found[3]:
        first, last = ord(found[3]), ord(found[4])
    else:
        first, last = int(found[1]), int(found[2])
    step = 1 if first <= last else -1
    numbers = range(first, last + step, step)
    if len(numbers) > _MOST:
        return []
    if found[3]:
        return [chr(number) for number in numbers]
    padded = any(re.match(r"-?0\d", end) for end in (found[1], found[2]))
    width = max(len(found[1]), len(found[2])) if padded else 0
    return [f"{number:0{width}d}" for number in numbers]


def _bracket(text: str, start: int) -> tuple[_Part, str, int] | None:
    """Return the bracket that opens at `start`, how sh writes it, and where it ends; None: none."""
    at = start + 1
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    begin = at
    accepted: set[int] = set()
    words = ""
    while at < len(text):
        if text[at] == "]" and at > begin:
            accepts = _ALL - accepted if negated else frozenset(accepted)
            return _Part(accepts), f"[{'!' if negated else ''}{words}]", at + 1
        named = _CLASS.match(text, at)
        if named and named[1] in _CLASSES:
            accepted |= set(_CLASSES[named[1]].encode())
            words += named[0]
            at = named.end()
            continue
        low, at = _member(text, at)
        first = low.encode("utf-8", "surrogateescape")
        words += _quoted(low)
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(text, at + 1)
            last = high.encode("utf-8", "surrogateescape")
            words += f"-{_quoted(high)}"
            accepted |= {*first[:-1], *range(first[-1], last[0] + 1), *last[1:]}
        else:
            accepted |= {*first}
    return None


def _member(text: str, at: int) -> tuple[str, int]:
    """Return the character of a bracket at `at`, and what comes after it."""
    if single := _SINGLE.match(text, at):
        return single[2], single.end()
    if text[at] == "\\" and at + 1 < len(text):
        at += 1
    return text[at], at + 1


def _quoted(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    return '"\'"' if character == "'" else f"'{character}'"


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A path whose names are patterns.

    Parameters:
        shell: the path as sh reads it; literal text is quoted.
        wild: whether it has wildcards.
        base: the folder above the first wildcard, or the path itself if there is none.
        last: the pattern of the last name.
    """

    shell: str
    wild: bool
    base: str
    last: Pattern

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """Return the pattern of a path without a slash at its end, except for ``/`` itself."""
        texts = text.split("/")
        # A backslash before a slash has no effect.
        texts[:-1] = [re.sub(r"(?<!\\)((?:\\\\)*)\\\Z", r"\1", name) for name in texts[:-1]]
        names = [Pattern.parse(name) for name in texts]
        base: list[str] = []
        for name in names:
            if name.text is None:
                break
            base.append(name.text)
        wild = len(base) < len(names)
        return cls("/".join(name.shell for name in names), wild, "/".join(base), names[-1])
