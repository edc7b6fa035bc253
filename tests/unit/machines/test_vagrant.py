"""Vagrant, as far as labctl reads and calls it; and machines that exist already."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.config.proxy import ProxyAddress, ProxySettings
from labctl.errors import MachineError, UsageError, VagrantMissing
from labctl.events import Emit, MachineOutput
from labctl.machines import providers
from labctl.machines.base import Machines, MachineState
from labctl.machines.log_follow import follow, tail
from labctl.machines.remedies import remedy
from labctl.machines.static import StaticMachines
from labctl.machines.vagrant import VagrantMachines
from labctl.machines.vagrant_output import parse_states
from labctl.machines.vagrant_program import find_vagrant
from labctl.remote.target import Target
from tests.unit.fakes import FakeMachines, Heard

RUNNING, STOPPED = MachineState.RUNNING, MachineState.STOPPED

STATUS = """\
1700000000,docker-node1,metadata,provider,virtualbox
1700000000,docker-node1,provider-name,virtualbox
1700000000,docker-node1,state,running
1700000000,docker-node1,state-human-short,running
1700000000,docker-node2,state,poweroff
1700000000,,ui,info,Current machine states:\\n\\ndocker-node1 running (virtualbox)
"""


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("", {}),
        (STATUS, {"docker-node1": RUNNING, "docker-node2": STOPPED}),
        (STATUS.replace("\n", "\r\n"), {"docker-node1": RUNNING, "docker-node2": STOPPED}),
        (
            "/usr/lib/ruby/x.rb:7: warning: a, b, state, c\n[fog][WARNING] x\n" + STATUS,
            {"docker-node1": RUNNING, "docker-node2": STOPPED},
        ),
        ("1,a,state\n1,,state,running\n1,a,state-human-short,running\n", {}),
        *(
            (f"1,a,state,{word}\n", {"a": state})
            for word, state in {
                "running": MachineState.RUNNING,
                "poweroff": MachineState.STOPPED,
                "shutoff": MachineState.STOPPED,
                "aborted": MachineState.STOPPED,
                "saved": MachineState.SUSPENDED,
                "paused": MachineState.SUSPENDED,
                "pmsuspended": MachineState.SUSPENDED,
                "not_created": MachineState.ABSENT,
                "gurumeditation": MachineState.UNKNOWN,
            }.items()
        ),
    ],
)
def test_parse_states(text: str, states: dict[str, MachineState]) -> None:
    assert parse_states(text) == states


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("VT-x is not available (VERR_VMX_NO_VMX)", "in the BIOS"),
        ("VT-x is disabled in the BIOS for all CPU modes (VERR_VMX_MSR_ALL_VMX_DISABLED)", "BIOS"),
        ("(VERR_VMX_IN_VMX_ROOT_MODE)", "another hypervisor"),
        ("The IP address configured for the host-only network is not within the\n"
         "allowed ranges. ... not in the allowed ranges", "192.168.56.0/21"),
        ("curl: (6) Could not resolve host: vagrantcloud.com", "check this computer's DNS"),
        ("The box 'centos/8' could not be found or\ncould not be accessed", "check 'box'"),
        ("The checksum of the downloaded box did not match the expected", "sha256"),
        ("qemu-img: No space left on device", "free disk space"),
        ("cannot set up guest memory 'pc.ram': Cannot allocate memory", "less memory"),
        ("Timed out while waiting for the machine to boot.", "boot_timeout"),
        ("The forwarded port to 2222 is already in use", "uses a port"),
        ("Failed to connect socket to '/run/libvirt/libvirt-sock': Permission denied", "this user"),
        ("The forwarded\nport to 2222", "uses a port"),
        ("AMD-V is disabled in the BIOS (or by the host OS) (VERR_SVM_DISABLED)", "in the BIOS"),
        ("AMD-V is being used by another hypervisor (VERR_SVM_IN_USE)", "another hypervisor"),
        ("Could not access KVM kernel module: No such file or directory", "in the BIOS"),
        ("error: authentication unavailable: no polkit agent available", "group libvirt"),
        ("VBoxManage: error: See the 'networks.conf' page", "192.168.56.0/21"),
        ("Failed to load the\nhost kernel module vboxdrv", "reinstall VirtualBox"),
        ("Error while creating a storage\npool volume: no space", "virsh pool-define-as"),
        ("curl: (60) SSL certificate problem: certificate has expired", "certificate"),
        ("curl: (28) Operation timed out after 300 s", "run the same command again"),
        ("network 'vagrant-libvirt' is already in use by interface virbr1", "another `network`"),
        ("Call to virDomainCreateWithFlags failed: Failed to start domain 'lab-docker-node1'",
         "--rebuild"),
        ("Something that nobody has seen before", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_remedy(text: str, words: str) -> None:
    found = remedy(text, providers.get("virtualbox"))
    assert words in found
    assert bool(words) == bool(found)


# -- with a stand-in for the `vagrant` executable


VAGRANT = """\
#!/bin/sh
# Stands for vagrant: notes how it was called, says what $VAGRANT_SAYS names, ends as told.
echo "$*" >>calls
env | grep -i '^VAGRANT_\\|_proxy' >>environment
case "$*" in up*|reload*)
  touch "$VAGRANT_SAYS/.vagrant/machines/a/libvirt/action_provision" 2>/dev/null ;;
esac
cat "$VAGRANT_SAYS/out" 2>/dev/null
cat "$VAGRANT_SAYS/err" >&2 2>/dev/null
exit "$(cat "$VAGRANT_SAYS/code" 2>/dev/null || echo 0)"
"""


class StandIn:
    """A folder with a Vagrantfile, and what a fake `vagrant` says there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "Vagrantfile").touch()
        self.machines = VagrantMachines(
            folder, providers.get("libvirt"), lambda node: folder / f"{node}.vagrant.log"
        )

    def says(self, out: str = "", err: str = "", code: int = 0) -> None:
        for name, text in (("out", out), ("err", err), ("code", str(code))):
            (self.folder / name).write_text(text)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def log(self, node: str) -> str:
        return (self.folder / f"{node}.vagrant.log").read_text()

    def made(self, node: str) -> Path:
        """Make Vagrant's note that it made a machine, and return it."""
        note = self.folder / ".vagrant/machines" / node / "libvirt/id"
        note.parent.mkdir(parents=True)
        note.write_text("00000000-0000-0000-0000-000000000000")
        return note


@pytest.fixture
def vagrant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    if os.name != "posix":
        pytest.skip("the stand-in for vagrant is a shell script")
    program = tmp_path / "bin" / "vagrant"
    program.parent.mkdir()
    program.write_text(VAGRANT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("VAGRANT_SAYS", str(tmp_path / "lab"))
    (tmp_path / "lab").mkdir()
    return StandIn(tmp_path / "lab")


def test_a_proxy_is_in_vagrants_environment_and_in_no_argument(
    vagrant: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vagrant downloads boxes with it; the lab's own proxy wins over this computer's."""
    monkeypatch.setenv("http_proxy", "http://other:1")
    monkeypatch.setenv("FTP_PROXY", "http://other:2")
    settings = ProxySettings(
        None, ProxyAddress("proxy", 3128, "anna", "s@fe"), ("192.168.56.11", "docker-node1")
    )
    vagrant.made("docker-node1")
    vagrant.says(STATUS)
    VagrantMachines(
        vagrant.folder,
        providers.get("libvirt"),
        lambda node: vagrant.folder / f"{node}.vagrant.log",
        variables=settings.environment,
    ).states()
    seen = (vagrant.folder / "environment").read_text().splitlines()
    assert {line for line in seen if "proxy" in line.lower()} >= {
        "https_proxy=http://anna:s%40fe@proxy:3128",
        "HTTPS_PROXY=http://anna:s%40fe@proxy:3128",
        "no_proxy=192.168.56.11,docker-node1",
        "http_proxy=http://other:1",
        "FTP_PROXY=http://other:2",
    }
    assert vagrant.calls == ["status --machine-readable"]


def test_states(vagrant: StandIn) -> None:
    vagrant.made("docker-node1")
    vagrant.says(STATUS, err="a warning\n")
    assert vagrant.machines.states() == {"docker-node1": RUNNING, "docker-node2": STOPPED}
    assert vagrant.calls == ["status --machine-readable"]


@pytest.mark.parametrize("wait", [True, False])
def test_without_a_vagrantfile_there_are_no_machines(vagrant: StandIn, wait: bool) -> None:
    vagrant.made("docker-node1")
    (vagrant.folder / "Vagrantfile").unlink()
    assert vagrant.machines.states(wait=wait) == {}
    assert not (vagrant.folder / "calls").exists()


@pytest.mark.parametrize("wait", [True, False])
def test_vagrant_is_not_called_for_machines_that_it_never_created(
    vagrant: StandIn, wait: bool
) -> None:
    vagrant.says(STATUS)
    assert vagrant.machines.states(wait=wait) == {}
    vagrant.made("docker-node1").unlink()  # as when it is destroyed
    assert vagrant.machines.states(wait=wait) == {}
    assert not (vagrant.folder / "calls").exists()


def test_target(vagrant: StandIn) -> None:
    vagrant.says("warning: x\nHost a\n  HostName 10.0.0.1\n  User vagrant\n  Port 22\n")
    assert vagrant.machines.target("a") == Target("a", "10.0.0.1", 22, "vagrant")
    assert vagrant.calls == ["ssh-config a"]
    with pytest.raises(MachineError, match="does not list the machine") as caught:
        vagrant.machines.target("b")
    assert caught.value.node == "b"


def test_up_reports_its_progress(vagrant: StandIn) -> None:
    vagrant.says(
        "Host a\n  HostName 10.0.0.1\n==> a: Booting VM...\n    a: SSH address\n\nlast words"
    )
    heard = Heard()
    assert vagrant.machines.up("a", emit=heard, booting=lambda: None).host == "10.0.0.1"
    up, config = vagrant.calls
    assert config == "ssh-config a"
    assert up.split()[0] == "up"
    assert set(up.split()[1:]) == {"a", "--provider=libvirt"}
    assert [event.line for event in heard.of(MachineOutput)] == [
        "Host a",
        "HostName 10.0.0.1",
        "Booting VM...",
        "SSH address",
        "last words",
    ]
    assert {event.node for event in heard.of(MachineOutput)} == {"a"}
    assert "==> a: Booting VM...\n" in vagrant.log("a")


@pytest.mark.parametrize(
    ("line", "boots"),
    [
        ("==> a: Booting VM...", True),
        ("==> a: Waiting for domain to get an IP address...", True),
        ("==> a: Waiting for machine to boot. This may take a few minutes...", True),
        ("==> a: Importing base box 'centos/7'...", False),
        ("==> a: Creating image (snapshot of base box volume).", False),
        ("==> a: Checking if box 'centos/7' version '2004.01' is up to date...", False),
    ],
)
def test_the_others_may_begin_when_the_first_merely_boots(
    vagrant: StandIn, line: str, boots: bool
) -> None:
    vagrant.says(f"Host a\n  HostName 10.0.0.1\n{line}\n")
    called: list[bool] = []
    vagrant.machines.up("a", emit=Heard(), booting=lambda: called.append(True))
    assert bool(called) is boots


def test_halt_and_destroy_ask_nothing(vagrant: StandIn) -> None:
    vagrant.machines.halt("a", emit=Heard())
    vagrant.machines.destroy("b", emit=Heard())
    halt, destroy = vagrant.calls
    assert halt.split()[:2] == ["halt", "a"]
    assert destroy.split()[0] == "destroy"
    assert {"b", "--force"} <= set(destroy.split())


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda m, e: m.suspend("a", emit=e), ["suspend", "a"]),
        (lambda m, e: m.resume("a", emit=e), ["resume", "a"]),
        (lambda m, e: m.reload("a", emit=e), ["reload", "a"]),
        (lambda m, e: m.sync("a", watch=False, emit=e), ["rsync", "a"]),
        (lambda m, e: m.sync("a", watch=True, emit=e), ["rsync-auto", "a"]),
        (lambda m, e: m.save("a", "x y", emit=e), ["snapshot", "save", "a", "x", "y"]),
        (
            lambda m, e: m.restore("a", "x", emit=e),
            ["snapshot", "restore", "a", "x", "--no-provision"],
        ),
        (lambda m, e: m.drop("a", "x", emit=e), ["snapshot", "delete", "a", "x"]),
    ],
)
def test_vagrants_arguments_for_one_machine(
    vagrant: StandIn, ask: Callable[[Machines, Emit], None], words: list[str]
) -> None:
    vagrant.says("==> a: at work\n")
    heard = Heard()
    ask(vagrant.machines, heard)
    (call,) = vagrant.calls
    assert call.split() == words
    assert [event.line for event in heard.of(MachineOutput)] == ["at work"]


def test_ports_that_ssh_forwards_are_closed_and_opened_again(vagrant: StandIn) -> None:
    """vagrant-libvirt keeps the number of each such ssh, and ends it at halt and suspend alone."""
    machines, heard = vagrant.machines, Heard()
    machines.release_ports("a", emit=heard)  # there are none
    pids = vagrant.folder / ".vagrant" / "machines" / "a" / "libvirt" / "pids"
    pids.mkdir(parents=True)
    (pids / "ssh_8080.pid").write_text("1")
    machines.release_ports("b", emit=heard)
    machines.release_ports("a", emit=heard)
    machines.restore("a", "x", emit=heard)
    assert [" ".join(call.split()) for call in vagrant.calls] == [
        "halt a",
        "snapshot restore a x --no-provision",
        "suspend a",
        "resume a --no-provision",
    ]


def test_vagrant_runs_quietly(vagrant: StandIn) -> None:
    vagrant.machines.halt("a", emit=Heard())
    seen = (vagrant.folder / "environment").read_text()
    for name in ("NO_COLOR", "CHECKPOINT_DISABLE", "BOX_UPDATE_CHECK_DISABLE"):
        assert f"VAGRANT_{name}=1\n" in seen


def test_vagrant_is_not_led_to_another_folder(
    vagrant: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VAGRANT_CWD", "VAGRANT_DOTFILE_PATH", "VAGRANT_VAGRANTFILE"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("VAGRANT_HOME", "/where/boxes/are")
    vagrant.machines.halt("a", emit=Heard())
    seen = (vagrant.folder / "environment").read_text()
    assert "VAGRANT_HOME=/where/boxes/are\n" in seen
    assert "/elsewhere" not in seen


def test_a_failure_shows_the_last_lines_and_what_helps(vagrant: StandIn) -> None:
    (vagrant.folder / "a.vagrant.log").write_text("VT-x is not available, said an earlier run\n")
    lines = [f"line {number}" for number in range(30)]
    vagrant.says("\n".join(lines), err="\nNo space left on device\n", code=1)
    with pytest.raises(MachineError, match="vagrant up failed with exit code 1") as caught:
        vagrant.machines.up("a", emit=Heard(), booting=lambda: None)
    error = caught.value
    assert error.node == "a"
    assert error.hint == "free disk space on this computer"
    assert error.details.splitlines()[-1] == "No space left on device"
    assert 5 <= len(error.details.splitlines()) <= 20
    assert error.log == vagrant.folder / "a.vagrant.log"
    assert "line 0\n" in vagrant.log("a")


def test_a_command_that_fails_shows_its_output(vagrant: StandIn) -> None:
    vagrant.made("a")
    vagrant.says("the Vagrantfile is wrong", code=2)
    with pytest.raises(MachineError, match=r"vagrant status .* failed with exit code 2") as caught:
        vagrant.machines.states()
    assert "the Vagrantfile is wrong" in caught.value.details


def test_without_vagrant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for call in (
        find_vagrant,
        lambda: VagrantMachines(tmp_path, providers.get("libvirt"), lambda _: tmp_path),
    ):
        with pytest.raises(VagrantMissing) as caught:
            call()
        assert "machines:" in caught.value.hint


@pytest.mark.parametrize(("nodes", "alone"), [([], False), (["a"], False), (["a", "b"], True)])
def test_the_first_of_several_goes_alone(vagrant: StandIn, nodes: list[str], alone: bool) -> None:
    assert vagrant.machines.alone_first(nodes) is alone


# -- machines that exist already


def test_machines_that_exist_are_never_ended() -> None:
    target = Target("a", "10.0.0.1")
    machines: Machines = StaticMachines({"a": target})
    assert machines.states() == {"a": MachineState.EXISTING}
    assert machines.up("a", emit=Heard(), booting=lambda: None) == target
    assert machines.alone_first(["a", "b"]) is False
    for end in (machines.halt, machines.destroy):
        with pytest.raises(UsageError, match="a is an existing machine"):
            end("a", emit=Heard())


def test_the_fake_is_one_of_them() -> None:
    machines: Machines = FakeMachines()
    machines.up("a", emit=Heard(), booting=lambda: None)
    assert machines.states() == {"a": RUNNING}


# -- reading along in a log


def test_follow_passes_on_what_is_added(tmp_path: Path) -> None:
    path, said = tmp_path / "log", list[str]()
    path.write_text("before\n")
    with follow(path, path.stat().st_size, said.append), path.open("ab") as file:
        file.write(b"  one \n\n caf\xe9\nhal")
        file.flush()
        time.sleep(0.3)
        file.write(b"f\nlast")
    assert said == ["one", "caf\N{REPLACEMENT CHARACTER}", "half", "last"]


def test_follow_waits_for_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    path, said = tmp_path / "log", list[str]()
    with follow(path, 0, said.append):
        path.write_text("one\n")
    assert said == ["one"]
    with follow(tmp_path / "never", 0, said.append):
        pass
    assert said == ["one"]


def test_tail(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert tail(path, 0) == ""
    path.write_bytes(b"before\ncaf\xe9\n\n")
    assert tail(path, 7) == "caf\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "ask",
    [
        lambda m: m.up("a", emit=Heard(), booting=lambda: None),
        lambda m: m.reload("a", emit=Heard()),
    ],
)
def test_scripts_of_a_start_that_failed_run_again(
    vagrant: StandIn, ask: Callable[[VagrantMachines], object]
) -> None:
    """Vagrant notes that a machine is provisioned before its first script runs."""
    note = vagrant.made("a").with_name("action_provision")
    vagrant.says("Host a\n  HostName 10.0.0.1\n", code=1)
    with pytest.raises(MachineError):
        ask(vagrant.machines)
    assert not note.exists()
    vagrant.says("Host a\n  HostName 10.0.0.1\n")
    ask(vagrant.machines)
    assert note.exists()
    # A later failure has nothing to do with them.
    vagrant.says("Host a\n  HostName 10.0.0.1\n", code=1)
    with pytest.raises(MachineError):
        ask(vagrant.machines)
    assert note.exists()


def test_vagrant_may_size_disks(vagrant: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for own, seen in (("", "disks"), ("typed_triggers", "typed_triggers,disks"), ("1", "1")):
        monkeypatch.setenv("VAGRANT_EXPERIMENTAL", own)
        vagrant.machines.halt("a", emit=Heard())
        lines = (vagrant.folder / "environment").read_text().splitlines()
        assert [x for x in lines if x.startswith("VAGRANT_EXPERIMENTAL")][-1].endswith(f"={seen}")
