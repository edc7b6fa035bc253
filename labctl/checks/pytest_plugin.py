"""The pytest plugin of a worker process: fixtures for the tests, events and results for labctl.

The fixtures come from a plugin and not from a conftest.py, so that tests in a lab's own folder have
them too.
"""

from __future__ import annotations

import importlib.util
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from labctl.checks.explainer import Explainer
from labctl.checks.explanation import (
    Explanation,
    explanation_of,
    last_line,
)
from labctl.checks.redact import Secrets
from labctl.checks.report import Check, CommandRun
from labctl.errors import VerifyError
from labctl.events import CheckEnded, CheckOutcome, CheckStarted, Event, Phase
from labctl.messages import joined, msg, recent

if TYPE_CHECKING:
    from labctl.checks.request import Request
    from labctl.checks.testinfra_backend import Sessions

NOT_LOADED = msg("the file can be loaded")
"""Title of the failed check that stands for a file which cannot be imported."""


@dataclass(slots=True, eq=False)
class _Test:
    """A test from collection to teardown; one without an item stands for a whole file."""

    section: str
    name: str
    title: str
    started: float = 0.0
    ended: bool = False
    outcome: CheckOutcome = CheckOutcome.ERROR
    messages: list[str] = field(default_factory=list)
    seconds: float = 0.0
    explanation: Explanation | None = None
    errors: list[BaseException] = field(default_factory=list)

    def add(self, report: pytest.TestReport) -> None:
        """Add pytest's report on the setup, the call or the teardown."""
        self.seconds += report.duration
        if report.when == "call" or (report.when == "setup" and not report.passed):
            self.outcome = CheckOutcome(report.outcome)
            if report.when == "setup" and report.failed:
                self.outcome = CheckOutcome.ERROR
        elif (
            report.when == "teardown" and report.failed and self.outcome is not CheckOutcome.FAILED
        ):
            self.outcome = CheckOutcome.ERROR
        if not report.passed:
            message = _message(report)
            in_teardown = report.when == "teardown"
            self.messages.append(
                msg("cleanup failed: {message}", message=message) if in_teardown else message
            )


class Plugin:
    """Gives fixtures to the tests of one node and turns pytest's reports into checks.

    Parameters:
        request: what to run.
        sessions: the open shells.
        emit: takes the events of the checks.
    """

    def __init__(self, request: Request, sessions: Sessions, emit: Callable[[Event], None]) -> None:
        self._request = request
        self._sessions = sessions
        self._emit = emit
        self._phase = Phase.REHEARSING if request.rehearsal else Phase.VERIFYING
        self._wanted: dict[str, Any] = json.loads(request.wanted.read_text("utf-8"))
        self._secrets = Secrets.within(self._wanted)
        self._sections = {path.resolve(): name for name, path in request.files}
        self._collected = Path()
        # Files of which no test was collected, and why.
        self._whole: dict[Path, _Test] = {}
        # By item, because names are not unique for files outside pytest's root.
        self._tests: dict[pytest.Item, _Test] = {}
        self._order: list[_Test] = []
        self._running: _Test | None = None
        self.checks: list[Check] = []
        self.errors: list[str] = []
        self.properties: dict[str, str] = {}
        user = str(self._wanted.get("user", ""))
        self._explainer = Explainer(request.node, user, sessions, rehearsal=request.rehearsal)
        self._session: pytest.Session | None = None

    # -- fixtures

    @pytest.fixture(scope="session")
    def wanted(self) -> dict[str, Any]:
        """The lab's settings for this node: name, nodes, toolchain, docker, sources, choices."""
        return self._wanted

    @pytest.fixture(scope="session")
    def peers(self) -> Mapping[str, Any]:
        """The lab's other nodes by name. The first use of a node connects to it."""
        return self._sessions.hosts(target.name for target in self._request.peers)

    # -- collection

    def pytest_addoption(self, pluginmanager: pytest.PytestPluginManager) -> None:
        """Make the fixtures of shared conftest.py files available to all sections."""
        for path in self._request.shared:
            # pytest would apply a conftest.py only to the files below it, and load it again.
            pluginmanager.set_blocked(str(path))
            pluginmanager.register(_module(path), f"labctl shared {path.parent}")

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        self._collected = collector.path

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # A failed or skipped file has no tests to collect, so its report follows its start.
        path = self._collected.resolve()
        if report.failed and (path not in self._sections or not self._request.rehearsal):
            unloadable = _unloadable(path, report.longreprtext)
            self.errors.append(msg("{what}: {why}", what=path, why=unloadable.because))
        elif report.failed:
            error = report.longreprtext[-4000:]
            test = self._file(path, NOT_LOADED, CheckOutcome.ERROR, error)
            test.explanation = _unloadable(path, report.longreprtext)
            self._whole[path] = test
        elif report.skipped and path in self._sections:
            reason = _message(report)
            self._whole[path] = self._file(path, msg("the section"), CheckOutcome.SKIPPED, reason)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._session = session
        for item in session.items:
            section = self._sections.get(item.path.resolve(), "")
            test = _Test(section, self._name(item), _title(item))
            test.explanation = explanation_of(getattr(item, "function", None))
            self._tests[item] = test
        if self._request.rehearsal:
            held = {item.path.resolve() for item in session.items} | self._whole.keys()
            for path in self._sections.keys() - held:
                self._whole[path] = self._file(
                    path,
                    msg("the section has exercises"),
                    CheckOutcome.ERROR,
                    "the file has no test function",
                )
        whole = [self._whole[path] for path in self._sections if path in self._whole]
        self._order = [*whole, *self._tests.values()]
        for test in whole:
            self._end(test)

    def _file(self, path: Path, title: str, outcome: CheckOutcome, message: str) -> _Test:
        """Return what stands for a file without tests."""
        section = self._sections[path]
        return _Test(section, "", title, time.time(), outcome=outcome, messages=[message])

    def _name(self, item: pytest.Item) -> str:
        """Return the test's name with its parameters, except the host's."""
        name, bracket, parameters = item.location[2].partition("[")
        host = f"labctl://{self._request.node}"
        others = parameters.removesuffix("]").removeprefix(host).lstrip("-")
        return f"{name}[{others}]" if bracket and others else name

    # -- the run of one test

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        self._running = self._tests[item]

    def pytest_runtest_logstart(self) -> None:
        test = self._running
        assert test is not None
        test.started = time.time()
        self._sessions.transcript.clear()
        self._emit(CheckStarted(*self._identity(test), self._left(test)))

    def _left(self, test: _Test) -> float | None:
        """Return how many seconds a test and those after it usually take; None if unknown.

        A test that was never measured counts as an average one.
        """
        usual = self._request.usual
        if not usual:
            return None
        average = sum(usual.values()) / len(usual)
        rest = self._order[self._order.index(test) :]
        return round(sum(usual.get(f"{one.section}/{one.name}", average) for one in rest), 1)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._sessions.transcript.phase = "setup"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        self._sessions.transcript.phase = "call"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self) -> None:
        self._sessions.transcript.phase = "teardown"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        if self._running is not None and call.excinfo is not None:
            self._running.errors.append(call.excinfo.value)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self._running
        assert test is not None
        test.add(report)
        if report.when == "teardown":
            self.properties |= {key: str(value) for key, value in report.user_properties}
            self._end(test)

    def note_unfinished(self) -> None:
        """Report tests that were collected and did not end, as after `pytest.exit`, as errors."""
        for test in self._order:
            if not test.ended:
                test.outcome = CheckOutcome.ERROR
                test.messages = ["the run of the tests ended before this one did"]
                test.started = test.started or time.time()
                self._end(test)

    def _identity(self, test: _Test) -> tuple[str, Phase, str, str, str, int, int]:
        """Return the fields that both events of a test have."""
        place = (self._order.index(test) + 1, len(self._order))
        return self._request.node, self._phase, test.section, test.name, test.title, *place

    def _end(self, test: _Test) -> None:
        test.ended = True
        hide = self._secrets.hide
        # The transcript is of the running test.
        known = test is self._running and test.outcome.bad
        commands = self._sessions.transcript.kept if known else ()
        told = hide(joined(test.messages, "{first}\n{then}"))
        place = (test.section, test.name, test.title, test.outcome)
        times = (test.seconds, test.started)
        if test.outcome.bad:
            words = self._words(test, commands)
            check = Check(
                *place,
                "",
                *times,
                tuple(ran.redacted(hide) for ran in commands),
                hide(words.wrong),
                hide(words.because),
                words.fix,
                told,
            )
            check = replace(check, message=check.explanation)
        else:
            check = Check(*place, told, *times)
        self.checks.append(check)
        self._emit(
            CheckEnded(
                *self._identity(test),
                check.outcome,
                check.message,
                check.seconds,
                check.started,
                check.wrong,
                check.because,
                check.fix,
                check.details,
            )
        )

    def _words(self, test: _Test, commands: Sequence[CommandRun]) -> Explanation:
        """Return what people read about a failed check."""
        own = test.explanation or self._explainer.default(test.section, test.title, test.outcome)
        if not test.name and test.explanation:
            return own  # a file that cannot be loaded
        error = test.errors[0] if test.errors else None
        words = self._explainer.explain(own, error, commands, test.messages)
        if self._explainer.lost and self._session is not None:
            # The other checks would each wait for a node that is gone.
            self._session.shouldstop = words.wrong
        return words


def _title(item: pytest.Item) -> str:
    """Return the first line of a test's docstring, else its name in words."""
    doc = (getattr(getattr(item, "function", None), "__doc__", None) or "").strip()
    words = getattr(item, "originalname", item.name).removeprefix("test_")
    return doc.partition("\n")[0].strip() or words.replace("_", " ")


def _unloadable(path: Path, text: str) -> Explanation:
    """Return the explanation for a file that pytest cannot load; `text` is pytest's error."""
    errors = [line.removeprefix("E").strip() for line in text.splitlines() if line[:2] == "E "]
    lines = re.findall(rf"{re.escape(path.name)}(?::|\", line )(\d+)", text)
    because = errors[-1] if errors else last_line(text)
    if lines:
        because = msg("line {line}: {why}", line=lines[-1], why=because)
    return Explanation(msg("{file} cannot be loaded", file=path), because, "")


def _message(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test failed or was skipped, without the lines that pytest adds."""
    if report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        return recent(str(reason).removeprefix("Skipped: "))
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return report.longreprtext
    # pytest adds the exception's name in front, and the values of an `assert` below.
    text, sign, values = str(crash.message).removeprefix("AssertionError: ").partition("\nassert ")
    return recent(text) + sign + values if sign else recent(text)


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
            msg(
                "{path} cannot be loaded: {kind}: {error}",
                path=path,
                kind=type(error).__name__,
                error=error,
            ),
            hint="fix the file",
        ) from error
    return module
