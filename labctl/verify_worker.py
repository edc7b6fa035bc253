"""The checks of one node in a process of their own: pytest, testinfra, labctl's connection."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import LabctlError, VerifyError
from labctl.remote.hostkeys import HostKeys
from labctl.remote.target import Target
from labctl.report import Check, NodeReport

if TYPE_CHECKING:
    import pytest

WANTED = "LABCTL_WANTED"
"""Environment variable with the file of what the checks expect."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to check, as a value that can be sent to another process.

    Parameters:
        node: the node's name.
        target: how it is reached.
        known_hosts: where its host key is recorded.
        sudo_password: where its login user needs one.
        files: (playbook, verify.py) in the order of work.
        wanted: JSON file of what the checks may expect.
        log: takes pytest's own output.
    """

    node: str
    target: Target
    known_hosts: Path
    sudo_password: str | None
    files: tuple[tuple[str, Path], ...]
    wanted: Path
    log: Path


class _Collector:
    """A pytest plugin that turns reports into checks."""

    def __init__(self, node: str, owners: dict[Path, str]) -> None:
        self._node = node
        self._owners = owners
        self._titles: dict[str, str] = {}
        self.checks: list[Check] = []
        self.errors: list[str] = []
        self.properties: dict[str, str] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.errors.append(report.longreprtext)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            doc = (getattr(getattr(item, "function", None), "__doc__", None) or "").strip()
            words = getattr(item, "originalname", item.name).removeprefix("test_")
            self._titles[item.nodeid] = doc.partition("\n")[0] or words.replace("_", " ")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
            outcome = report.outcome
        elif report.when == "teardown" and report.failed:
            outcome = "failed"
        else:
            return
        self.properties |= {key: str(value) for key, value in report.user_properties}
        failed_early = report.when != "call" and outcome == "failed"
        self.checks.append(
            Check(
                playbook=self._playbook(report),
                name=self._name(report),
                title=self._titles.get(report.nodeid, report.location[2]),
                outcome="error" if failed_early else outcome,
                message=_message(report),
                seconds=report.duration,
            )
        )

    def _name(self, report: pytest.TestReport) -> str:
        """Return the test's name with its parameters, of which the host is none of interest."""
        name, bracket, parameters = report.location[2].partition("[")
        others = parameters.removesuffix("]").removeprefix(f"labctl://{self._node}").lstrip("-")
        return f"{name}[{others}]" if bracket and others else name

    def _playbook(self, report: pytest.TestReport) -> str:
        path = Path(report.nodeid.partition("::")[0])
        matching = [
            name for file, name in self._owners.items() if file.parts[-2:] == path.parts[-2:]
        ]
        return matching[0] if matching else ""


def run(request: Request) -> NodeReport:
    """Run the checks of one node.

    Raises:
        VerifyError: a verify.py cannot be loaded.
        RemoteError: the node cannot be reached.
    """
    import pytest

    from labctl.remote.session import ShellSession
    from labctl.remote.ssh import Remote
    from labctl.testinfra_backend import register

    os.environ[WANTED] = str(request.wanted)
    remote = Remote(
        request.target, HostKeys(request.known_hosts), sudo_password=request.sudo_password
    )
    session = ShellSession(remote)
    collector = _Collector(request.node, {path: name for name, path in request.files})
    try:
        session.run(":")  # one error now if the node does not answer, not one for each check
        register(request.node, session)
        arguments = [
            "--import-mode=importlib",
            f"--rootdir={os.path.commonpath([path.parent.parent for _, path in request.files])}"
            if request.files
            else "--rootdir=.",
            f"--config-file={os.devnull}",
            "-p",
            "no:cacheprovider",
            f"--hosts=labctl://{request.node}",
            "--quiet",
            *(str(path) for _, path in request.files),
        ]
        with (
            request.log.open("w", encoding="utf-8") as log,
            contextlib.redirect_stdout(log),
            contextlib.redirect_stderr(log),
        ):
            if request.files:
                pytest.main(arguments, plugins=[collector])
    except LabctlError:
        raise
    finally:
        session.close()
        remote.close()
    if collector.errors:
        raise VerifyError(
            "the checks cannot be loaded",
            node=request.node,
            details="\n".join(collector.errors)[-4000:],
            hint="mend the verify.py that is named above",
            log=request.log,
        )
    return NodeReport(request.node, tuple(collector.checks), collector.properties)


def _message(report: pytest.TestReport) -> str:
    """Return why a check failed or was skipped, without pytest's frame around it."""
    if report.outcome == "passed":
        return ""
    if report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        return str(reason).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message) if crash is not None else report.longreprtext
