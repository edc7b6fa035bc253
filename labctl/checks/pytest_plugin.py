"""The pytest plugin of the processes that look at nodes: fixtures for tests, results for labctl.

Its fixtures come from a plugin and not from a conftest.py so that tests of a lab's own folder have
them too.
"""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from labctl.checks.redact import Secrets
from labctl.checks.report import Check
from labctl.errors import VerifyError
from labctl.events import ExerciseEnded, ExerciseStarted

if TYPE_CHECKING:
    from labctl.checks.request import Request
    from labctl.checks.testinfra_backend import Sessions

NOT_LOADED = "the file can be loaded"
"""Title of what failed where a section's file cannot be imported."""


class Plugin:
    """Gives the tests of one node what they may use, and turns what came of them into checks.

    Parameters:
        request: what is run.
        sessions: the open shells.
        say: takes the events of exercises.
    """

    def __init__(self, request: Request, sessions: Sessions, say: Callable[[Any], None]) -> None:
        self._request = request
        self._sessions = sessions
        self._say = say
        self._wanted: dict[str, Any] = json.loads(request.wanted.read_text("utf-8"))
        self._secrets = Secrets.within(self._wanted)
        self._sections = {path.resolve(): name for name, path in request.files}
        # By item and not by its name, which is not unique for files outside of pytest's root.
        self._items: dict[pytest.Item, _Exercise] = {}
        self._running: _Exercise | None = None
        self._empty = dict(self._sections)
        self._collected = Path()
        self.checks: list[Check] = []
        self.errors: list[str] = []
        self.properties: dict[str, str] = {}

    # -- what tests may use

    @pytest.fixture(scope="session")
    def wanted(self) -> dict[str, Any]:
        """The lab's wishes for this node: name, nodes, toolchain, docker, sources, choices."""
        return self._wanted

    @pytest.fixture(scope="session")
    def peers(self) -> Mapping[str, Any]:
        """The lab's other nodes by name, each connected with when it is first used."""
        return self._sessions.hosts(target.name for target in self._request.peers)

    # -- pytest's hooks

    def pytest_addoption(self, pluginmanager: pytest.PytestPluginManager) -> None:
        """Give the fixtures of shared conftest.py files to all sections, wherever those stand."""
        for path in self._request.shared:
            # pytest shows a conftest.py to the files beneath it only, and would load it once more.
            pluginmanager.set_blocked(str(path))
            pluginmanager.register(_module(path), f"labctl shared {path.parent}")

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        self._collected = collector.path

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # Of one that failed or was skipped this comes next, for it holds nothing to be collected.
        section = self._sections.get(self._collected.resolve())
        if report.failed and (section is None or not self._request.rehearsal):
            self.errors.append(report.longreprtext)
        elif report.failed and section is not None:
            self._whole(section, NOT_LOADED, "error", report.longreprtext[-4000:])
        elif report.skipped and section is not None:
            self._whole(section, "the section", "skipped", _message(report))

    def _whole(self, section: str, title: str, outcome: str, message: str) -> None:
        """Note what became of a section whose tests were not collected."""
        self._empty = {path: name for path, name in self._empty.items() if name != section}
        said = self._secrets.hide(message)
        check = Check(section, "", title, outcome, said, 0.0, time.time())
        self._note(check)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            path = item.path.resolve()
            self._empty.pop(path, None)
            doc = (getattr(getattr(item, "function", None), "__doc__", None) or "").strip()
            words = getattr(item, "originalname", item.name).removeprefix("test_")
            title = doc.partition("\n")[0].strip() or words.replace("_", " ")
            name = self._name(item)
            self._items[item] = _Exercise(self._sections.get(path, ""), name, title)
        if self._request.rehearsal:
            for section in self._empty.values():
                said = "a rehearsal of nothing proves nothing: the file holds no test function"
                self._whole(section, "the section holds exercises", "error", said)

    def _name(self, item: pytest.Item) -> str:
        """Return the test's name with its parameters, of which the host is none of interest."""
        name, bracket, parameters = item.location[2].partition("[")
        host = f"labctl://{self._request.node}"
        others = parameters.removesuffix("]").removeprefix(host).lstrip("-")
        return f"{name}[{others}]" if bracket and others else name

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        self._running = self._items[item]

    def pytest_runtest_logstart(self) -> None:
        exercise = self._running
        assert exercise is not None
        exercise.started = time.time()
        self._sessions.transcript.clear()
        if self._request.rehearsal:
            where = (self._request.node, exercise.section, exercise.name, exercise.title)
            self._say(ExerciseStarted(*where))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._sessions.transcript.phase = "setup"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        self._sessions.transcript.phase = "call"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self) -> None:
        self._sessions.transcript.phase = "teardown"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        exercise = self._running
        assert exercise is not None
        exercise.add(report)
        if report.when == "teardown":
            exercise.ended = True
            self.properties |= {key: str(value) for key, value in report.user_properties}
            bad = exercise.outcome in ("failed", "error") and self._request.rehearsal
            hide = self._secrets.hide
            ran = tuple(r.hidden(hide) for r in self._sessions.transcript.kept) if bad else ()
            self._note(
                Check(
                    exercise.section,
                    exercise.name,
                    exercise.title,
                    exercise.outcome,
                    hide("\n".join(exercise.messages)),
                    exercise.seconds,
                    exercise.started,
                    ran,
                )
            )

    def note_unfinished(self) -> None:
        """Note tests that were collected and did not end, as after `pytest.exit`: not green."""
        for exercise in self._items.values():
            if not exercise.ended:
                said = "it was not run to its end: the run of its tests broke off"
                where = (exercise.section, exercise.name, exercise.title)
                self._note(Check(*where, "error", said, 0.0, exercise.started or time.time()))

    def _note(self, check: Check) -> None:
        self.checks.append(check)
        if self._request.rehearsal:
            self._say(
                ExerciseEnded(
                    self._request.node,
                    check.section,
                    check.name,
                    check.title,
                    check.outcome,
                    check.message,
                    check.seconds,
                    check.started,
                )
            )


class _Exercise:
    """A test on its way through setup, call and teardown."""

    def __init__(self, section: str, name: str, title: str) -> None:
        self.section = section
        self.name = name
        self.title = title
        self.started = 0.0
        self.ended = False
        self.outcome = "error"
        self.messages: list[str] = []
        self.seconds = 0.0

    def add(self, report: pytest.TestReport) -> None:
        self.seconds += report.duration
        if report.when == "call" or (report.when == "setup" and not report.passed):
            self.outcome = report.outcome
            if report.when == "setup" and report.failed:
                self.outcome = "error"
        elif report.when == "teardown" and report.failed:
            self.outcome = self.outcome if self.outcome == "failed" else "error"
        if not report.passed:
            message = _message(report)
            self.messages.append(
                f"cleaning up: {message}" if report.when == "teardown" else message
            )


def _message(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test failed or was skipped, without pytest's frame around it."""
    if report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        return str(reason).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message) if crash is not None else report.longreprtext


def _module(path: Path) -> ModuleType:
    """Import a conftest.py as a module of its own."""
    name = f"labctl_shared_{abs(hash(path)):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise VerifyError(
            f"{path} cannot be loaded: {type(error).__name__}: {error}", hint="mend the file"
        ) from error
    return module
