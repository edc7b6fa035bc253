"""The command line as a user meets it: what it prints, where, and the exit code it ends with.

Each test runs `main` in this process, in an empty folder; nodes and machines are fakes.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from labctl import __version__, parallel
from labctl.cli import main as command_line
from labctl.cli.groups import PANELS
from labctl.cli.options import Globals
from labctl.errors import ConnectFailed, SudoRefused, UsageError
from labctl.lab.actions.checkpoints import Checkpoint
from labctl.lab.lab import Lab
from labctl.lab.state import NodeRecord, State
from labctl.lab.workspace import Workspace
from labctl.machines.base import MachineState
from labctl.parallel import Result
from labctl.provision.machine_preflight import MachinePreflight
from labctl.remote.target import Target
from tests.json_lines import lines_of
from tests.unit.fakes import SINCE, FakeMachines, FakeNode, answers


@dataclass(frozen=True)
class Done:
    """How a run of labctl ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every line of stdout, as JSON."""
        return lines_of(self.out)


class Stdin(io.StringIO):
    """Input of the user, or of a pipe."""

    def __init__(self, text: str, *, terminal: bool) -> None:
        super().__init__(text)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


class Run:
    """Runs labctl with arguments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str, stdin: str = "", terminal: bool = False) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["labctl", *arguments])
        self._monkeypatch.setattr(sys, "stdin", Stdin(stdin, terminal=terminal))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        out, err = self._capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, out, err)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def lab_yaml(text: str) -> Path:
    path = Path("lab.yaml")
    path.write_text(text, "utf-8")
    return path


def registered() -> set[str]:
    app = command_line.build()
    names = [command.name for command in app.registered_commands]
    names += [group.name for group in app.registered_groups]
    return {name or "" for name in names}


# -- without a lab


def test_version(run: Run) -> None:
    assert run("--version") == Done(0, f"labctl {__version__}\n", "")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_lists_every_command_under_its_heading(run: Run, option: str) -> None:
    found: dict[str, list[str]] = {}
    heading = ""
    for line in run(option).out.splitlines():
        if line and not line.startswith(" "):
            heading = line.removesuffix(":")
        elif heading in PANELS and line.startswith("  ") and line[2:3].strip():
            found.setdefault(heading, []).append(line.split()[0])
    there = registered()
    expected = {title: [n for n in names if n in there] for title, names in PANELS.items()}
    assert found == {title: names for title, names in expected.items() if names}
    assert list(found) == [title for title in PANELS if title in found]


def test_every_command_is_under_a_heading(run: Run) -> None:
    named = {name for names in PANELS.values() for name in names}
    assert registered() <= named


ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - {ROOT / "CHANGELOG.md"})


def _shown(page: Path) -> list[list[str]]:
    """Return the words behind each `labctl` that a page shows, without global options."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"(?ms)^ *```(?:sh|console)\n(.*?)^ *```$", text)
    lines = re.findall(r"(?m)^ *(?:\$ )?labctl ([^\n#|]+)", "\n".join(blocks))
    lines += re.findall(r"`labctl ([^`\n|]+)`", re.sub(r"(?ms)^ *```.*?^ *```$", "", text))
    found = []
    for line in lines:
        words = line.split()
        while words and words[0].startswith("-"):  # --lab takes a value
            words = words[2:] if words[0] in ("--lab", "-C") else words[1:]
        if words and words[0] != "COMMAND":
            found.append(words)
    return found


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_that_a_page_shows_exists(run: Run, page: Path) -> None:
    for words in _shown(page):
        assert words[0] in registered(), words
        own = run(*words[: 2 if words[0] == "checkpoint" else 1], "--help").out
        before = words[1 : words.index("--")] if "--" in words else words[1:]
        for option in (word for word in before if word.startswith("-")):
            assert re.search(rf"(?<![\w-]){re.escape(option)}\b", own), f"{words}: {option}"


def test_the_pages_show_most_commands() -> None:
    shown = {words[0] for page in DOCUMENTS for words in _shown(page)}
    assert len(shown) > 15


def test_every_command_has_help(run: Run) -> None:
    for name in registered():
        done = run(name, "--help")
        assert done.code == 0
        assert f"labctl {name} " in done.out.splitlines()[0]
        assert len(done.out.splitlines()) >= 4, name


@pytest.mark.parametrize(
    "arguments",
    [
        ("colour",),
        ("up", "--colour"),
        ("up", "--nodes", "many"),
        ("render", "--nodes"),
        ("init", "a", "b"),
        ("--lab",),
    ],
)
def test_a_wrong_command_line_ends_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("render", "--nodes", "0"), "--nodes"),
        (("render", "--memory", "1"), "--memory"),
        (("render", "--provider", "hyperv"), "--provider"),
        (("render", "--toolchain", "newest"), "--toolchain"),
        (("--lab", "nowhere", "render"), "no such lab"),
    ],
)
def test_a_flag_that_makes_no_sense_is_named(
    run: Run, arguments: tuple[str, ...], words: str
) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert words in done.err
    assert "Traceback" not in done.err


# -- init


def test_init_writes_a_lab_that_can_be_used(run: Run) -> None:
    done = run("init", "my lab")
    assert done.code == 0
    assert "labctl up" in done.out
    assert run("--lab", "my lab", "render", "--provider", "libvirt").code == 0


def test_init_prints_its_path_as_json(run: Run, tmp_path: Path) -> None:
    (event,) = run("--json", "init", "my lab").events
    assert event == {"event": "init", "path": str(tmp_path / "my lab" / "lab.yaml")}
    (event,) = run("init", "another", "--json").events
    assert event["path"] == str(tmp_path / "another" / "lab.yaml")
    done = run("--json", "init", "another")
    assert (done.code, done.events[0]["event"]) == (2, "error")


def test_init_never_overwrites(run: Run) -> None:
    path = lab_yaml("nodes: 3 # mine\n")
    done = run("init")
    assert (done.code, done.out) == (2, "")
    assert "lab.yaml already exists; not overwritten" in done.err
    assert path.read_text() == "nodes: 3 # mine\n"


def test_init_where_no_folder_can_be(run: Run) -> None:
    Path("file").touch()
    done = run("init", "file/lab")
    assert done.code == 2
    assert "cannot be written" in done.err


# -- render and schema


def test_render_prints_and_writes_nothing(run: Run) -> None:
    done = run("render", "--nodes", "3", "--provider", "libvirt")
    assert (done.code, done.err) == (0, "")
    assert done.out.count('"docker-node') >= 3
    assert done.out.rstrip().endswith("end")
    assert list(Path().iterdir()) == []


def test_render_into_a_file(run: Run) -> None:
    printed = run("render", "--provider", "libvirt").out
    done = run("render", "--provider", "libvirt", "--output", "Vagrantfile")
    assert (done.code, done.out) == (0, "")
    assert Path("Vagrantfile").read_text("utf-8") == printed


def test_render_shows_what_differs(run: Run) -> None:
    first = run("render", "--provider", "libvirt", "--diff")
    assert first.code == 3
    Workspace.find().make()
    Path(".labctl/Vagrantfile").write_text(run("render", "--provider", "libvirt").out)
    assert run("render", "--provider", "libvirt", "--diff") == Done(0, "", "")
    changed = run("render", "--provider", "libvirt", "--memory", "2048", "--diff")
    assert changed.code == 3
    assert any(line.startswith("+") and "2048" in line for line in changed.out.splitlines())


@pytest.mark.parametrize("place", ["before", "after"])
def test_render_in_json(run: Run, tmp_path: Path, place: str) -> None:
    def rendered(*more: str) -> Done:
        line = ("render", "--provider", "libvirt", *more)
        return run("--json", *line) if place == "before" else run(*line, "--json")

    text = run("render", "--provider", "libvirt").out
    about = {"event": "vagrantfile", "provider": "libvirt"}
    assert rendered().events == [{**about, "vagrantfile": text}]
    assert rendered("-o", "made").events == [{**about, "path": str(tmp_path / "made")}]
    assert Path("made").read_text("utf-8") == text
    Workspace.find().make()
    Path(".labctl/Vagrantfile").write_text(text)
    same = rendered("--diff")
    assert (same.code, same.events) == (0, [{**about, "diff": ""}])
    changed = rendered("--diff", "--memory", "2048")
    assert changed.code == 3
    (event,) = changed.events
    assert event["diff"].splitlines()[:2] == ["--- in use", "+++ rendered now"]
    assert event.keys() == {*about, "diff"}


def test_schema_is_json(run: Run) -> None:
    schema = json.loads(run("schema").out)
    assert schema["type"] == "object"
    assert {"nodes", "machines", "toolchain"} <= set(schema["properties"])


def test_schema_of_the_lines_of_json(run: Run) -> None:
    schema = json.loads(run("schema", "--events").out)
    Draft202012Validator.check_schema(schema)
    whole = Draft202012Validator(schema)
    (line,) = run("--json", "version").events
    assert whole.is_valid(line)
    assert not whole.is_valid({**line, "more": 1})
    assert not whole.is_valid({"event": "version"})
    assert not whole.is_valid({**line, "event": "other"})


def test_schema_takes_the_keys_of_the_labs_own_playbooks(run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "playbooks" / "greeting" / "settings.py"
    settings.parent.mkdir(parents=True)
    settings.write_text("raise RuntimeError\nclass Settings: greeting: str\n")
    assert "greeting" in json.loads(run("-C", str(tmp_path), "schema").out)["properties"]


# -- errors


def test_all_problems_are_reported_together(run: Run) -> None:
    lab_yaml("nodes: 0\nmemory: 1\ncolour: red\n")
    done = run("render")
    assert done.code == 2
    assert "3 problems, nothing was touched" in " ".join(done.err.split())
    for words in ("line 1: nodes", "line 2: memory", "line 3: colour"):
        assert words in done.err


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_error_in_json(run: Run, place: str) -> None:
    lab_yaml("nodes: 0\nmemory: 1\n")
    arguments = ["--json", "status"] if place == "before" else ["status", "--json"]
    done = run(*arguments)
    assert (done.code, done.err) == (2, "")
    (error,) = done.events
    assert (error["event"], error["kind"], error["exit_code"]) == ("error", "SpecError", 2)
    assert [(p["where"], p["line"]) for p in error["problems"]] == [("nodes", 1), ("memory", 2)]


def test_a_traceback_only_with_verbose(run: Run) -> None:
    lab_yaml("nodes: 0\n")
    assert "Traceback" not in run("render").err
    assert "Traceback" in run("-v", "render").err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Globals()),
        (["up", "-v"], Globals(verbose=True)),
        (["exec", "--", "grep", "-v", "--json"], Globals()),
        (["-v", "up"], Globals(verbose=True)),
        (["--verbose", "--json", "up"], Globals(verbose=True, as_json=True)),
        (["up", "--json"], Globals(as_json=True)),
        (["--lab", "x", "-v", "up"], Globals(verbose=True)),
        (["-C", "x", "-v", "up"], Globals(verbose=True)),
    ],
)
def test_how_errors_are_shown_is_known_early(arguments: list[str], expected: Globals) -> None:
    assert Globals.peek(arguments) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ("nosuch",),
        ("up", "--nodes", "many"),
        ("up", "--colour"),
        ("exec",),
        ("checkpoint", "save"),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_wrong_command_line_in_json(run: Run, arguments: tuple[str, ...], place: str) -> None:
    line = ("--json", *arguments) if place == "before" else (*arguments, "--json")
    done = run(*line)
    (event,) = done.events
    assert (done.code, event["event"], event["kind"], event["exit_code"]) == (
        2,
        "error",
        "UsageError",
        2,
    )
    assert event["message"]
    assert done.err == ""


# -- a lab of machines that exist

MACHINES = """\
machines:
  - {name: docker-node1, host: 10.0.0.1, user: vagrant}
  - {name: docker-node2, host: 10.0.0.2, user: vagrant}
playbooks: [toy]
"""
PLAY = """\
from tests.unit.fakes import SINCE, answers, Setting

def play(play):
    yield Setting("a", play.node.name)
    yield Setting("b", "2")
"""


class FakeConnection(FakeNode):
    """A fake node behind the interface of `labctl.remote.connection.Connection`."""

    noise = b""

    def __enter__(self) -> FakeConnection:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        return 0, SINCE + answers({"Version": "19.03.9"}, [{}, {}]), b""

    def call_script(self, script: str) -> tuple[int, bytes, bytes]:
        return self.call(script)

    def limited(self, seconds: float) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


class Gone(FakeConnection):
    """A node that does not answer."""

    def run(self, script: str) -> bytes:
        raise ConnectFailed(
            f"10.0.0.{self.name[-1]}:22 does not answer", node=self.name, hint="is it up?"
        )

    def call(self, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        self.run("")
        raise AssertionError


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeConnection]:
    """A lab of two machines in this folder, and the fakes that answer for them."""
    lab_yaml(MACHINES)
    play = Path("playbooks/toy/play.py")
    play.parent.mkdir(parents=True)
    play.write_text(PLAY)
    found = {name: FakeConnection(name) for name in ("docker-node1", "docker-node2")}
    monkeypatch.setattr(Lab, "connection", lambda _, name, **__: found[name])
    return found


def test_provision(run: Run, nodes: dict[str, FakeConnection]) -> None:
    done = run("provision")
    assert done.code == 0
    assert nodes["docker-node2"].settings == {"a": "docker-node2", "b": "2"}
    rows = [line.split() for line in done.out.splitlines() if line.startswith("docker-node")]
    assert rows == [
        ["docker-node1", "10.0.0.1", "-", "-", "2", "-", "ok"],
        ["docker-node2", "10.0.0.2", "-", "-", "2", "-", "ok"],
    ]
    assert "docker-node1: toy: set a" in done.err
    assert "next: labctl" in done.out


CLOCK_OF_2015 = {MachinePreflight().probe(): (0, b"shell /bin/bash\nclock 1433000000\n")}


def test_the_doctor_looks_at_nodes_and_changes_nothing(
    run: Run, nodes: dict[str, FakeConnection]
) -> None:
    nodes["docker-node2"].instead = {**CLOCK_OF_2015}
    nodes["docker-node2"].noise = b"Welcome\n"
    done = run("doctor", "all")
    assert done.code == 0
    first, _, second = done.out.partition("docker-node2\n")
    assert first.startswith("docker-node1\n")
    assert "warn" not in first
    assert "login shell" in second
    assert "its clock shows 2015-05-30 15:33 UTC" in second
    assert "prints “Welcome”" in second
    assert done.out.endswith("\n0 errors, 2 warnings\n")
    assert nodes["docker-node1"].settings == nodes["docker-node2"].settings == {}
    assert not Path(".labctl").exists()


def test_the_doctor_of_nodes_speaks_json(run: Run, nodes: dict[str, FakeConnection]) -> None:
    nodes["docker-node2"] = Gone("docker-node2")
    done = run("doctor", "docker-node*", "--json")
    assert done.code == 1
    found = [event for event in done.events if event["event"] == "finding"]
    assert {event["node"] for event in found} == {"docker-node1", "docker-node2"}
    (failed,) = [event for event in found if event["level"] == "fail"]
    assert failed == {
        "event": "finding",
        "node": "docker-node2",
        "level": "fail",
        "what": "login",
        "found": "10.0.0.2:22 does not answer",
        "remedy": "is it up?",
    }
    assert run("doctor", "pc7").code == 2


def test_the_doctor_sees_what_it_can_where_sudo_is_refused(
    run: Run, nodes: dict[str, FakeConnection]
) -> None:
    class NoSudo(FakeConnection):
        def run(self, script: str) -> bytes:
            raise SudoRefused("anna cannot become root", node=self.name, hint="use -K")

        def call_script(self, script: str) -> tuple[int, bytes, bytes]:
            return 0, FakeNode.run(self, script), b""

    nodes["docker-node1"] = NoSudo("docker-node1", instead={**CLOCK_OF_2015})
    done = run("doctor", "docker-node1", "--json")
    levels = [(e["level"], e["what"]) for e in done.events if e["event"] == "finding"]
    assert levels == [("fail", "sudo"), ("warn", "clock"), ("ok", "login shell")]


def test_the_first_run_tells_what_the_doctor_would(
    run: Run, nodes: dict[str, FakeConnection]
) -> None:
    nodes["docker-node2"].instead = {**CLOCK_OF_2015}
    nodes["docker-node2"].noise = b"Welcome\n"
    for told in (True, False):
        notices = [
            e["message"] for e in run("provision", "--json").events if e["event"] == "Notice"
        ]
        assert any("its clock shows 2015" in notice for notice in notices) is told
        assert any("prints “Welcome”" in notice for notice in notices) is told


@pytest.mark.parametrize(
    "command", [("provision",), ("up", "--no-verify"), ("ssh-config", "--path")]
)
def test_plain_ssh_finds_existing_machines(
    run: Run, nodes: dict[str, FakeConnection], command: tuple[str, ...]
) -> None:
    run(*command)
    config = Path(".labctl/ssh_config").read_text("utf-8")
    for node, host in (("docker-node1", "10.0.0.1"), ("docker-node2", "10.0.0.2")):
        assert f"Host {node}\n  HostName {host}\n" in config


def test_provision_again_changes_nothing_in_one_exchange(
    run: Run, nodes: dict[str, FakeConnection]
) -> None:
    run("provision")
    done = run("provision", "--json")
    results = [event for event in done.events if event["event"] == "result"]
    assert [(r["node"], r["ok"], r["exchanges"], r["changes"]) for r in results] == [
        ("docker-node1", True, 1, []),
        ("docker-node2", True, 1, []),
    ]
    assert done.err == ""


def test_check_ends_with_3_where_something_would_change(
    run: Run, nodes: dict[str, FakeConnection]
) -> None:
    for option in ("--check", "--diff"):
        done = run("provision", option)
        assert done.code == 3
        assert "would set a" in done.err
        assert "+docker-node1" in done.err
    assert nodes["docker-node1"].settings == {}
    run("provision")
    assert run("provision", "--check").code == 0


def test_one_node_that_fails_is_named_and_the_other_finishes(
    run: Run, nodes: dict[str, FakeConnection]
) -> None:
    nodes["docker-node2"] = Gone("docker-node2")
    done = run("provision")
    assert done.code == 1
    assert nodes["docker-node1"].settings == {"a": "docker-node1", "b": "2"}
    assert "docker-node2: 10.0.0.2:22 does not answer" in done.out
    assert "hint: is it up?" in done.out
    assert "run `labctl provision` again" in done.out
    results = [event for event in run("--json", "provision").events if event["event"] == "result"]
    assert [result["ok"] for result in results] == [True, False]
    assert results[1]["error"]["kind"] == "ConnectFailed"


def test_what_fails_on_all_nodes_alike_is_explained_once(
    run: Run, nodes: dict[str, FakeConnection]
) -> None:
    nodes |= {name: Gone(name) for name in nodes}
    done = run("provision")
    assert done.code == 1
    assert [line for line in done.out.splitlines() if "answer" in line or "is it up?" in line] == [
        "docker-node1: 10.0.0.1:22 does not answer",
        "docker-node2: 10.0.0.2:22 does not answer",
        "  hint: is it up?",
    ]
    results = [event for event in run("--json", "provision").events if event["event"] == "result"]
    assert [result["error"]["hint"] for result in results] == ["is it up?"] * 2


def test_bytes_of_a_node_do_not_end_the_run(run: Run, nodes: dict[str, FakeConnection]) -> None:
    nodes["docker-node1"].settings["a"] = "caf\udce9 \x1b[31m"
    done = run("provision", "--check")
    assert done.code == 3
    assert "\x1b" not in done.err
    done = run("provision", "--json")
    assert done.code == 0
    assert any("caf\\xe9" in event.get("diff", "") for event in done.events)


def test_only_the_requested_nodes(run: Run, nodes: dict[str, FakeConnection]) -> None:
    assert run("provision", "--limit", "docker-node2").code == 0
    assert nodes["docker-node1"].scripts == []
    assert run("provision", "-l", "*node1,docker-node2").code == 0
    assert nodes["docker-node1"].scripts


@pytest.mark.parametrize("command", ["provision", "status", "verify", "up"])
def test_a_node_that_the_lab_has_not(
    run: Run, nodes: dict[str, FakeConnection], command: str
) -> None:
    done = run(command, "--limit", "docker-node7")
    assert done.code == 2
    assert "no node 'docker-node7'" in done.err
    assert "available: docker-node1, docker-node2" in done.err


def test_an_unknown_playbook(run: Run, nodes: dict[str, FakeConnection]) -> None:
    done = run("provision", "--with", "tyo")
    assert done.code == 2
    assert "unknown playbook 'tyo'" in done.err
    assert "did you mean toy?" in done.err


@pytest.mark.parametrize("command", [("verify", "--junit"), ("rehearse", "--junit")])
def test_a_report_that_cannot_be_written_fails_before_the_work(
    run: Run, nodes: dict[str, FakeConnection], command: tuple[str, ...]
) -> None:
    done = run(*command, "no-such-folder/report.xml")
    assert done.code == 2
    assert "its folder does not exist" in done.err
    assert not Path(".labctl").exists()


def test_checkpoints_that_cannot_be_listed_are_errors_in_json(
    run: Run, nodes: dict[str, FakeConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [Result("a", [Checkpoint("x", 1.5)]), Result("b", error=UsageError("no", node="b"))]
    monkeypatch.setattr("labctl.lab.actions.checkpoints.listed", lambda *_: results)
    done = run("checkpoint", "list", "--json")
    assert done.code == 2
    first, second = done.events
    assert (first["checkpoints"], "error" in first) == (["x"], False)
    assert first["saved"] == {"x": 1.5}
    assert second["error"]["message"] == "no"


def test_ctrl_c_ends_with_130(
    run: Run, nodes: dict[str, FakeConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = concurrent.futures.wait
    presses = iter([True])

    def wait(*arguments: Any, **options: Any) -> Any:
        if next(presses, False):
            raise KeyboardInterrupt
        return real(*arguments, **options)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "wait", wait)
    done = run("provision")
    assert done.code == 130
    assert "interrupted" in done.err
    assert "Traceback" not in done.err
    monkeypatch.setattr("labctl.lab.actions.provision.provision", interrupted)
    assert run("provision").code == 130


@pytest.mark.parametrize(
    ("command", "where"),
    [
        (("status",), "labctl.lab.actions.status.status"),
        (("doctor",), "labctl.lab.doctor.examine.examine"),
        (("doctor", "docker-node1"), "labctl.lab.doctor.nodes.examine_nodes"),
        (("scp", "x", "docker-node1:"), "labctl.lab.actions.copy.copy"),
        (("render",), "labctl.lab.boot.vagrantfile"),
        (("halt",), "labctl.lab.actions.lifecycle.halt"),
    ],
)
def test_ctrl_c_outside_the_work_on_nodes(
    run: Run,
    nodes: dict[str, FakeConnection],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    where: str,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    done = run(*command)
    assert (done.code, done.out) == (130, "")
    assert "error: interrupted" in done.err
    assert "Aborted" not in done.err
    if command[0] != "render":
        (event,) = run(*command[:1], "--json", *command[1:]).events
        assert (event["kind"], event["exit_code"]) == ("Interrupted", 130)


def test_ctrl_c_at_a_question(
    run: Run, machines: FakeMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupted)
    done = run("destroy", stdin="", terminal=True)
    assert done.code == 130
    assert "error: interrupted" in done.err
    assert machines.calls == []


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("option", ["-C", "--lab"])
def test_the_lab_may_be_named_before_the_command_or_after(
    run: Run, nodes: dict[str, FakeConnection], tmp_path: Path, place: str, option: str
) -> None:
    named = (option, str(tmp_path))
    monkey = tmp_path / "elsewhere"
    monkey.mkdir()
    os.chdir(monkey)
    done = run(*named, "status", "--json") if place == "before" else run("status", "--json", *named)
    assert [event["node"] for event in done.events] == ["docker-node1", "docker-node2"]
    done = run("-C", str(monkey), "status", "--json", *named)  # the one behind it wins
    assert [event["node"] for event in done.events] == ["docker-node1", "docker-node2"]


@pytest.mark.parametrize("place", ["before", "after"])
def test_verbose_before_the_command_or_after(
    run: Run, nodes: dict[str, FakeConnection], place: str
) -> None:
    done = run("-v", "provision") if place == "before" else run("provision", "-v")
    assert "round trip with" in done.err
    assert "round trip with" not in run("provision").err


def test_what_stands_behind_a_program_is_its_own(
    run: Run, nodes: dict[str, FakeConnection]
) -> None:
    """`-v` and `--json` of the program on the node, not of labctl."""
    done = run("exec", "--limit", "docker-node7", "--", "grep", "-v", "--json")
    assert done.code == 2
    assert "no node 'docker-node7'" in done.err
    assert "Traceback" not in done.err


def test_two_at_once(run: Run, nodes: dict[str, FakeConnection]) -> None:
    with State(Workspace.find()).locked("up"):
        done = run("provision")
    assert done.code == 1
    assert "in use by `labctl up`" in done.err


def test_ssh_config_in_json(run: Run, nodes: dict[str, FakeConnection], tmp_path: Path) -> None:
    text = run("ssh-config").out
    first, second = run("--json", "ssh-config").events
    assert first == {
        "event": "ssh-config",
        "node": "docker-node1",
        "host": "10.0.0.1",
        "port": 22,
        "user": "vagrant",
        "keys": [],
        "jump": "",
        "proxy": "",
        "known_hosts": str(tmp_path / ".labctl" / "known_hosts"),
        "config": first["config"],
    }
    assert "\n".join(event["config"] for event in (first, second)) == text
    assert run("ssh-config", "--json", "--limit", "docker-node2").events == [second]
    (event,) = run("--json", "ssh-config", "--path").events
    assert event == {"event": "ssh-config", "path": str(tmp_path / ".labctl" / "ssh_config")}
    assert Path(event["path"]).read_text("utf-8") == text


def test_status_shows_who_answers(run: Run, nodes: dict[str, FakeConnection]) -> None:
    nodes["docker-node2"] = Gone("docker-node2")
    done = run("status")
    assert done.code == 0
    head, *rows = done.out.splitlines()
    assert head.split()[:3] == ["node", "state", "address"]
    assert rows[0].split()[:5] == ["docker-node1", "running", "10.0.0.1", "19.03.9", "2"]
    assert rows[1].split()[:4] == ["docker-node2", "no", "answer", "10.0.0.2"]
    assert [(e["node"], e["state"]) for e in run("status", "--json").events] == [
        ("docker-node1", "running"),
        ("docker-node2", "no answer"),
    ]


@pytest.mark.parametrize("command", ["destroy", "render"])
def test_what_is_not_for_machines_that_exist(
    run: Run, nodes: dict[str, FakeConnection], command: str
) -> None:
    done = run(command)
    assert done.code == 2
    assert done.out == ""


# -- a lab of Vagrant's


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> FakeMachines:
    """A lab of two machines that run, and a third that lab.yaml has no more."""
    names = ("docker-node1", "docker-node2", "old-node")
    fake = FakeMachines(dict.fromkeys(names, MachineState.RUNNING))
    monkeypatch.setattr(Lab, "machines", lambda _: fake)
    workspace = Workspace.find()
    workspace.make()
    (workspace.state / ".vagrant").mkdir()
    State(workspace).save("docker-node1", NodeRecord(Target("docker-node1", "10.0.0.1")))
    return fake


def test_destroy_without_yes_and_without_a_terminal_is_refused(
    run: Run, machines: FakeMachines
) -> None:
    done = run("destroy", stdin="y\n")
    assert done.code == 2
    assert "docker-node1, docker-node2, old-node" in done.err
    assert "--yes" in done.err
    assert machines.calls == []


def test_destroy_with_yes(run: Run, machines: FakeMachines) -> None:
    done = run("destroy", "--yes")
    assert done.code == 0
    assert machines.calls == [f"destroy {name}" for name in sorted(machines.known)]
    assert State(Workspace.find()).known_nodes() == []
    again = run("destroy", "--yes")
    assert (again.code, "there is no lab in" in again.err) == (2, True)
    lab_yaml("nodes: 2\n")
    again = run("destroy", "--yes")
    assert (again.code, "nothing to destroy" in again.err) == (0, True)


@pytest.mark.parametrize("answer", ["y\n", "n\n", ""])
def test_destroy_asks_on_a_terminal(run: Run, machines: FakeMachines, answer: str) -> None:
    done = run("destroy", "docker-node2", stdin=answer, terminal=True)
    assert machines.calls == (["destroy docker-node2"] if answer == "y\n" else [])
    assert bool(done.code) is (answer != "y\n")


@pytest.mark.parametrize(
    ("named", "gone"),
    [
        (["docker-node1"], ["docker-node1"]),
        (["old-node"], ["old-node"]),
        (["docker-node*"], ["docker-node1", "docker-node2"]),
        (["old-node", "docker-node2"], ["docker-node2", "old-node"]),
    ],
)
def test_destroy_only_what_is_named(
    run: Run, machines: FakeMachines, named: list[str], gone: list[str]
) -> None:
    assert run("destroy", "--yes", *named).code == 0
    assert machines.calls == [f"destroy {name}" for name in gone]


def test_destroy_of_an_unknown_node(run: Run, machines: FakeMachines) -> None:
    done = run("destroy", "--yes", "docker-node7")
    assert done.code == 2
    assert "available: docker-node1, docker-node2" in done.err
    assert machines.calls == []


def test_halt(run: Run, machines: FakeMachines) -> None:
    done = run("halt", "docker-node1")
    assert (done.code, done.out) == (0, "docker-node1 is halted\n")
    assert machines.calls == ["halt docker-node1"]
    done = run("halt", "--json")
    results = [event for event in done.events if event["event"] == "result"]
    assert [(e["node"], e["ok"]) for e in results] == [
        ("docker-node1", True),
        ("docker-node2", True),
    ]


def test_up_refuses_to_lose_a_machine(
    run: Run, machines: FakeMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lab, "provider", "libvirt")
    done = run("up")
    assert done.code == 2
    assert "old-node: these machines exist but are no longer part of the lab" in done.err
    assert machines.calls == []


def test_without_vagrant(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run("up")
    assert done.code == 1
    assert "vagrant is not on PATH" in done.err


def test_a_defect_stays_loud(
    run: Run, nodes: dict[str, FakeConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error is a defect, and its traceback helps to fix it."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("labctl.lab.actions.provision.provision", broken)
    monkeypatch.setattr(sys, "argv", ["labctl", "provision"])
    with pytest.raises(ZeroDivisionError):
        command_line.main()
