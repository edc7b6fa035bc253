"""The files that a path or pattern matches on a node.

A script on the node looks. Its answer is compared with the request, because a node could name files
that nobody wants overwritten.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer import scripts
from labctl.remote.transfer.entry import Kind, Root
from labctl.remote.transfer.location import NodePath
from labctl.remote.transfer.node_sink import failure
from labctl.remote.transfer.pattern import PathPattern, alternatives
from labctl.remote.transfer.skipped import DENIED, NO_FILE, Skipped

if TYPE_CHECKING:
    from labctl.remote.connection import Connection

_LONGEST = 32_000
"""Bytes of arguments; Linux takes 128 KiB in one, and quoting may triple them."""

_PROBLEMS = {
    "denied": DENIED,
    "absent": msg("No such file or directory"),
    "special": NO_FILE,
    "dangling": msg("a broken link"),
    "loop": msg("links to a folder that contains it"),
}
_KINDS = {"file": Kind.FILE, "folder": Kind.FOLDER, "contents": Kind.FOLDER}


@dataclass(frozen=True, slots=True)
class Found:
    """A thing on the node: `name` in `folder`, to be kept as `root`.

    Parameters:
        live: whether its files have no true size, as in /proc.
    """

    root: Root
    folder: str
    name: str
    live: bool

    def shown(self, path: Sequence[str]) -> str:
        """Return where something below it is."""
        return posixpath.normpath(posixpath.join(self.folder, self.name, *path))


class Listing:
    """Asks a node what a path stands for."""

    def __init__(self, connection: Connection, path: str, follow: bool, sudo: bool) -> None:
        self._connection = connection
        self._shown = path
        self._follow = follow
        self._sudo = sudo
        self._asked = NodePath.parse(path)
        choices = [(one, NodePath.parse(one)) for one in alternatives(path)]
        if any(choice.user != self._asked.user for _, choice in choices):
            choices = [(path, self._asked)]
        self._choices = [(one, at, PathPattern.parse(at.path)) for one, at in choices]

    def look(self, measure: bool, skip: Callable[[Skipped], None]) -> tuple[list[Found], int, bool]:
        """Return what is there, how many bytes, if `measure`, and whether several were asked for.

        Raises:
            TransferError: nothing that can be copied, or the answer doesn't match the request.
            RemoteError: the node could not be reached, or broke off.
        """
        found: list[Found] = []
        problems: list[Skipped] = []
        size = 0
        literal = False
        for kind, folder, name, keep, length in self._ask(measure):
            if kind == "literal":
                literal = True
                problems.clear()
            elif kind in _PROBLEMS:
                where = posixpath.normpath(name) if kind == "loop" else name.removeprefix("./")
                problems.append(Skipped(self._connection.name, where, _PROBLEMS[kind]))
            else:
                plain = kind.removeprefix("live-")
                self._check(plain, folder, name, keep, literal)
                if keep and any(other.root.name == keep for other in found):
                    raise self._twice(keep)
                found.append(Found(Root(keep, _KINDS[plain]), folder, name, plain != kind))
                size += int(length[:18]) if length[:18].isdecimal() else 0
        if not found:
            raise self._nothing(problems)
        for problem in problems:
            skip(problem)
        return found, size, len(found) + len(problems) > 1

    def _ask(self, measure: bool) -> Iterator[tuple[str, ...]]:
        arguments = ["-L" if self._follow else "", "yes" if measure else "", self._asked.path]
        for shown, at, pattern in self._choices:
            # With a slash behind it a pattern only stands for folders.
            word = f"{pattern.shell}/" if pattern.wild and at.slash else pattern.shell
            arguments += ["yes" if pattern.wild else "", word, pattern.base, shown]
        if sum(map(len, arguments)) > _LONGEST:
            raise TransferError(msg("{path}: this pattern is too long", path=self._shown))
        script = scripts.from_home(scripts.LIST, self._asked.user)
        status, answer, words = self._connection.call_script(script, *arguments, root=self._sudo)
        if status != 0:
            raise failure(words, status, self._connection.name, sudo=self._sudo)
        fields = answer.decode("utf-8", "surrogateescape").split("\0")[:-1]
        if not fields or len(fields) % 5:
            raise self._strange()
        return zip(*[iter(fields)] * 5, strict=True)

    def _check(self, kind: str, folder: str, name: str, keep: str, literal: bool) -> None:
        """Refuse what the requested path cannot mean."""
        if kind not in _KINDS or "/" in name or not folder.startswith("/"):
            raise self._strange()
        if kind == "contents":
            lasts = [pattern.last.text for _, _, pattern in self._choices]
            if keep or name != "." or not any(last in ("", ".", "..") for last in lasts):
                raise self._strange()
            return
        if "/" in keep or keep in ("", ".", "..") or name in ("", ".", ".."):
            raise self._strange()
        if literal:
            if keep != self._asked.path.rpartition("/")[2]:
                raise self._strange()
            slashes = [self._asked.slash]
        else:
            slashes = [at.slash for _, at, pattern in self._choices if pattern.last.matches(keep)]
        if not slashes:
            raise self._strange()
        if kind == "file" and all(slashes):
            raise TransferError(
                msg("{path}: Not a directory", path=self._shown), node=self._connection.name
            )

    def _twice(self, name: str) -> TransferError:
        _, at, pattern = self._choices[0]
        if len(self._choices) == 1 and pattern.base.count("/") >= at.path.count("/") - 1:
            return self._strange()  # a folder holds each name once
        return TransferError(
            msg("{path} matches several items called {name}", path=self._shown, name=name),
            node=self._connection.name,
            hint="one would replace the other; copy each into a folder of its own",
        )

    def _nothing(self, problems: Sequence[Skipped]) -> TransferError:
        if not problems:
            return self._strange()
        first = problems[0]
        hint = ""
        if first.why == DENIED and not self._sudo:
            hint = msg("add --sudo")
        elif first.why == _PROBLEMS["loop"]:
            hint = msg("copy it without --follow")
        lines = "\n".join(f"{one.path}: {one.why}" for one in problems[1:20])
        return TransferError(
            msg("{path}: {why}", path=first.path, why=first.why),
            node=self._connection.name,
            hint=hint,
            details=lines,
        )

    def _strange(self) -> TransferError:
        return TransferError(
            msg("the node's answer does not match {shown}", shown=self._shown),
            node=self._connection.name,
        )
