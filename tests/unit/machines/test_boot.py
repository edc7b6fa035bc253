"""A machine that never boots: Vagrant is ended when boot_timeout has passed, and not before.

The user may end it too.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from labctl.errors import Interrupted, MachineError
from labctl.events import Notice
from labctl.machines import process as bounded
from labctl.machines import providers, vagrant
from labctl.machines.base import MachineState
from labctl.machines.process import Deadline
from labctl.machines.running import Journal
from labctl.machines.vagrant import VagrantMachines
from labctl.parallel import Stop
from tests.unit.fakes import Heard

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a sh script")

# Stands in for a Vagrant whose machine never gets an address, and which cleans up when interrupted.
VAGRANT = """\
#!/bin/sh
[ "$1" = up ] || exit 0
trap 'echo "==> a: Removing domain..."; exit 1' INT
echo "==> a: Waiting for domain to get an IP address..."
n=0
while [ $n -lt 120 ]; do sleep 1; n=$((n + 1)); done
exit 1
"""

# The machine answers at once, and Vagrant has more to do.
ANSWERS = """\
#!/bin/sh
if [ "$1" = ssh-config ]; then
  printf 'Host a\\n  HostName 10.0.0.1\\n'
  exit
fi
echo "==> a: Waiting for machine to boot. This may take a few minutes..."
sleep 0.5
echo "==> a: Machine booted and ready!"
sleep 2
"""


def machines(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    boot_timeout: float,
    stop: Stop | None = None,
) -> VagrantMachines:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "vagrant").write_text(VAGRANT)
    (programs / "vagrant").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(vagrant, "_GRACE", 0.0)
    return VagrantMachines(
        tmp_path, providers.get("libvirt"), lambda _: tmp_path / "log", boot_timeout, stop
    )


def made(root: Path, node: str) -> None:
    """Make Vagrant's note that it made a machine."""
    note = root / ".vagrant/machines" / node / "libvirt/id"
    note.parent.mkdir(parents=True)
    note.touch()


def test_it_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = machines(tmp_path, monkeypatch, 1.0)
    began = time.monotonic()
    with pytest.raises(MachineError) as caught:
        lab.up("a", emit=lambda _: None, booting=lambda: None)
    assert time.monotonic() - began < 90
    assert caught.value.message == "the machine did not boot within 1 s"
    assert "boot_timeout" in caught.value.hint
    assert "Removing domain" in (tmp_path / "log").read_text()  # Vagrant cleaned up


def test_a_machine_that_answers_has_time_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as pushing a large folder."""
    lab = machines(tmp_path, monkeypatch, 1.0)
    (tmp_path / "bin" / "vagrant").write_text(ANSWERS)
    assert lab.up("a", emit=lambda _: None, booting=lambda: None).host == "10.0.0.1"


LOCKED = """\
#!/bin/sh
[ "$1" = up ] || { printf 'Host a\\n  HostName 10.0.0.1\\n'; exit; }
echo x >>tries
[ "$(wc -l <tries)" -gt TRIES ] && exit 0
if [ "$(wc -l <tries)" = 1 ]; then
  echo "Vagrant can't use the requested machine because it is locked! This"
  echo "means that another Vagrant process is currently reading or modifying"
else
  echo "An action 'up' was attempted on the machine 'a',"
  echo "but another process is already executing an action on the machine."
fi
exit 1
"""


@pytest.mark.parametrize(("tries", "comes_up"), [(2, True), (99, False)])
def test_a_machine_that_another_vagrant_works_on_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: int, comes_up: bool
) -> None:
    """Such as that of a labctl that was killed; Vagrant itself gives up at once."""
    monkeypatch.setattr(vagrant, "_LOCKED_PAUSE", 0.4 if comes_up else 2.0)
    machines(tmp_path, monkeypatch, 1.0)
    (tmp_path / "bin" / "vagrant").write_text(LOCKED.replace("TRIES", str(tries)))
    heard = Heard()
    lab = VagrantMachines(
        tmp_path, providers.get("libvirt"), lambda _: tmp_path / "log", 1.0, emit=heard
    )
    if comes_up:
        assert lab.up("a", emit=heard, booting=lambda: None).host == "10.0.0.1"
    else:
        with pytest.raises(MachineError, match="vagrant up failed"):
            lab.up("a", emit=heard, booting=lambda: None)
    assert len(heard.of(Notice)) == 1


STDERR = """\
#!/bin/sh
echo x >>tries
if [ "$(wc -l <tries)" -lt 2 ]; then
  echo "Vagrant can't use the requested machine because it is locked!" >&2
  exit 1
fi
echo "Host a\n  HostName 10.0.0.1"
"""


def test_vagrants_stderr_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not asked to speak to a machine, its errors go there."""
    monkeypatch.setattr(vagrant, "_LOCKED_PAUSE", 0.01)
    lab = machines(tmp_path, monkeypatch, 1.0)
    (tmp_path / "bin" / "vagrant").write_text(STDERR)
    assert lab.target("a").host == "10.0.0.1"
    (tmp_path / "bin" / "vagrant").write_text("#!/bin/sh\necho no such machine >&2; exit 1\n")
    with pytest.raises(MachineError) as caught:
        lab.target("a")
    assert caught.value.details == "no such machine"


SLOW = """\
#!/bin/sh
case $1 in
up) echo "==> a: Waiting for machine to boot. This may take a few minutes..."; sleep 600;;
status) echo asked >>asked; echo 1,a,state,running;;
*) echo "Host a\n  HostName 10.0.0.1";;
esac
"""
KILLED = """\
import sys
from pathlib import Path
from labctl.machines import providers
from labctl.machines.vagrant import VagrantMachines
root = Path(sys.argv[1])
VagrantMachines(root, providers.get("libvirt"), lambda _: root / "log").up(
    "a", emit=lambda event: print(event, flush=True), booting=lambda: None
)
"""


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[psutil.Process]:
    """The process of a Vagrant that is at work on the machine `a` and whose labctl was killed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    made(tmp_path, "a")
    (programs / "vagrant").write_text(SLOW)
    (programs / "vagrant").chmod(0o755)
    (tmp_path / "Vagrantfile").touch()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(vagrant, "_OTHERS_PAUSE", 0.01)
    monkeypatch.setattr(vagrant, "_GRACE", 0.0)
    labctl = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert labctl.stdout is not None
    labctl.stdout.readline()
    (started,) = psutil.Process(labctl.pid).children()
    labctl.kill()
    labctl.communicate()
    yield started
    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended by itself
        for process in (*started.children(), started):
            process.kill()


def test_labctl_waits_for_a_vagrant_that_outlived_its_labctl(
    tmp_path: Path, left: psutil.Process
) -> None:
    heard = Heard()
    lab = VagrantMachines(
        tmp_path, providers.get("libvirt"), lambda _: tmp_path / "log", 300, emit=heard
    )
    states: list[dict[str, MachineState]] = []
    asking = threading.Thread(target=lambda: states.append(lab.states()))
    asking.start()
    while not heard.of(Notice):
        time.sleep(0.01)
    assert not (tmp_path / "asked").exists()
    for process in left.children():
        process.kill()  # so that it goes on, and ends
    asking.join(60)
    assert states == [{"a": MachineState.RUNNING}]
    (notice,) = heard.of(Notice)
    assert notice.node == "a"
    assert "`vagrant up`, which an earlier labctl left running" in notice.message
    assert lab.states() == {"a": MachineState.RUNNING}
    assert len(heard.of(Notice)) == 1


def test_a_query_without_waiting_is_reported_and_not_run(
    tmp_path: Path, left: psutil.Process
) -> None:
    lab = VagrantMachines(tmp_path, providers.get("libvirt"), lambda _: tmp_path / "log")
    with pytest.raises(MachineError) as caught:
        lab.states(wait=False)
    assert str(left.pid) in caught.value.hint
    assert not (tmp_path / "asked").exists()


def test_it_is_not_waited_for_without_end(tmp_path: Path, left: psutil.Process) -> None:
    lab = VagrantMachines(
        tmp_path, providers.get("libvirt"), lambda _: tmp_path / "log", boot_timeout=0.1
    )
    with pytest.raises(MachineError) as caught:
        lab.states()
    assert caught.value.node == "a"
    assert f"end process {left.pid}" in caught.value.hint


def test_other_machines_are_worked_on_meanwhile(tmp_path: Path, left: psutil.Process) -> None:
    lab = VagrantMachines(
        tmp_path, providers.get("libvirt"), lambda _: tmp_path / "log", boot_timeout=0.1
    )
    assert left.is_running()
    lab.halt("b", emit=lambda _: None)


def test_another_process_of_the_same_number_is_not_waited_for(tmp_path: Path) -> None:
    note = tmp_path / "a.json"
    note.write_text(f'{{"node": "a", "command": "up", "pid": {os.getpid()}, "created": 1.0}}')
    assert Journal(tmp_path).left() == []
    assert not note.exists()


def test_only_who_made_a_note_strikes_it(tmp_path: Path) -> None:
    note = tmp_path / "a.json"
    note.write_text("of another labctl")
    journal = Journal(tmp_path)
    journal.ended("a")
    assert note.exists()
    journal.begun("a", "up", os.getpid())
    journal.ended("a")
    assert not note.exists()


def test_a_note_that_cannot_be_read_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    assert Journal(tmp_path).left() == []


LOCKED_STATUS = """\
#!/bin/sh
echo x >>tries
if [ "$(wc -l <tries)" -gt 1 ]; then
  echo 1,a,state,running
  exit
fi
echo "1,,error-exit,Vagrant::Errors::MachineLocked,Vagrant can't use the requested machine" \
  "because it is locked! This\\nmeans that another Vagrant process is currently reading"
exit 1
"""


def test_a_machine_is_waited_for_even_to_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vagrant, "_LOCKED_PAUSE", 0.01)
    lab = machines(tmp_path, monkeypatch, 1.0)
    (tmp_path / "Vagrantfile").touch()
    made(tmp_path, "a")
    (tmp_path / "bin" / "vagrant").write_text(LOCKED_STATUS)
    with pytest.raises(MachineError, match="status"):
        lab.states(wait=False)
    (tmp_path / "tries").unlink()
    assert lab.states() == {"a": MachineState.RUNNING}


def test_after_an_interrupt_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stop()
    lab = machines(tmp_path, monkeypatch, 1.0, stop)
    stop.request()
    with pytest.raises(Interrupted):
        lab.destroy("a", emit=lambda _: None)
    assert not (tmp_path / "log").exists()


def test_it_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_in_foreground", lambda: False)
    stop = Stop()
    lab = machines(tmp_path, monkeypatch, 100.0, stop)
    began = time.monotonic()
    timer = threading.Timer(0.5, stop.request)
    timer.start()
    with pytest.raises(MachineError, match="vagrant up failed"):
        lab.up("a", emit=lambda _: None, booting=lambda: None)
    timer.join()
    assert time.monotonic() - began < 90
    assert "Removing domain" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("foreground", [True, False])
@pytest.mark.parametrize("early", [True, False])
def test_a_terminal_has_interrupted_what_ran_already(
    monkeypatch: pytest.MonkeyPatch, foreground: bool, early: bool
) -> None:
    """Vagrant takes a second interrupt as the wish to end without cleaning up."""
    monkeypatch.setattr(bounded, "_in_foreground", lambda: foreground)
    deadline = Deadline(None)
    if early:
        deadline.interrupt()
    with subprocess.Popen(["sleep", "30"]) as process:
        deadline.watch(process)
        if not early:
            deadline.interrupt()
        if early or not foreground:
            assert process.wait(25) < 0
        else:
            time.sleep(0.2)
            assert process.poll() is None
        process.kill()
