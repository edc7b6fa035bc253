"""Files that a copy leaves out while it copies the rest, and tar's errors about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from labctl.errors import TransferError
from labctl.messages import msg

DENIED = msg("Permission denied")
NO_FILE = msg("neither a file nor a folder")
GONE = msg("removed while it was copied, or a broken link")
SHRANK = msg("became shorter while it was copied")
CHANGED = msg("changed while it was copied")


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was left out.

    Parameters:
        node: the node that has it; empty: this computer.
        path: where it is.
        why: the reason.
    """

    node: str
    path: str
    why: str

    @property
    def place(self) -> str:
        """Where it is, as the command line writes it."""
        return f"{self.node}:{self.path}" if self.node else self.path

    def error(self) -> TransferError:
        """Return the error if nothing can be copied because of it."""
        template = msg("{path}: {why}") if self.node else msg("{path}: {why} (on this computer)")
        return TransferError(msg(template, path=self.path, why=self.why), node=self.node)


class Effect(Enum):
    """The effect of an error of tar or cp on the copy."""

    SKIPPED = auto()
    """The file is not in the stream."""
    DAMAGED = auto()
    """tar filled up the file with zeros."""
    CHANGED = auto()
    """The file is there, with content of two moments."""
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Complaint:
    """A line that tar or cp wrote to stderr.

    Parameters:
        effect: what it means.
        path: the file as tar knows it; empty if none is named.
        why: the reason, or the whole line.
    """

    effect: Effect
    path: str
    why: str


_RULES = (
    (r"(.*): File shrank by .*", Effect.DAMAGED, SHRANK),
    (r"(.*): Read error at byte .*: (.*)", Effect.DAMAGED, ""),
    (r"(.*): file changed as we read it", Effect.CHANGED, CHANGED),
    (r"(.*): File removed before we read it", Effect.SKIPPED, GONE),
    (r"(.*): socket ignored", Effect.SKIPPED, NO_FILE),
    (r"(.*): Unknown file type.*", Effect.SKIPPED, NO_FILE),
    (r"(.*): Cannot (?:open|stat|readlink|read|savedir): (.*)", Effect.SKIPPED, ""),
)
_COPY = re.compile(r"cp: [^']*'(.+)'[^']*: (.*)")
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_LETTERS |= {b"a": b"\a", b"?": b"\x7f"}
_TOTAL = re.compile(rb"^Total bytes written: ([0-9]{1,19}) .*\n?", re.MULTILINE)
_SUMMARY = ("Exiting with failure status", "Error is not recoverable")
_REASONS = {"Permission denied": DENIED, "No such file or directory": GONE}


def complaints(words: bytes) -> Iterator[Complaint]:
    """Yield what a sending script complained about; `words` is its stderr."""
    for raw in words.split(b"\n"):
        line = raw.decode("utf-8", "replace")
        text = line.removeprefix("tar: ")
        if not line.strip() or text.startswith(_SUMMARY):
            continue
        if copied := _COPY.fullmatch(line):
            yield Complaint(Effect.SKIPPED, copied[1], _REASONS.get(copied[2], copied[2]))
            continue
        yield _complaint(text, line) if text != line else Complaint(Effect.UNKNOWN, "", line)


def written(words: bytes) -> tuple[int | None, bytes]:
    """Return how many bytes tar reports as written, and the rest of its stderr.

    The number is None if tar doesn't report it.
    """
    found = _TOTAL.search(words)
    return int(found[1]) if found else None, _TOTAL.sub(b"", words)


def _complaint(text: str, line: str) -> Complaint:
    for rule, effect, why in _RULES:
        if found := re.fullmatch(rule, text):
            reason = why or _REASONS.get(found[2], found[2])
            return Complaint(effect, _unescaped(found[1]), reason)
    return Complaint(Effect.UNKNOWN, "", line)


def _unescaped(name: str) -> str:
    """Return a name as tar has it; tar writes it with backslashes."""

    def character(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes([int(code, 8) & 255]) if len(code) == 3 else _LETTERS.get(code, code)

    raw = _ESCAPE.sub(character, name.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")
