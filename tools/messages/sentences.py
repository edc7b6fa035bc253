"""The sentences of the core, read from its source.

The core knows no language and marks nothing as translatable. But a sentence always ends in the same
few places: an argument of an error or an event, a hint, the summary of a change, a line of the
doctor. From those places its strings are followed back through names, tables, conditions and the
functions that return them. An f-string becomes a template, with `{}` for each of its values.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SPEAKERS: dict[str, tuple[int, ...]] = {
    "AssertionError": (0,),
    "Between": (2,),
    "Change": (0,),
    "Command": (0,),
    "Finding": (1, 2, 3),
    "Notice": (1,),
    "Override": (1,),
    "PhaseEntered": (2,),
    "Problem": (1, 3),
    "Pattern": (1, 2),
    "Remedy": (1,),
    "ValueError": (0,),
    "_cut_off": (0,),
    "_denied": (0, 1, 2, 3),
    "_notice": (0, 1, 2),
    "_only": (2, 3),
    "Fault": (1, 2),
    "Refused": (0, 1),
    "_twice": (1,),
    "skip": (0,),
    "super().__init__": (0,),
}
"""By name of what is called, the positions of arguments that are sentences.

Classes of errors are speakers too, with their first argument.
"""
KEYWORDS = frozenset(
    {"hint", "message", "remedy", "reason", "note", "details", "summary", "refused"}
)
"""Names of arguments, and of attributes that are assigned to, that hold sentences."""

_NAMES_ONLY = re.compile(r"[^\sA-Za-z]*|[\w./:$<>*{}@,'\"()+=#|-]*")
"""What holds no word to translate: signs, a path, a key, an option."""
_CODE = re.compile(
    r"(exec|sudo|docker|labctl|systemctl|printf|curl) |[-#/]|--mount"
    r"|unexpected end of data|lab\.yaml is not"
)
"""How commands begin, and marks in files; and what is said to those who work on labctl only."""
_LONGEST = 12
"""Steps that are followed back from the place where a sentence ends."""


@dataclass(frozen=True)
class Found:
    """A message, the file it stands in, and what its holes are, in the source's words."""

    message: str
    file: str
    holes: tuple[str, ...] = ()


@dataclass
class Source:
    """The source of labctl as trees.

    Parameters:
        files: by name, relative to the project's folder.
    """

    files: dict[str, ast.Module]
    functions: dict[str, list[ast.AST]] = field(default_factory=dict)
    files_of: dict[ast.AST, str] = field(default_factory=dict)
    errors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for file, tree in self.files.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    self.functions.setdefault(node.name, []).append(node)
                    self.files_of[node] = file
        grown = True
        while grown:
            before = len(self.errors)
            for tree in self.files.values():
                for node in ast.walk(tree):
                    if isinstance(node, ast.ClassDef) and any(
                        _last(base) in self.errors or _last(base) == "Exception"
                        for base in node.bases
                    ):
                        self.errors.add(node.name)
            grown = len(self.errors) > before


def read(root: Path) -> Source:
    """Return the source below the project's folder that holds the core's sentences."""
    paths = [
        path
        for folder in ("labctl", "playbooks", "course")
        for path in sorted((root / folder).rglob("*.py"))
        if "_data" not in path.parts
    ]
    return Source(
        {path.relative_to(root).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}
    )


def sentences(source: Source) -> list[Found]:
    """Return every sentence, in the order of the files; none twice."""
    found: dict[str, Found] = {}
    readers: dict[str, _Reader] = {}
    for file, tree in source.files.items():
        readers[file] = _Reader(source, file, tree, readers)
    for reader in readers.values():
        for one in reader.all():
            found.setdefault(one.message, one)
    return list(found.values())


def _last(node: ast.AST) -> str:
    """Return the last name of a dotted one; empty for what has none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


class _Reader:
    """Reads one file, and follows names into others."""

    def __init__(
        self, source: Source, file: str, tree: ast.Module, others: dict[str, _Reader]
    ) -> None:
        self._source, self._file, self._tree, self._others = source, file, tree, others
        self._parents = {
            child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
        }
        self._seen: set[int] = set()

    def all(self) -> Iterator[Found]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call):
                yield from self._call(node)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
                if node.targets[0].attr in KEYWORDS:
                    yield from self._follow(node.value, 0)
            elif isinstance(node, ast.FunctionDef):
                yield from self._title(node)
            elif isinstance(node, ast.Assert) and not self._file.startswith("labctl/"):
                yield from self._follow(node.msg, 0) if node.msg else ()

    def _call(self, node: ast.Call) -> Iterator[Found]:
        name = _last(node.func) or ast.unparse(node.func)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "__init__":
            name = ast.unparse(node.func)
        positions = SPEAKERS.get(name, (0,) if name in self._source.errors else ())
        for position in positions:
            if position < len(node.args):
                # A single word is a sentence only where nothing else can stand.
                alone = name in self._source.errors or name == "Finding"
                yield from self._follow(node.args[position], 0, alone=alone)
        for keyword in node.keywords:
            if keyword.arg in KEYWORDS or (positions and keyword.arg in ("wanted", "found")):
                yield from self._follow(keyword.value, 0)

    def _title(self, node: ast.FunctionDef) -> Iterator[Found]:
        """Yield what a check or an exercise says it proves: its docstring's first line."""
        if not self._file.startswith("labctl/") and node.name.startswith("test_"):
            title = (ast.get_docstring(node) or "").partition("\n")[0]
            if title:
                yield Found(title, self._file)

    def _follow(self, node: ast.AST, steps: int, *, alone: bool = False) -> Iterator[Found]:
        """Yield the messages that an expression may come to."""
        if steps > _LONGEST:
            return
        more = steps + 1
        match node:
            case ast.Constant(value=str() as text):
                yield from self._message(text, (), alone=alone)
            case ast.JoinedStr():
                yield from self._joined(node, steps)
            case ast.IfExp():
                yield from self._follow(node.body, more, alone=alone)
                yield from self._follow(node.orelse, more, alone=alone)
            case ast.BoolOp() | ast.Tuple() | ast.List():
                parts = node.values if isinstance(node, ast.BoolOp) else node.elts
                for part in parts:
                    yield from self._follow(part, more)
            case ast.BinOp(op=ast.Add()):
                left = node.left.value if isinstance(node.left, ast.Constant) else ""
                if isinstance(left, str) and left.endswith(" "):
                    yield from self._message(left + "{}", (ast.unparse(node.right),))
                else:
                    yield from self._follow(node.left, more)
                yield from self._follow(node.right, more)
            case ast.Dict():
                for value in node.values:
                    yield from self._follow(value, more)
            case ast.Starred() | ast.Subscript() | ast.NamedExpr():
                yield from self._follow(node.value, more)
            case ast.GeneratorExp() | ast.ListComp():
                yield from self._follow(node.elt, more)
            case ast.Name():
                yield from self._name(node, more)
            case ast.Call():
                yield from self._result(node, more)
            case _:
                pass

    def _joined(self, node: ast.JoinedStr, steps: int) -> Iterator[Found]:
        template = ""
        holes = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                template += "{}"
                holes.append(ast.unparse(part.value))
                for found in self._follow(part.value, steps + 1):
                    if " " in found.message:
                        yield found
            else:
                assert isinstance(part, ast.Constant)
                template += str(part.value).replace("{", "{{").replace("}", "}}")
        yield from self._message(template, tuple(holes))

    def _message(
        self, text: str, holes: tuple[str, ...], *, alone: bool = False
    ) -> Iterator[Found]:
        word = alone and re.fullmatch(r"[a-z]{2,}", text)
        if _CODE.match(text) and not re.match(r"--\S* [a-z]", text):
            return
        if word or (not _NAMES_ONLY.fullmatch(text) and re.search(r"[A-Za-z]{2}", text)):
            yield Found(text, self._file, holes)

    def _name(self, node: ast.Name, steps: int) -> Iterator[Found]:
        """Follow a name to what is assigned to it in its function, else in its module."""
        scope: ast.AST = node
        while scope in self._parents:
            scope = self._parents[scope]
            if isinstance(scope, ast.FunctionDef | ast.Module | ast.GeneratorExp):
                values = list(_assigned(scope, node.id, self._tree))
                for value in values:
                    if id(value) not in self._seen or steps < 3:
                        self._seen.add(id(value))
                        yield from self._follow(value, steps)
                if values:
                    return

    def _result(self, node: ast.Call, steps: int) -> Iterator[Found]:
        """Follow a call to what its function returns, or a method of a text to the text."""
        name = _last(node.func)
        if isinstance(node.func, ast.Attribute):
            if name == "format" and isinstance(node.func.value, ast.Constant):
                text = re.sub(r"\{\w+\}", "{}", str(node.func.value.value))
                yield from self._message(text, ())
            elif name in ("format", "strip", "rstrip", "get", "items"):
                yield from self._follow(node.func.value, steps)
            elif name == "join":
                for argument in node.args:
                    yield from self._follow(argument, steps)
                return
        for function in self._source.functions.get(name, []):
            reader = self._others[self._source.files_of[function]]
            for inner in ast.walk(function):
                if isinstance(inner, ast.Return | ast.Yield) and inner.value is not None:
                    yield from reader._follow(inner.value, steps + 1)


def _assigned(scope: ast.AST, name: str, module: ast.Module) -> Iterator[ast.AST]:
    """Yield what is assigned to `name` somewhere in `scope`; tables stand in its module."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.NamedExpr):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id == name and node.value is not None:
                    yield node.value
                elif isinstance(target, ast.Tuple) and node.value is not None:
                    yield from _member(target, node.value, name)
        elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Tuple):
            rows: ast.AST = node.iter
            if isinstance(rows, ast.Name):
                rows = _table(module, rows.id) or rows
            for row in rows.elts if isinstance(rows, ast.Tuple | ast.List) else ():
                yield from _member(node.target, row, name)


def _table(module: ast.Module, name: str) -> ast.AST | None:
    """Return what a name stands for at the top of a module."""
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, ast.Assign)
            return node.value
    return None


def _member(target: ast.Tuple, value: ast.AST, name: str) -> Iterator[ast.AST]:
    """Yield the part of `value` that goes to `name` when it is unpacked into `target`."""
    for index, part in enumerate(target.elts):
        if isinstance(part, ast.Name) and part.id == name:
            if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
                yield value.elts[index]
            elif isinstance(value, ast.Dict | ast.Subscript | ast.Call):
                yield value
