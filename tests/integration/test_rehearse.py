"""`labctl rehearse` on nodes without an engine: how exercises are found, run, told of, and ended.

The nodes are one sshd on the loopback interface, so an exercise can leave its marks in a folder
that the test sees.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import pytest
import testinfra

from labctl.checks.exercises.sandbox import Sandbox
from labctl.checks.redact import HIDDEN
from labctl.lab.workspace import Workspace
from labctl.storage import exclusive
from tests.json_lines import lines_of

FIRST, SECOND, THIRD = (f"docker-node{number}" for number in (1, 2, 3))

GREETINGS = '''
import pytest

@pytest.fixture
def lent(host, wanted):
    """cleans up"""
    yield
    host.run("echo %s >>%s", wanted["name"], "{marks}/cleaned")

@pytest.fixture
def sticky(host):
    yield
    assert host.run("echo it will not go; exit 9").rc == 0, "it will not go"

def test_passes(host, wanted):
    """the node says hello"""
    assert host.run("echo hello").stdout == "hello\\n"
    assert len(wanted["rehearsal"]["token"]) == 8

def test_fails(host, lent):
    """the node has the answer"""
    host.run("true")
    result = host.run("echo forty-two; echo so sorry >&2; exit 3")
    assert result.rc == 0, result.stderr

def test_is_not_for_here():
    pytest.skip("the engine is too old for it")

def test_has_a_broken_precondition(missing):
    """the precondition holds"""

def test_cannot_clean_up(sticky):
    """objects of the exercise are removed"""

def test_sees_the_others(host, peers, wanted):
    """the other nodes answer"""
    assert wanted["name"] not in peers
    for peer in peers.values():
        assert peer.run("echo here").stdout == "here\\n"
'''


@dataclass(frozen=True)
class Run:
    """A run of labctl that ended."""

    code: int
    events: list[dict[str, Any]]
    err: str

    def result(self, node: str) -> dict[str, Any]:
        (found,) = [e for e in self.events if e["event"] == "result" and e["node"] == node]
        return found

    def outcomes(self, node: str) -> dict[str, str]:
        return {c["name"]: c["outcome"] for c in self.result(node)["checks"]}

    def of(self, event: str) -> list[dict[str, Any]]:
        return [e for e in self.events if e["event"] == event]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "labctl.cli.main", "--json", *arguments],
        cwd=folder,
        env={**os.environ, "LABCTL_HOME": str(folder / "home")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Run:
    out, err = process.communicate(timeout=180)
    return Run(process.returncode, lines_of(out), err)


def rehearse(folder: Path, *arguments: str) -> Run:
    return finish(start(folder, "rehearse", *arguments))


@pytest.fixture
def course(lab_folder: Path) -> Path:
    """The lab's own course folder, with one section."""
    folder = lab_folder / "course"
    folder.mkdir()
    (folder / "greetings.py").write_text(GREETINGS.replace("{marks}", str(lab_folder)), "utf-8")
    return folder


def test_with_a_playbook_that_the_lab_does_not_name(lab_folder: Path) -> None:
    book = lab_folder / "playbooks" / "motd"
    book.mkdir(parents=True)
    (book / "play.py").write_text("def play(play):\n    return iter(())\n", "utf-8")
    runs = 'def test_it_runs(wanted):\n    assert "motd" in wanted["playbooks"]\n'
    for name in ("verify.py", "rehearse.py"):
        (book / name).write_text(runs, "utf-8")
    with_it = ("--with", "motd", "--limit", FIRST)
    verified = finish(start(lab_folder, "verify", "--only", "motd", *with_it))
    assert verified.code == 0, verified.err
    assert [c["name"] for c in verified.result(FIRST)["checks"]] == ["test_it_runs"]
    # Without the notice of the first contact.
    kinds = [e["event"] for e in verified.events if e["event"] != "Notice"]
    assert kinds == ["PhaseEntered", "CheckStarted", "CheckEnded", "PhaseEntered", "result"]
    (ended,) = verified.of("CheckEnded")
    assert (ended["phase"], ended["index"], ended["total"]) == ("verifying", 1, 1)
    rehearsed = rehearse(lab_folder, "motd", *with_it)
    assert (rehearsed.code, rehearsed.outcomes(FIRST)) == (0, {"test_it_runs": "passed"})
    for command in (("rehearse", "motd"), ("verify", "--only", "motd")):
        refused = finish(start(lab_folder, *command))
        assert refused.code == 2
        assert "motd" in refused.of("error")[0]["message"]


def test_outcomes_events_and_files(lab_folder: Path, course: Path) -> None:
    run = rehearse(lab_folder, "greetings", "--junit", "junit.xml", "--html", "page.html")
    assert run.code == 1, run.err
    expected = {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_is_not_for_here": "skipped",
        "test_has_a_broken_precondition": "error",
        "test_cannot_clean_up": "error",
        "test_sees_the_others": "passed",
    }
    for node in (FIRST, SECOND, THIRD):
        assert run.outcomes(node) == expected
        assert not run.result(node)["ok"]
        assert run.result(node)["versions"]["kernel"] == os.uname().release
    (end,) = run.of("rehearsal")
    counts = {key: end[key] for key in ("passed", "failed", "error", "skipped")}
    assert counts == {"passed": 6, "failed": 3, "error": 6, "skipped": 3}
    assert end["page"] == str(lab_folder / "page.html")

    kinds = [e["event"] for e in run.events if e.get("node") == SECOND and e["event"] != "Notice"]
    assert kinds[1:-2] == ["CheckStarted", "CheckEnded"] * 6  # as they happen
    assert [e["index"] for e in run.of("CheckStarted") if e["node"] == SECOND] == [*range(1, 7)]
    assert {(e["phase"], e["total"]) for e in run.of("CheckEnded")} == {("rehearsing", 6)}
    assert kinds[-2:] == ["PhaseEntered", "result"]
    assert {e["section"] for e in run.of("CheckEnded")} == {"greetings"}
    starts = [e["started"] for e in run.of("CheckEnded") if e["node"] == FIRST]
    assert starts == sorted(starts)
    assert abs(starts[0] - time.time()) < 600

    suites = ElementTree.parse(lab_folder / "junit.xml").getroot()
    assert {key: suites.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "18",
        "failures": "3",
        "errors": "6",
        "skipped": "3",
    }
    page = (lab_folder / "page.html").read_text("utf-8")
    assert "the engine is too old for it" in page
    assert "so sorry" in page
    assert not list((lab_folder / ".labctl").glob("rehearsal*.html"))
    assert (lab_folder / "page.html").stat().st_mode & 0o077 == 0


def test_a_failure_has_the_command_and_its_output(lab_folder: Path, course: Path) -> None:
    run = rehearse(lab_folder, "greetings", "--node", SECOND)
    assert [r["node"] for r in run.of("result")] == [SECOND]
    by_name = {c["name"]: c for c in run.result(SECOND)["checks"]}
    failed = by_name["test_fails"]
    assert failed["title"] == "the node has the answer"
    assert "so sorry" in failed["details"]
    assert failed["message"] == f"{failed['wrong']}: {failed['because']}"
    ran = [(c["command"], c["exit_code"], c["phase"]) for c in failed["commands"]]
    assert ran[:2] == [
        ("true", 0, "call"),
        ("echo forty-two; echo so sorry >&2; exit 3", 3, "call"),
    ]
    assert ran[2][2] == "teardown"
    assert failed["commands"][1]["out"] == "forty-two\n"
    assert failed["commands"][1]["err"] == "so sorry\n"
    assert (lab_folder / "cleaned").read_text("utf-8") == f"{SECOND}\n"  # though it failed
    assert by_name["test_passes"]["commands"] == []
    stuck = by_name["test_cannot_clean_up"]
    assert stuck["details"].startswith("cleanup failed: ")
    assert "it will not go" in stuck["details"]
    assert "fixture 'missing' not found" in by_name["test_has_a_broken_precondition"]["details"]
    assert (lab_folder / ".labctl" / "rehearsal-partial.html").is_file()


@pytest.mark.parametrize(
    ("source", "outcome", "words"),
    [
        ("import no_such_module", "error", "no_such_module"),
        ("def test_it(:", "error", "SyntaxError"),
        ("HELPER = 1", "error", "has no test function"),
        (
            "import pytest\npytest.skip('needs two nodes', allow_module_level=True)",
            "skipped",
            "needs two nodes",
        ),
    ],
)
def test_a_file_without_exercises_is_never_green(
    lab_folder: Path, course: Path, source: str, outcome: str, words: str
) -> None:
    (course / "odd.py").write_text(source + "\n", "utf-8")
    (course / "fine.py").write_text("def test_fine(host):\n    '''it is'''\n", "utf-8")
    run = rehearse(lab_folder, "odd", "fine", "--node", FIRST)
    assert run.code == (0 if outcome == "skipped" else 1), run.err
    by_section = {c["section"]: c for c in run.result(FIRST)["checks"]}
    assert by_section["fine"]["outcome"] == "passed"  # the others go on
    assert by_section["odd"]["outcome"] == outcome
    odd = by_section["odd"]
    assert words in (odd["message"] if outcome == "skipped" else odd["details"])


def test_a_run_that_breaks_off_is_never_green(lab_folder: Path, course: Path) -> None:
    (course / "ends.py").write_text(
        "import pytest\n"
        "def test_ends():\n    pytest.exit('enough')\n"
        "def test_after():\n    '''it is not come to'''\n",
        "utf-8",
    )
    run = rehearse(lab_folder, "ends", "--node", FIRST)
    assert run.code == 1
    assert run.outcomes(FIRST) == {"test_ends": "error", "test_after": "error"}


@pytest.mark.parametrize("source", ["import no_such_module", "def f(:", "raise SystemExit(0)"])
def test_a_conftest_that_cannot_be_loaded(lab_folder: Path, course: Path, source: str) -> None:
    (course / "conftest.py").write_text(source + "\n", "utf-8")
    run = rehearse(lab_folder, "greetings", "--node", FIRST)
    assert run.code == 1
    error = run.result(FIRST)["error"]
    assert error["kind"] == "VerifyError"
    assert str(course / "conftest.py") in error["message"]


def test_all_sections_have_the_sandbox(lab_folder: Path, course: Path) -> None:
    """labctl's conftest.py serves the lab's own files, and the lab's own serves its."""
    (course / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef colour():\n    return 'red'\n", "utf-8"
    )
    (course / "mine.py").write_text(
        "def test_it(request, colour):\n"
        "    assert colour == 'red'\n"
        "    assert request._fixturemanager.getfixturedefs('sandbox', request.node)\n",
        "utf-8",
    )
    playbook = lab_folder / "playbooks" / "motd"
    playbook.mkdir(parents=True)
    (playbook / "play.py").write_text("def play(play):\n    return iter(())\n", "utf-8")
    (playbook / "rehearse.py").write_text(
        (course / "mine.py").read_text("utf-8").replace("test_it", "test_motd"), "utf-8"
    )
    spec = json.loads((lab_folder / "lab.yaml").read_text("utf-8"))
    (lab_folder / "lab.yaml").write_text(json.dumps({**spec, "playbooks": ["motd"]}), "utf-8")
    run = rehearse(lab_folder, "mine", "motd", "--node", FIRST)
    assert run.code == 0, run.events[-2:]
    assert run.outcomes(FIRST) == {"test_it": "passed", "test_motd": "passed"}


def test_an_unknown_section_is_refused_before_a_node_is_touched(
    lab_folder: Path, course: Path
) -> None:
    run = rehearse(lab_folder, "greetings", "greting")
    assert run.code == 2
    (error,) = run.of("error")
    assert "'greting'" in error["message"]
    assert "greetings" in error["hint"]
    assert not (lab_folder / ".labctl").exists()


def test_the_list(lab_folder: Path, course: Path) -> None:
    run = rehearse(lab_folder, "--list")
    assert run.code == 0
    found = {e["section"]: e["files"] for e in run.of("section")}
    assert found["greetings"] == [str(course / "greetings.py")]
    assert not (lab_folder / ".labctl").exists()


def test_a_node_that_does_not_answer_stops_no_other(lab_folder: Path, course: Path) -> None:
    spec = json.loads((lab_folder / "lab.yaml").read_text("utf-8"))
    spec["machines"][1]["port"] = 9
    (lab_folder / "lab.yaml").write_text(json.dumps(spec), "utf-8")
    (course / "fine.py").write_text("def test_fine(host):\n    '''it is'''\n", "utf-8")
    run = rehearse(lab_folder, "fine")
    assert run.code == 1
    assert run.outcomes(FIRST) == run.outcomes(THIRD) == {"test_fine": "passed"}
    assert run.result(SECOND)["error"]["kind"] == "ConnectFailed"
    page = (lab_folder / ".labctl" / "rehearsal-partial.html").read_text("utf-8")
    assert f"1 node could not be rehearsed: {SECOND}" in page


def test_not_while_another_labctl_works_on_the_lab(
    lab_folder: Path, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABCTL_HOME", str(lab_folder / "home"))
    Workspace.find(str(lab_folder)).make()
    state = lab_folder / ".labctl"
    holder = {"command": "up", "pid": 4711, "user": "ann", "host": "pc", "since": "noon"}
    (state / "lock.holder").write_text(json.dumps(holder), "utf-8")
    with exclusive(state / "lock", timeout=0):
        run = rehearse(lab_folder, "greetings")
    assert run.code == 1
    (error,) = run.of("error")
    assert error["kind"] == "LabLocked"
    assert "`labctl up` of ann on pc" in error["message"]


SLOW = """
import pytest

@pytest.fixture
def lent(host, wanted):
    yield
    assert host.run("echo %s >>%s", wanted["name"], "{marks}/cleaned").rc == 0

def test_slow(host, lent, wanted):
    '''it takes its time'''
    host.run("echo %s >>%s; sleep 600.{pid}", wanted["name"], "{marks}/begun")

def test_after(host):
    '''it is not come to'''
    host.run("touch %s", "{marks}/after")
"""


@pytest.mark.parametrize("whole_terminal", [True, False])
def test_ctrl_c_ends_the_command_and_cleans_up(
    lab_folder: Path, course: Path, whole_terminal: bool
) -> None:
    """As Ctrl-C does, to all processes of the terminal, several times; and as kill -INT does."""
    mark = f"{os.getpid()}{int(whole_terminal)}"
    source = SLOW.replace("{marks}", str(lab_folder)).replace("{pid}", mark)
    (course / "slow.py").write_text(source, "utf-8")
    process = start(lab_folder, "rehearse", "slow", "--node", f"{FIRST},{SECOND}")
    begun = lab_folder / "begun"
    deadline = time.monotonic() + 120
    while not begun.exists() or begun.read_text("utf-8").count("\n") < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    if whole_terminal:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    run = finish(process)
    assert run.code == 130, run.err
    assert "Traceback" not in run.err
    cleaned = (lab_folder / "cleaned").read_text("utf-8").split()
    assert sorted(cleaned) == [FIRST, SECOND]
    assert not (lab_folder / "after").exists()
    (error,) = run.of("error")
    assert "removed" in error["hint"]
    assert not _running(f"sleep 600.{mark}")


def _running(command: str) -> list[str]:
    """The processes with this command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if " ".join(words).strip() == command:
            found.append(path.parent.name)
    return found


LOGIN = """
def test_login(host, wanted):
    '''the registry lets the course in'''
    login = wanted["registry"]
    assert host.run("echo %s; exit 4", login["password"]).rc == 0, "not by " + login["password"]
"""


def test_a_password_stays_out_of_all_that_is_shown(lab_folder: Path, course: Path) -> None:
    (course / "login.py").write_text(LOGIN, "utf-8")
    spec = json.loads((lab_folder / "lab.yaml").read_text("utf-8"))
    for number, machine in enumerate(spec["machines"], start=1):
        machine["address"] = f"192.168.56.{number}"
    spec |= {"playbooks": ["registry"], "registry": {"password": "hunter22-hunter22"}}
    (lab_folder / "lab.yaml").write_text(json.dumps(spec), "utf-8")
    run = rehearse(lab_folder, "login", "--node", FIRST, "--junit", "junit.xml")
    assert run.outcomes(FIRST) == {"test_login": "failed"}, run.events
    (login,) = run.result(FIRST)["checks"]
    assert login["commands"][0]["command"] == f"echo {HIDDEN}; exit 4"
    page = (lab_folder / ".labctl" / "rehearsal-partial.html").read_text("utf-8")
    junit = (lab_folder / "junit.xml").read_text("utf-8")
    for text in (json.dumps(run.events), run.err, page, junit):
        assert "hunter22" not in text


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs coreutils' timeout")
def test_a_rehearsal_waits_for_the_pulls_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labctl.checks.exercises.lease.LEASES", PurePosixPath(tmp_path))
    here = testinfra.get_host("local://")
    one, other = (
        Sandbox(here, FIRST, node, token * 8, {}) for node, token in ((FIRST, "a"), (SECOND, "b"))
    )
    other.lease.wait_for_pulls(one.token)  # which has no lease
    (tmp_path / one.token).mkdir()
    one.lease.set_pulling(True)
    waiting = threading.Thread(target=other.lease.wait_for_pulls, args=(one.token,))
    waiting.start()
    waiting.join(1.5)
    assert waiting.is_alive()
    one.lease.set_pulling(False)
    waiting.join(30)
    assert not waiting.is_alive()
    one.lease.set_pulling(True)
    monkeypatch.setattr("labctl.checks.exercises.lease.LONGEST_WAIT", 1)
    other.lease.wait_for_pulls(one.token)  # which was killed: the wait ends all the same
