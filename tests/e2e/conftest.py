"""Labs on real machines: how the tests make one, and how they run labctl on it.

These tests run inside a world of the testbed (`python -m tests.testbed run -- pytest tests/e2e`).
labctl is run as a user runs it, as a process; what it did is read from its JSON lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.json_lines import check_line
from tests.testbed import Node, World

pytest.register_assert_rewrite("tests.e2e.machine")

# The stand-in packages carry this engine, whatever their names say; see tests/testbed/README.md.
ENGINE = {
    "containerd": "1.6.20-3.1.el7",
    "docker": "20.10.24-3.el7",
    "docker_cli": "20.10.24-3.el7",
    "compose": "1.29.2",
}


@dataclass(frozen=True)
class Run:
    """A run of labctl that ended."""

    exit_code: int
    events: list[dict[str, Any]]
    stdout: str
    stderr: str
    seconds: float

    def of(self, event: str, node: str = "") -> list[dict[str, Any]]:
        """The events of one kind, of one node if it is named."""
        return [
            e for e in self.events if e["event"] == event and (not node or e.get("node") == node)
        ]

    def result(self, node: str) -> dict[str, Any]:
        """The closing record of a node."""
        (record,) = self.of("result", node)
        return record

    def changes(self, node: str) -> list[str]:
        """The resources that were changed on a node, in order."""
        return [change["resource"] for change in self.result(node)["changes"]]

    def exchanges(self, node: str) -> int:
        """Round trips of the provisioning of a node."""
        return int(self.result(node)["exchanges"])

    @property
    def error(self) -> dict[str, Any]:
        """The error that ended the run."""
        (record,) = self.of("error")
        return record

    def expect(self, exit_code: int = 0) -> Run:
        """Fail with all that was printed unless the exit code is the expected one."""
        assert self.exit_code == exit_code, f"{self.stdout[-6000:]}\n{self.stderr[-3000:]}"
        return self


@dataclass
class Lab:
    """A lab's folder, and labctl in it.

    `program` is a Python that has labctl.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    program: Path = Path(sys.executable)

    def __post_init__(self) -> None:
        self.environment.setdefault("LABCTL_HOME", str(self.folder.parent / "home"))

    def write(self, spec: dict[str, Any]) -> None:
        """Write lab.yaml."""
        with (self.folder / "lab.yaml").open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(spec, file)

    @property
    def command(self) -> list[str]:
        """The words that call labctl."""
        return [str(self.program), "-m", "labctl.cli.main"]

    @property
    def whole_environment(self) -> dict[str, str]:
        """The environment of labctl."""
        return {**os.environ, **self.environment}

    def as_root(self, node: str, command: str) -> str:
        """Run a command on a node and return what it printed.

        This only looks, or prepares a test, so it goes over OpenSSH: starting labctl and logging in
        to an emulated machine for each look would take most of a test. The login is used again
        until labctl runs, which may restart the machine.
        """
        options = ("ControlMaster=auto", f"ControlPath={self._socket(node)}", "ControlPersist=600",
                   "ConnectTimeout=60")  # fmt: skip
        line = ["ssh", "-F", str(self.folder / ".labctl" / "ssh_config")]
        line += [word for option in options for word in ("-o", option)]
        done = subprocess.run(
            [*line, node, f"sudo -n sh -c {shlex.quote(command)}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{node}: {command}: {done.stdout}{done.stderr}"
        return done.stdout

    def _socket(self, node: str) -> Path:
        return Path(f"/run/labctl-test-{os.getpid()}-{zlib.crc32(bytes(self.folder))}-{node}")

    def _hang_up(self) -> None:
        """End the logins of `as_root`."""
        for socket in self._socket("").parent.glob(f"{self._socket('').name}*"):
            command = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "any"]
            subprocess.run(command, check=False, capture_output=True, timeout=60)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start labctl and return its process."""
        self._hang_up()
        return subprocess.Popen(
            [*self.command, "--json", *arguments],
            cwd=self.folder,
            env=self.whole_environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start_until(self, heard: Callable[[str], bool], *arguments: str) -> subprocess.Popen[str]:
        """Start labctl and return its process once it has written a line that is waited for.

        Parameters:
            heard: tells of a line of stdout whether it is the one.
            arguments: of labctl.
        """
        process = self.start(*arguments)
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if heard(line):
                return process
        pytest.fail("".join(said)[-6000:])

    def finish(self, process: subprocess.Popen[str], timeout: float = 3600) -> Run:
        """Wait for a started labctl."""
        began = time.monotonic()
        stdout, stderr = process.communicate(timeout=timeout)
        events = [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]
        for event in events:
            check_line(event)
        return Run(process.returncode, events, stdout, stderr, time.monotonic() - began)

    def run(self, *arguments: str, timeout: float = 3600) -> Run:
        """Run labctl with --json."""
        return self.finish(self.start(*arguments), timeout)


@pytest.fixture(scope="session")
def world() -> World:
    """The world that these tests run in, without what a run that kept it has left."""
    world = World.current()
    world.clear()
    return world


@pytest.fixture(scope="module")
def nodes(world: World, request: pytest.FixtureRequest) -> Iterator[dict[str, Node]]:
    """Machines that are there already, by name: those of the module's NAMES.

    Where the module says `ENGINE_INSTALLED`, the engine's packages are on them.
    """
    engine = getattr(request.module, "ENGINE_INSTALLED", False)
    nodes = {node.name: node for node in world.nspawn_many(request.module.NAMES, engine=engine)}
    yield nodes
    if not os.environ.get("KEEP"):
        for node in nodes.values():
            node.remove()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """An empty lab folder."""
    folder = tmp_path / "lab"
    folder.mkdir()
    return Lab(folder)


def machines(nodes: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the `machines:` of lab.yaml for nodes of the testbed."""
    return [
        {
            "name": node.name,
            "host": node.address,
            "port": node.port,
            "user": node.user,
            "key": str(node.key),
        }
        for node in nodes
    ]


def spec(world: World, **more: Any) -> dict[str, Any]:
    """Return a lab.yaml for the world: its sources, an engine that is what it says, and `more`."""
    return {
        "toolchain": dict(ENGINE),
        "sources": {**world.sources, "mirrors": ["https://docker.1ms.run", "https://dead.lab"]},
        **more,
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the machines said."""
    report = yield
    if report.failed:
        report.sections.extend(_said())
    return report


def _said() -> Iterator[tuple[str, str]]:
    """(title, text): the end of each machine's console, and of a container node's journal."""
    world = World.current()
    consoles = ("nodes/*/console.log", "virtualbox-*/**/console.log", "libvirt/*/qemu/*.log")
    for console in (file for pattern in consoles for file in sorted(world.folder.glob(pattern))):
        lines = console.read_text(errors="replace").splitlines()[-30:]
        yield f"end of {console.relative_to(world.folder)}", "\n".join(lines)
    for node in world.nodes():
        with contextlib.suppress(subprocess.TimeoutExpired):
            journal = node.sh("journalctl --no-pager --lines 40", check=False, timeout=20).stdout
            yield f"end of the journal of {node.name}", journal
