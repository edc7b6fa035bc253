"""Which library each module may import, and how little `labctl --help` loads.

The arrows between labctl's own packages are import contracts in pyproject.toml; `make lint` checks
them.
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

LIBRARIES: dict[str, set[str]] = {
    "fabric": {"remote.connect"},
    "paramiko": {
        f"remote.{name}"
        for name in ("connect", "connect_errors", "login_keys", "password_login", "transport")
    },
    "invoke": set(),
    "vagrant": {"machines.vagrant"},
    "jinja2": {"templating"},
    "ruamel": {"config.document", "config.yaml_values"},
    "pydantic": {
        "cli.output.class_records",
        "cli.output.records",
        *(
            f"config.{name}"
            for name in (
                "class_section",
                "keys",
                "machine_options",
                "model",
                "proxy_section",
                "schema",
                "sections",
                "validate",
                "values",
            )
        ),
    },
    "pydantic_core": {"config.values"},
    "testinfra": {"checks.testinfra_backend", "checks.preload"},
    "pytest": {"checks.worker", "checks.pytest_plugin", "checks.preload"},
    "cryptography": {"provision.certificates"},
    "bcrypt": {"provision.secret_store"},
    "filelock": {"storage"},
    "platformdirs": {"lab.user_folder"},
    "psutil": {
        *("machines.running", "lab.doctor.host", "classroom.plan", "kit.writer"),
        "remote.proxy_command",
    },
    "packaging": {"kit.wheels"},
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
                if child.level:  # of another file of a playbook
                    assert name not in MODULES, f"{name}: relative import in line {child.lineno}"
                    continue
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
THEIRS = [found for found in IMPORTS if found.what.split(".")[0] != "labctl"]


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


def test_playbooks_need_nothing_but_the_facades() -> None:
    """An author who reads labctl/playbook.py and config/keys.py knows all that playbooks/ uses."""
    files = [*(ROOT.parent / "playbooks").glob("*/*.py")]
    assert files
    for path in sorted(file for file in files if file.name != "verify.py"):
        facade = "labctl.config.keys" if path.name == "settings.py" else "labctl.playbook"
        for found in imports(path.parent.name, ast.parse(path.read_text("utf-8"))):
            allowed = found.what == facade or found.what.split(".")[0] in sys.stdlib_module_names
            assert allowed, f"{path}: {found.what}"


NAMED = {
    "config.model": {"registry"},  # an example of the key `playbooks`
    "lab.sections": {"images"},  # a section of the course
    "lab.actions.status": {"registry"},  # shows the login
}
"""Modules that have the name of such a playbook all the same."""


def test_labctl_names_no_playbook_that_has_keys() -> None:
    """Such a playbook is its folder, so labctl has neither its name nor its keys."""
    names = {path.parent.name for path in (ROOT.parent / "playbooks").glob("*/settings.py")}
    assert names
    for module, path in MODULES.items():
        if module.split(".")[0] in ("config", "provision", "lab"):
            tree = ast.parse(path.read_text("utf-8"))
            texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
            named = {name for name in names if {name, name.replace("_", "-")} & texts}
            assert named <= NAMED.get(module, set()), module


def test_the_facade_for_playbooks_only_names_what_others_define() -> None:
    from labctl import playbook

    tree = ast.parse((ROOT / "playbook.py").read_text("utf-8"))
    defined = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert defined == []
    assert all(hasattr(playbook, name) for name in playbook.__all__)


def test_exercises_need_nothing_but_the_facade() -> None:
    """An author who reads labctl/exercise.py knows all of labctl that course/ uses."""
    files = sorted((ROOT.parent / "course").glob("*.py"))
    assert files
    for path in files:
        for found in imports(path.stem, ast.parse(path.read_text("utf-8"))):
            top = found.what.split(".")[0]
            allowed = found.what == "labctl.exercise" or top == "pytest"
            assert allowed or top in sys.stdlib_module_names, f"{path}: {found.what}"


def test_the_facade_for_exercises_has_what_they_import() -> None:
    from labctl import exercise

    tree = ast.parse((ROOT / "exercise.py").read_text("utf-8"))
    defined = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert defined == [], "a facade only names what others define"
    assert all(hasattr(exercise, name) for name in exercise.__all__)


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
