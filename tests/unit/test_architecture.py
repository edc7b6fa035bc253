"""The arrows of docs and design, held: who imports whom, and which library is whose.

An import below `if TYPE_CHECKING` is none at run time and does not count; one inside a function
does.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import labctl

ROOT = Path(labctl.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "events"),
    # What a lab is, how a node is spoken with, what can be asked of it.
    (
        *("shapes", "sources", "toolchains", "faults", "addresses", "daemon"),
        *(
            "spec",
            "specparts",
            "speccheck",
            "overrides",
            "folders",
            "specfile",
            "starterfile",
            "diagnosis",
        ),
        *("facts", "workspace", "report", "secrets", "locking", "remote", "resources"),
        *("specplays", "imagename"),
    ),
    # What is done with it.
    (
        *(
            "playbook",
            "unfolding",
            "settling",
            "converge",
            "render",
            "machines",
            "transfer",
            "state",
            "registry",
            "roster",
            "source",
        ),
        *("fanout", "engine_api", "marks", "pulls", "desk", "testinfra_backend", "guestadditions"),
        *("meeting", "services", "certificates", "vault"),
        *("verify", "verify_pool", "verify_worker", "verify_plugin", "verify_preload"),
    ),
    ("lab",),
    # The use cases.
    (
        *("operations", "bringup", "lifecycle", "checkpoints", "heal", "status", "doctor"),
        *("rehearsal", "neighbours"),
    ),
    ("cli",),
)
"""From the ground up; a module imports from its own layer and from those below."""

UNPLACED = 4
"""A module that stands in no layer counts as a use case: nothing but those and cli imports it."""

LIBRARIES: dict[str, set[str]] = {
    "fabric": {"remote.libraries"},
    "paramiko": {"remote.libraries"},
    "invoke": set(),
    "vagrant": {"machines.vagrant"},
    "jinja2": {"render"},
    "ruamel": {"specfile"},
    "pydantic": {"spec", "specparts", "specplays"},
    "pydantic_core": {"spec", "specparts"},
    "testinfra": {"testinfra_backend", "verify_preload"},
    "pytest": {"verify_worker", "verify_plugin", "verify_preload"},
    "cryptography": {"certificates"},
    "bcrypt": {"vault"},
    "filelock": {"locking"},
    "platformdirs": {"registry"},
    "psutil": {"machines.journal", "doctor.host"},
}
"""The modules that may import each library; for those of the command line, see below."""

CLI_LIBRARIES = {"typer", "click", "rich", "shellingham"}
POSIX_ONLY = {"fcntl", "termios", "pwd", "grp", "resource", "tty", "pty"}


@dataclass(frozen=True)
class Import:
    """One import: by which module, of what, and whether it happens when the module is loaded."""

    by: str
    what: str
    line: int
    at_once: bool
    for_types: bool

    def __str__(self) -> str:
        return f"labctl/{self.by.replace('.', '/')}.py:{self.line} imports {self.what}"


def modules() -> dict[str, Path]:
    """Return every module of labctl, by its name without ``labctl.``; packages' own included."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] != "_data":
            found[".".join(parts)] = path
    return found


MODULES = modules()


def imports(name: str, tree: ast.AST) -> Iterator[Import]:
    """Yield every import in the source of the module `name`."""

    def walk(node: ast.AST, at_once: bool, for_types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = at_once and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for part in child.body:
                    yield from walk(ast.Module([part], []), at_once, True)
                for part in child.orelse:
                    yield from walk(ast.Module([part], []), at_once, for_types)
                continue
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(name, alias.name, child.lineno, at_once, for_types)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{name}: relative import in line {child.lineno}"
                assert child.module is not None
                for alias in child.names:
                    whole = f"{child.module}.{alias.name}"
                    module = whole.removeprefix("labctl.") in MODULES
                    what = whole if module else child.module
                    yield Import(name, what, child.lineno, at_once, for_types)
            yield from walk(child, inside, for_types)

    yield from walk(tree, True, False)


IMPORTS = [
    found
    for name, path in MODULES.items()
    for found in imports(name, ast.parse(path.read_text("utf-8")))
]
OURS = [found for found in IMPORTS if found.what.split(".")[0] == "labctl"]
THEIRS = [found for found in IMPORTS if found.what.split(".")[0] != "labctl"]


def layer(module: str) -> int:
    top = module.split(".", maxsplit=1)[0]
    return next((i for i, names in enumerate(LAYERS) if top in names), UNPLACED)


def target(found: Import) -> str:
    return found.what.removeprefix("labctl").removeprefix(".") or "__init__"


def test_the_reader_of_imports_sees_them_all() -> None:
    source = (
        "import a\nfrom b.c import d\n"
        "if TYPE_CHECKING:\n    import e\nelse:\n    import f\n"
        "def g():\n    import h\n"
        "class I:\n    import j\n    def k(self):\n        if x:\n            import l\n"
        "try:\n    import m\nexcept ImportError:\n    pass\n"
    )
    found = list(imports("x", ast.parse(source)))
    assert [f.what for f in found if f.at_once and not f.for_types] == ["a", "b.c", "f", "j", "m"]
    assert [f.what for f in found if not f.at_once] == ["h", "l"]
    assert [f.what for f in found if f.for_types] == ["e"]


def test_nothing_imports_upward() -> None:
    wrong = [
        str(found)
        for found in OURS
        if not found.for_types and target(found) != "__init__"
        if layer(target(found)) > layer(found.by)
    ]
    assert wrong == []


def test_only_the_command_line_knows_the_command_line() -> None:
    wrong = [
        str(found)
        for found in OURS
        if target(found).split(".")[0] == "cli" and found.by.split(".")[0] != "cli"
    ]
    assert wrong == []


def test_no_two_modules_import_each_other() -> None:
    """Not even by way of others; and, but for the command line, not even inside functions."""
    arrows: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in OURS:
        counts = found.at_once or not found.by.startswith("cli.")
        if counts and not found.for_types and target(found) in MODULES:
            arrows[found.by].add(target(found))
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' → '.join((*path[path.index(name) :], name))}"
        if name not in done:
            for other in sorted(arrows[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in arrows:
        visit(name, ())


def test_every_layer_names_modules_that_there_are() -> None:
    tops = {name.split(".")[0] for name in MODULES}
    named = {name for names in LAYERS for name in names}
    assert named <= tops
    assert sum(len(names) for names in LAYERS) == len(named)


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_library_is_imported_in_one_place(library: str) -> None:
    users = {found.by for found in THEIRS if found.what.split(".")[0] == library}
    assert users <= LIBRARIES[library]
    assert users or not LIBRARIES[library] & MODULES.keys(), f"nobody imports {library} any more"


def test_the_libraries_of_the_command_line_stay_there() -> None:
    wrong = [
        str(found)
        for found in THEIRS
        if found.what.split(".")[0] in CLI_LIBRARIES and not found.by.startswith("cli.")
    ]
    assert wrong == []


def test_every_library_has_its_place() -> None:
    """A new dependency is named here with the one module that knows it."""
    known = LIBRARIES.keys() | CLI_LIBRARIES | sys.stdlib_module_names
    assert {found.what.split(".")[0] for found in THEIRS} <= known


def test_labctl_can_be_imported_on_windows() -> None:
    wrong = [
        str(found) for found in THEIRS if found.at_once and found.what.split(".")[0] in POSIX_ONLY
    ]
    assert wrong == []


def test_playbooks_need_nothing_but_labctl() -> None:
    for path in sorted((ROOT.parent / "playbooks").glob("*/play.py")):
        for found in imports(path.parent.name, ast.parse(path.read_text("utf-8"))):
            top = found.what.split(".")[0]
            assert top == "labctl" or top in sys.stdlib_module_names, f"{path}: {found.what}"
            assert target(found).split(".")[0] != "cli"


HEAVY = {
    *("pydantic", "fabric", "paramiko", "invoke", "jinja2", "rich", "ruamel"),
    *("pytest", "testinfra", "vagrant", "filelock"),
}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_is_quick_because_it_imports_little(option: str) -> None:
    program = (
        "import sys\n"
        f"sys.argv = ['labctl', {option!r}]\n"
        "from labctl.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print('imported', *{name.split('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT.parent,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *shown, last = done.stdout.splitlines()
    word, *names = last.split()
    assert word == "imported"
    assert "labctl" in "\n".join(shown)
    assert "typer" in names
    assert HEAVY & set(names) == set()
