"""The words about a failed check: its author's, its own reason, or a deeper cause."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from labctl.checks import causes
from labctl.checks.explainer import Explainer
from labctl.checks.explanation import (
    Explanation,
    Failure,
    explanation_of,
    filled,
    on_failure,
    reason,
)
from labctl.checks.report import CommandRun
from labctl.cli.main import build
from labctl.config.packaged import packaged
from labctl.errors import ConnectFailed
from labctl.events import CheckOutcome
from labctl.messages import Message, msg

OWN = Explanation("the greeting is missing")


class Shell:
    """A node that answers `causes.sh` and the journal with these texts."""

    def __init__(self, probe: str = "", journal: str = "") -> None:
        self.probe, self.journal = probe, journal
        self.asked = 0

    def run(self, command: str) -> tuple[int, bytes, bytes]:
        assert command == causes.PROBE
        self.asked += 1
        return 0, self.probe.encode(), b""

    def run_as_root(self, command: str) -> tuple[int, bytes, bytes]:
        assert command == causes.JOURNAL
        return 0, self.journal.encode(), b""


class Gone(Shell):
    def run(self, command: str) -> tuple[int, bytes, bytes]:
        self.asked += 1
        raise ConnectFailed("10.0.0.1:22 does not answer", node="a")


def ran(node: str, code: int | None = 1, err: str = "") -> CommandRun:
    return CommandRun(node, "call", "docker ps", False, code, "", err, 0.1)


def explained(
    shell: Shell,
    own: Explanation = OWN,
    error: BaseException | None = None,
    commands: tuple[CommandRun, ...] = (),
    **others: Shell,
) -> tuple[str, str, str]:
    explainer = Explainer("a", "vagrant", {"a": shell, **others}, rehearsal=False)
    found = explainer.explain(own, error or AssertionError("assert 1 == 2"), commands, ())
    return found.wrong, found.because, found.fix


# -- every check has its words


def sources() -> Iterator[Path]:
    yield from sorted(packaged("playbooks").glob("*/verify.py"))
    yield from (p for p in sorted(packaged("course").glob("*.py")) if p.name != "conftest.py")


def loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"words_of_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "path", list(sources()), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_check_and_every_exercise_says_what_is_wrong_and_what_fixes_it(path: Path) -> None:
    module = loaded(path)
    tests = {name: value for name, value in vars(module).items() if name.startswith("test_")}
    assert tests
    command: Any = typer.main.get_command(build())
    for name, function in tests.items():
        words = explanation_of(function)
        assert words is not None, name
        assert words.wrong, name
        assert not words.wrong.endswith("."), name
        program, *arguments = words.fix.format(node="docker-node1").split()
        assert program == "labctl", name
        below = command.commands[arguments[0]]
        below.make_context(arguments[0], arguments[1:])  # raises if no such option exists


def test_the_sources_hold_the_checks_that_they_should() -> None:
    functions = [
        node.name
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert len(functions) > 90


# -- the reason of a failure


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AssertionError("assert 1 == 2\n +  where 1 = x"), ""),
        (AssertionError("it is off\nassert False"), "it is off"),
        (AssertionError("Trying to pull\nno route to host\nassert 1 == 0"), "no route to host"),
        (AssertionError("Unexpected exit code 1 for CommandResult(command=b'x')"), ""),
        (AssertionError(), ""),
        (Failure("“docker ps” failed with 1 on a: no", because="no"), "no"),
        (KeyError("x"), ""),
    ],
)
def test_reason(error: BaseException, words: str) -> None:
    assert reason(error) == words


def test_a_reason_stays_translatable() -> None:
    found = reason(AssertionError(msg("{a} is off", a="x") + "\nassert False"))
    assert isinstance(found, Message)
    assert found.template == "{a} is off"


def test_the_name_of_the_node_is_filled_in() -> None:
    assert filled("{node} is alone", "a") == "a is alone"
    assert filled(msg("{what} is {state}", what="x", state="{node}"), "a") == "x is {node}"
    assert filled("a{b", "n") == "a{b"


@pytest.mark.parametrize(
    ("own", "error", "commands", "words"),
    [
        (OWN, AssertionError("it is empty\nassert not 1"), (), (OWN.wrong, "it is empty")),
        (Explanation("w", "as usual"), AssertionError("assert 0"), (), ("w", "as usual")),
        (Explanation("w", "as usual"), AssertionError("now\nassert 0"), (), ("w", "now")),
        (OWN, AssertionError("assert 0"), (ran("a", err="x\nno such file\n"),),
         (OWN.wrong, "no such file")),
        (OWN, AssertionError("assert 0"), (ran("a", 0, "a warning"),), (OWN.wrong, "")),
        (OWN, Failure("m", because="b", wrong="w"), (), ("w", "b")),
        (OWN, ConnectFailed("10.0.0.9:22 does not answer"), (),
         (OWN.wrong, "10.0.0.9:22 does not answer")),
    ],
)  # fmt: skip
def test_the_words_of_a_check(
    own: Explanation, error: BaseException, commands: tuple[CommandRun, ...], words: tuple[str, str]
) -> None:
    assert explained(Shell(), own, error, commands)[:2] == words


def test_a_defect_of_a_check_is_named_with_its_line() -> None:
    try:
        raise KeyError("x")
    except KeyError as error:
        wrong, because, _fix = explained(Shell(), error=error)
    assert wrong == OWN.wrong
    assert "test_explanation.py, line " in because
    assert because.endswith("KeyError: 'x'")


def test_a_check_without_words_is_named_by_its_title() -> None:
    for rehearsal, fix in ((False, "labctl provision"), (True, "")):
        explainer = Explainer("a", "vagrant", {}, rehearsal=rehearsal)
        found = explainer.default("greeting", "it greets", CheckOutcome.FAILED)
        assert (found.wrong, found.fix) == ("greeting: it greets: failed", fix)


# -- deeper causes


@pytest.mark.parametrize(
    ("probe", "wrong", "because", "fix"),
    [
        ("engine inactive\n", "Docker is not running", "its service is stopped",
         "labctl provision"),
        ("engine activating\n", "Docker is not running", "its service starts again and again",
         "labctl provision"),
        ("engine missing\n", "Docker is not installed", "", "labctl provision"),
        ("engine silent\n", "Docker does not answer", "no answer within 15 s", "labctl heal a"),
        ("engine denied\n", "vagrant may not use Docker", "vagrant is not in the group docker",
         "labctl provision"),
        ("disk 3 /\nengine failed\n", "the disk is full", "/ has 3 MB left",
         "labctl ssh a -- docker system prune --force"),
        ("files 0 /var\n", "the disk is full", "/var can hold 0 more files",
         "labctl ssh a -- docker system prune --force"),
    ],
)  # fmt: skip
def test_a_cause_stands_for_the_checks_that_it_breaks(
    probe: str, wrong: str, because: str, fix: str
) -> None:
    assert explained(Shell(probe)) == (wrong, because, fix)


def test_an_engine_that_cannot_start_has_a_reason() -> None:
    journal = (
        'time="2026" level=info msg="Starting up"\n'
        "failed to start daemon: unable to configure: invalid character '}'\n"
        "docker.service: Failed with result 'exit-code'.\n"
    )
    _, because, _ = explained(Shell("engine failed\n", journal))
    assert because.startswith("its service cannot start: failed to start daemon")
    quoted = 'time="2026" level=fatal msg="no \\"x\\" here" module=a\n'
    _, because, _ = explained(Shell("engine failed\n", quoted))
    assert because == 'its service cannot start: no "x" here'


def test_a_check_that_needs_no_engine_keeps_its_own_words() -> None:
    own = Explanation("yum cannot read its repositories", needs_engine=False)
    assert explained(Shell("engine inactive\n"), own)[0] == own.wrong
    full = AssertionError("write error: No space left on device\nassert 1 == 0")
    assert explained(Shell("disk 0 /\n"), own, full)[0] == "the disk is full"


def test_a_node_that_is_gone_is_probed_once() -> None:
    gone = Gone()
    explainer = Explainer("a", "vagrant", {"a": gone}, rehearsal=True)
    for _ in range(3):
        found = explainer.explain(OWN, AssertionError("assert 0"), (), ())
        assert (found.wrong, found.fix) == ("the node does not answer", "labctl heal a")
        assert found.because == "10.0.0.1:22 does not answer"
    assert gone.asked == 1
    assert explainer.lost


def test_the_cause_may_be_on_another_node() -> None:
    found = explained(Shell(), commands=(ran("b"),), b=Shell("engine inactive\n"))
    assert found[0] == "Docker is not running on b"
    assert explained(Shell(), commands=(ran("b", 0),), b=Gone())[0] == OWN.wrong


@pytest.mark.needs("sh", "df", "timeout")
@pytest.mark.parametrize(
    ("docker", "systemctl", "said"),
    [
        ("echo 20.10", "echo active", ""),
        ("echo 'Cannot connect' >&2; exit 1", "echo inactive; exit 3", "engine inactive\n"),
        ("echo 'Got permission denied while' >&2; exit 1", "echo active", "engine denied\n"),
        ("exit 1", "exit 4", "engine unknown\n"),
        (None, "", "engine missing\n"),
    ],
)
def test_the_script_finds_what_is_wrong_with_the_engine(
    tmp_path: Path, docker: str | None, systemctl: str, said: str
) -> None:
    for name, body in (("docker", docker), ("systemctl", systemctl)):
        if body is not None:
            (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
            (tmp_path / name).chmod(0o755)
    for name in ("timeout", "df"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    done = subprocess.run(
        ["/bin/sh", "-c", causes.PROBE],
        check=False,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


@pytest.mark.needs("sh")
@pytest.mark.parametrize(
    ("blocks", "inodes", "said"),
    [("9000", "500", "disk 8 /mnt"), ("90000", "5", "files 5 /mnt"), ("90000", "500", ""),
     ("x", "-", "")],
)  # fmt: skip
def test_the_script_finds_a_full_disk(tmp_path: Path, blocks: str, inodes: str, said: str) -> None:
    (tmp_path / "df").write_text(
        "#!/bin/sh\necho Filesystem\n"
        f'case $1 in -Pk) echo "/dev/x 1 2 {blocks} 3% /mnt" ;;'
        f' *) echo "/dev/x 900 2 {inodes} 3% /mnt" ;; esac\n'
    )
    (tmp_path / "df").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", causes.PROBE],
        check=False,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert set(done.stdout.splitlines()) == {said, "engine missing"} - {""}


def test_the_decorator_leaves_the_function_as_it_is() -> None:
    def test_it() -> int:
        return 7

    marked = on_failure("it is broken", fix="labctl up")(test_it)
    assert marked is test_it
    assert marked() == 7
    assert explanation_of(marked) == Explanation("it is broken", fix="labctl up")
    assert explanation_of(len) is None
