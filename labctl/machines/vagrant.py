"""Machines that Vagrant creates; the only module that imports python-vagrant.

python-vagrant runs the commands. Its parsers are not used, because they fail on warnings in
Vagrant's output and keep only the last host of an ssh-config. Both output streams go to a log file
for each node, because python-vagrant discards stderr by default; errors show its last lines.

Two commands on the same machine fail at once. Two imports of the same box race, and so do two
creations of a network. Therefore the first new machine starts alone (`alone_first`) until it boots,
and the rest start together.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from labctl.errors import Interrupted, MachineError
from labctl.events import Emit, Event, MachineOutput, Notice
from labctl.machines.base import MachineState, Provider
from labctl.machines.log_follow import follow, tail
from labctl.machines.process import Deadline, bounded
from labctl.machines.remedies import remedy
from labctl.machines.running import Journal, still_running
from labctl.machines.vagrant_output import (
    ANSWERS,
    BOOTS,
    LOCKED,
    parse_checkpoints,
    parse_states,
    summary,
)
from labctl.machines.vagrant_program import environment, find_vagrant, made
from labctl.messages import msg
from labctl.parallel import Stop
from labctl.remote.target import Target, parse_config
from labctl.storage import opener

T = TypeVar("T")

_LOCKED_PAUSE = 3.0
"""Seconds before retrying a locked machine."""

_OTHERS_PAUSE = 0.5
"""Seconds between two checks of a Vagrant process that a killed labctl left running."""

_GRACE = 30.0
"""Seconds beyond boot_timeout. If Vagrant gives up first, its message is better than ours."""


class VagrantMachines:
    """The machines of the Vagrantfile in `root`.

    Parameters:
        root: folder with the Vagrantfile and Vagrant's own state.
        provider: creates them.
        log: returns the log file of a node.
        boot_timeout: seconds from a machine's start until it answers. Vagrant's own limit of that
            name does not cover vagrant-libvirt's wait for an address.
        stop: ends Vagrant on Ctrl-C.
        emit: receives notices about waiting.
        variables: for Vagrant's environment, such as the proxy for downloads of boxes.
    """

    def __init__(
        self,
        root: Path,
        provider: Provider,
        log: Callable[[str], Path],
        boot_timeout: float = 300.0,
        stop: Stop | None = None,
        emit: Emit = lambda _: None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        find_vagrant()
        self._variables = dict(variables or {})
        self._emit = emit
        self._journal = Journal(root / "at-work")
        self._stop = stop or Stop()
        self._boot_timeout = boot_timeout
        self._root = root
        self._provider = provider
        self._log = log

    def states(self, *, wait: bool = True) -> dict[str, MachineState]:
        if wait:
            # Even reading the state needs a machine that no other Vagrant process has locked.
            return self._unlocked(self._look)
        for work in self._journal.left():
            raise still_running(work)
        return self._look()

    def _look(self) -> dict[str, MachineState]:
        """Return the states of the machines; skip Vagrant if it created none.

        Every provider reports a machine without an id as not created.
        """
        if not (self._root / "Vagrantfile").is_file() or not made(self._root):
            return {}
        return parse_states(self._output(["status", "--machine-readable"]))

    def up(self, node: str, *, emit: Emit, booting: Callable[[], None]) -> Target:
        clock = Deadline(self._boot_timeout + _GRACE)

        def watch_boot(event: Event) -> None:
            if isinstance(event, MachineOutput):
                if BOOTS.search(event.line):
                    clock.start()
                    booting()
                elif ANSWERS in event.line:
                    clock.cancel()
            emit(event)

        try:
            arguments = ["up", node, f"--provider={self._provider.name}"]
            with self._snippets_again(node):
                self._call(node, arguments, watch_boot, clock)
        except MachineError as error:
            if clock.passed:
                error.message = msg(
                    "the machine did not boot within {seconds:.0f} s", seconds=self._boot_timeout
                )
                error.hint = "see the log; if the computer is slow, raise boot_timeout in lab.yaml"
            raise
        return self.target(node)

    def halt(self, node: str, *, emit: Emit) -> None:
        self._call(node, ["halt", node], emit)

    def release_ports(self, node: str, *, emit: Emit) -> None:
        # Its `up` would leave the old ssh and open no new port.
        if self._forwards_by_ssh(node):
            self.halt(node, emit=emit)

    def _forwards_by_ssh(self, node: str) -> bool:
        """Return whether vagrant-libvirt has started an ssh for a port of the machine."""
        return any(self._root.glob(f".vagrant/machines/{node}/*/pids/ssh_*.pid"))

    def suspend(self, node: str, *, emit: Emit) -> None:
        self._call(node, ["suspend", node], emit)

    def resume(self, node: str, *, emit: Emit) -> None:
        self._call(node, ["resume", node], emit)

    def reload(self, node: str, *, emit: Emit) -> None:
        with self._snippets_again(node):
            self._call(node, ["reload", node], emit)

    def sync(self, node: str, *, watch: bool, emit: Emit) -> None:
        self._call(node, ["rsync-auto" if watch else "rsync", node], emit)

    def save(self, node: str, name: str, *, emit: Emit) -> None:
        self._call(node, ["snapshot", "save", node, name], emit)

    def restore(self, node: str, name: str, *, emit: Emit) -> None:
        self._call(node, ["snapshot", "restore", node, name, "--no-provision"], emit)
        if self._forwards_by_ssh(node):
            # The restored machine does not know these connections; Vagrant makes others here.
            self.suspend(node, emit=emit)
            self._call(node, ["resume", node, "--no-provision"], emit)

    def checkpoints(self, node: str) -> list[str]:
        if not (self._root / "Vagrantfile").is_file():
            return []
        arguments = ["snapshot", "list", node]
        return parse_checkpoints(self._unlocked(lambda: self._output(arguments), node))

    def drop(self, node: str, name: str, *, emit: Emit) -> None:
        self._call(node, ["snapshot", "delete", node, name], emit)

    def destroy(self, node: str, *, emit: Emit) -> None:
        self._call(node, ["destroy", node, "--force"], emit)

    def add_box(self, name: str, place: Path, *, emit: Emit) -> None:
        def add(vagrant: Any) -> None:
            vagrant.box_add(name, str(place), provider=self._provider.name)

        self._logged("", "box add", emit, add)

    def alone_first(self, nodes: Sequence[str]) -> bool:
        return self._provider.one_first and len(nodes) > 1

    def target(self, node: str) -> Target:
        text = self._unlocked(lambda: self._output(["ssh-config", node]), node)
        targets = [t for t in parse_config(text) if t.name == node]
        if not targets:
            raise MachineError(
                "`vagrant ssh-config` does not list the machine",
                node=node,
                hint=msg(
                    "run `vagrant ssh-config {node}` in {root}",
                    node=node,
                    root=self._root,
                ),
            )
        return targets[0]

    @contextlib.contextmanager
    def _snippets_again(self, node: str) -> Iterator[None]:
        """Let the next start run the scripts of lab.yaml again if this one does not finish them.

        Vagrant notes that a machine is provisioned before it runs the first script.
        """
        place = self._root / ".vagrant" / "machines" / node / self._provider.name
        note = place / "action_provision"
        finished = note.exists()
        try:
            yield
            finished = True
        finally:
            if not finished:
                note.unlink(missing_ok=True)

    # -- calling Vagrant

    def _vagrant(self, out: Any = None) -> Any:
        import vagrant

        return vagrant.Vagrant(  # type: ignore[no-untyped-call]
            root=str(self._root),
            env=environment() | self._variables,
            out_cm=out,
            err_cm=out,
        )

    def _output(self, arguments: list[str]) -> str:
        """Return the stdout of a Vagrant command; an error has its stderr too."""
        with tempfile.TemporaryFile() as stderr:

            @contextlib.contextmanager
            def keep() -> Iterator[IO[bytes]]:
                yield stderr

            try:
                return str(self._vagrant(keep)._run_vagrant_command(arguments))
            except subprocess.CalledProcessError as error:
                stderr.seek(0)
                text = error.output or ""
                details = text if isinstance(text, str) else text.decode("utf-8", "replace")
                details += stderr.read().decode("utf-8", "replace")
                raise MachineError(
                    msg(
                        "vagrant {arguments} failed with exit code {code}",
                        arguments=" ".join(arguments),
                        code=error.returncode,
                    ),
                    hint=msg("run it by hand in {root}", root=self._root),
                    details=details.strip()[-2000:],
                ) from error

    def _call(
        self, node: str, arguments: list[str], emit: Emit, clock: Deadline | None = None
    ) -> None:
        """Run a Vagrant command for one machine, with all its output in the machine's log."""
        title = " ".join(part for part in arguments[:2] if part != node)
        deadline = clock or Deadline(None)
        self._stop.add(deadline.interrupt)

        def run(vagrant: Any) -> None:
            try:
                bounded(vagrant, arguments, deadline, started)
            finally:
                self._journal.ended(node)

        def started(pid: int) -> None:
            # rsync-auto runs until it is stopped and does not keep the machine locked.
            if arguments[0] != "rsync-auto":
                self._journal.begun(node, title, pid)

        self._unlocked(lambda: self._logged(node, title, emit, run), node)

    def _wait_for_others(self, node: str) -> None:
        """Wait for Vagrant processes that another labctl left on a machine; "": on any machine."""
        for work in self._journal.left():
            if node not in ("", work.node):
                continue
            self._emit(
                Notice(
                    work.node,
                    msg(
                        "waiting for `vagrant {command}`, which an earlier labctl left running",
                        command=work.command,
                    ),
                )
            )
            waited = 0.0
            while work.goes_on():
                if waited > self._boot_timeout + _GRACE:
                    raise still_running(work)
                if self._stop.requested.wait(_OTHERS_PAUSE):
                    raise Interrupted("not started", node=work.node)
                waited += _OTHERS_PAUSE

    def _unlocked(self, call: Callable[[], T], node: str = "") -> T:
        """Call Vagrant when no other Vagrant process uses the machine; "": any machine.

        A process that labctl did not start makes the call fail; then it is retried.
        """
        if self._stop.requested.is_set():
            raise Interrupted("not started", node=node)
        self._wait_for_others(node)
        waited = 0.0
        while True:
            try:
                return call()
            except MachineError as error:
                if not LOCKED.search(error.details) or waited > self._boot_timeout:
                    raise
            if not waited:
                message = msg("waiting for another Vagrant process that uses this machine")
                self._emit(Notice(node, message))
            if self._stop.requested.wait(_LOCKED_PAUSE):
                raise Interrupted("not started", node=node)
            waited += _LOCKED_PAUSE

    def _logged(self, node: str, title: str, emit: Emit, call: Callable[[Any], object]) -> None:
        """Run a Vagrant command for one machine, its output in the node's log."""
        path = self._log(node)
        start = path.stat().st_size if path.exists() else 0

        @contextlib.contextmanager
        def logging() -> Iterator[IO[str]]:
            with open(path, "a", encoding="utf-8", errors="replace", opener=opener) as file:
                yield file

        def on_line(line: str) -> None:
            emit(MachineOutput(node, line.removeprefix("==> ").removeprefix(f"{node}: ")))

        with follow(path, start, on_line):
            try:
                call(self._vagrant(logging))
            except subprocess.CalledProcessError as error:
                text = tail(path, start)
                raise MachineError(
                    msg(
                        "vagrant {arguments} failed with exit code {code}",
                        arguments=title,
                        code=error.returncode,
                    ),
                    node=node,
                    hint=remedy(text, self._provider),
                    details=summary(text),
                    log=path,
                ) from error
