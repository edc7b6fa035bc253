"""Changed settings of machines that exist, and forwarded ports that are in use."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import ProviderMissing, SpecError
from labctl.events import Notice
from labctl.lab import machine_settings
from labctl.lab.actions import lifecycle
from labctl.lab.boot import BootQueue, prepare
from labctl.lab.definition import LabDefinition
from labctl.lab.index import Entry, LabIndex
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.machines import ports
from labctl.machines.base import MachineState
from tests.unit.fakes import FakeLab, FakeMachines, Heard

RUNNING, STOPPED, SUSPENDED = MachineState.RUNNING, MachineState.STOPPED, MachineState.SUSPENDED
ONE, TWO = "docker-node1", "docker-node2"


def started_with(provider: str = "libvirt", **raw: Any) -> FakeMachines:
    """Bring a lab up in the test's folder, and return its machines."""
    machines = FakeMachines()
    lab = FakeLab(machines, provider=provider, **raw)
    BootQueue(lab, machines, lab.node_names, prepare(lab, machines)).up(ONE)
    return machines


def said(machines: FakeMachines, provider: str = "libvirt", **raw: Any) -> list[str]:
    """Return what a later `up` of the lab says of its first node."""
    lab = FakeLab(machines, provider=provider, **raw)
    found = machine_settings.notices(lab, [ONE, TWO], machines.states())
    return [notice.message for notice in found if notice.node == ONE]


def test_a_lab_of_existing_machines_needs_no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab(FakeMachines(), machines=[{"name": "pc1", "host": "10.255.255.1"}])

    def none(_: object) -> str:
        raise ProviderMissing("there is none here")

    monkeypatch.setattr(FakeLab, "provider", property(none))
    states = {"pc1": MachineState.EXISTING}
    assert list(machine_settings.notices(lab, ["pc1"], states)) == []
    BootQueue(lab, lab.fakes, ["pc1"], states).up("pc1")


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"memory": 2048}, "memory"),
    ({"cpus": 2}, "cpus"),
    ({"gui": True}, "gui"),
    ({"nested": True}, "nested"),
    ({"forwarded_ports": ["18080:80"]}, "forwarded_ports"),
    ({"provider_options": {"libvirt": {"video_vram": 9}}}, "provider_options"),
    ({"synced_folders": [{"host": "a", "guest": "/a"}]}, "synced_folders"),
    ({"provision": [{"inline": "id", "run": "always"}]}, "provision"),
    ({"vagrantfile": "extra.rb"}, "vagrantfile"),
]


@pytest.mark.parametrize(("raw", "key"), CHANGES)
def test_up_says_which_change_needs_a_restart(raw: dict[str, Any], key: str) -> None:
    Path("extra.rb").write_text("# nothing\n", "utf-8")
    machines = started_with()
    (text,) = said(machines, **raw)
    assert key in text
    assert f"`labctl reload {ONE}`" in text


@pytest.mark.parametrize(
    ("provider", "raw", "key"),
    [
        ("libvirt", {"disk": 80}, "disk"),
        ("libvirt", {"networks": [{"network": "192.168.57.0/24"}]}, "networks"),
        ("libvirt", {"box": "generic/centos7"}, "box"),
        ("virtualbox", {"box": "generic/centos7"}, "box"),
        ("virtualbox", {"provision": ["id"]}, "provision"),
    ],
)
def test_up_says_which_change_needs_a_new_machine(
    provider: str, raw: dict[str, Any], key: str
) -> None:
    machines = started_with(provider)
    (text,) = said(machines, provider, **raw)
    assert key in text
    assert f"`labctl destroy {ONE}`" in text


@pytest.mark.parametrize("raw", [{"disk": 80}, {"networks": [{"network": "192.168.57.0/24"}]}])
def test_virtualbox_applies_at_a_restart_what_libvirt_does_not(raw: dict[str, Any]) -> None:
    (text,) = said(started_with("virtualbox"), "virtualbox", **raw)
    assert "`labctl reload" in text


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"parallel": 3},
        {"boot_timeout": 900},
        {"provider_options": {"virtualbox": {"vram": 9}}},
        {"nodes": [{"name": ONE, "gui": False}, {"name": TWO, "memory": 2048}]},
    ],
)
def test_up_says_nothing_if_the_machine_stays_the_same(raw: dict[str, Any]) -> None:
    assert said(started_with(), **raw) == []


def test_a_machine_that_is_off_gets_changes_at_its_next_start() -> None:
    machines = started_with()
    machines.known[ONE] = STOPPED
    assert said(machines, memory=2048) == []
    (text,) = said(machines, disk=80)
    assert "new machine" in text
    machines.known[ONE] = MachineState.ABSENT
    assert said(machines, disk=80) == []


def test_a_machine_of_an_older_labctl_is_not_judged() -> None:
    assert said(FakeMachines({ONE: RUNNING}), memory=2048) == []


def test_a_file_that_changed_is_noticed() -> None:
    Path("extra.rb").write_text("# nothing\n", "utf-8")
    machines = started_with(vagrantfile="extra.rb")
    assert said(machines, vagrantfile="extra.rb") == []
    Path("extra.rb").write_text("# more\n", "utf-8")
    (text,) = said(machines, vagrantfile="extra.rb")
    assert "vagrantfile" in text


def test_after_a_reload_only_what_needs_a_new_machine_is_left() -> None:
    machines = started_with()
    lab = FakeLab(machines, memory=2048, disk=80)
    lifecycle.reload(lab, [ONE])
    texts = [notice.message for notice in lab.heard.of(Notice) if notice.node == ONE]
    assert [text for text in texts if "memory" in text] == []
    assert [text for text in texts if "disk" in text] != []
    (text,) = said(machines, memory=2048, disk=80)
    assert "disk" in text
    assert "memory" not in text


def test_a_resumed_machine_has_the_settings_that_it_had() -> None:
    machines = started_with()
    machines.known[ONE] = SUSPENDED
    lab = FakeLab(machines, memory=2048)
    BootQueue(lab, machines, [ONE], machines.states()).up(ONE)
    (text,) = said(machines, memory=2048)
    assert "memory" in text


# -- ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of this computer on which something listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_in_use(taken: int) -> None:
    assert "in use" in ports.problem("127.0.0.1", taken, "tcp")
    assert "in use" in ports.problem("0.0.0.0", taken, "tcp")
    assert ports.problem("127.0.0.1", taken, "udp") == ""
    assert "does not have the address" in ports.problem("192.0.2.1", taken, "tcp")


def test_a_udp_port_in_use() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        assert "in use" in ports.problem("127.0.0.1", server.getsockname()[1], "udp")


def test_a_port_whose_connections_ended_is_free() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    assert ports.problem("127.0.0.1", port, "tcp") == ""


def test_up_refuses_a_port_in_use_with_its_line_before_a_machine_starts(taken: int) -> None:
    text = f'provider: libvirt\n\nforwarded_ports:\n  - "{taken}:80"\n'
    file = Path("lab.yaml").absolute()
    file.write_text(text, "utf-8")
    workspace = Workspace(file.parent, file, file.parent / ".labctl")
    machines = FakeMachines()
    lab = Lab(workspace, LabDefinition(workspace, {}), emit=Heard())
    workspace.make()
    with pytest.raises(SpecError) as caught:
        BootQueue(lab, machines, [ONE], machines.states())
    (problem,) = caught.value.problems
    assert (problem.line, problem.where) == (4, "forwarded_ports[0]")
    assert f"port {taken}/tcp" in problem.message
    assert machines.calls == []


def test_the_other_lab_that_has_the_port_is_named(taken: int, tmp_path: Path) -> None:
    (tmp_path / "other" / ".labctl").mkdir(parents=True)
    folder = tmp_path / "other"
    LabIndex().note(
        Entry(str(folder), str(folder / ".labctl"), "o", "10.9.0.0/24", ("a",), "", (taken,))
    )
    lab = FakeLab(FakeMachines(), forwarded_ports=[f"{taken}:80"])
    with pytest.raises(SpecError) as caught:
        BootQueue(lab, lab.fakes, [ONE], {})
    assert str(folder) in caught.value.problems[0].hint


def test_a_running_machine_listens_on_its_ports_itself(taken: int) -> None:
    machines = FakeMachines({ONE: RUNNING, TWO: STOPPED})
    lab = FakeLab(machines, forwarded_ports=[f"{taken}:80"])
    BootQueue(lab, machines, [ONE, TWO], machines.states())
    machines.known[ONE] = STOPPED
    with pytest.raises(SpecError):
        BootQueue(lab, machines, [ONE, TWO], machines.states())
    BootQueue(lab, machines, [TWO], machines.states())


def test_a_port_that_a_stopped_machine_left_open_is_closed() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    machines = FakeMachines({ONE: STOPPED, TWO: RUNNING}, left_open={ONE: server})
    lab = FakeLab(machines, forwarded_ports=[f"{port}:80"])
    BootQueue(lab, machines, [ONE, TWO], machines.states())
    assert machines.left_open == {}


def test_up_says_that_a_running_machine_lost_its_ports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    lab: dict[str, Any] = {"nodes": 1, "forwarded_ports": [f"{port}:80"]}
    machines = started_with(**lab)
    with socket.create_server(("127.0.0.1", port)):  # forwards it
        assert lost(machines, **lab) == []
    (text,) = lost(machines, **lab)
    assert str(port) in text
    assert f"`labctl reload {ONE}`" in text
    (text,) = lost(machines, **lab | {"forwarded_ports": [f"{port}:81"]})
    assert "lab.yaml changed forwarded_ports" in text
    machines.known[ONE] = STOPPED
    assert lost(machines, **lab) == []


def lost(machines: FakeMachines, **raw: Any) -> list[str]:
    """Return what `up` says of a lab with one node."""
    found = machine_settings.notices(FakeLab(machines, **raw), [ONE], machines.states())
    return [notice.message for notice in found]


def test_the_index_keeps_the_ports_of_a_lab() -> None:
    lab = FakeLab(FakeMachines(), forwarded_ports=["18080:80"])
    prepare(lab, lab.fakes)
    (entry,) = LabIndex().entries()
    assert entry.ports == (18080, 18081)


# -- addresses


def test_an_address_answers_if_a_machine_has_it() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert ports.taken(["127.0.0.1"], "127.0.0.0/24", port) == ["127.0.0.1"]
    # Nothing listens there now, but the machine says so.
    assert ports.taken(["127.0.0.1"], "127.0.0.0/24", port) == ["127.0.0.1"]
    assert ports.taken(["203.0.113.9"], "203.0.113.0/24", port) == []
    assert ports.taken([], "127.0.0.0/24", port) == []


def test_up_says_that_an_address_of_a_new_node_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user of this computer has a lab, and both begin with the same network."""
    asked: list[list[str]] = []

    def taken(addresses: list[str], network: str) -> list[str]:
        asked.append(addresses)
        return addresses[-1:]

    monkeypatch.setattr(ports, "taken", taken)
    lab = FakeLab(FakeMachines(), nodes=2)
    (notice,) = machine_settings.addresses_in_use(lab, [ONE, TWO], {})
    assert (notice.node, notice.message.partition(" ")[0]) == (TWO, "192.168.56.12")
    assert "`network`" in notice.message
    (notice,) = machine_settings.addresses_in_use(lab, [ONE, TWO], {TWO: STOPPED})
    assert asked == [["192.168.56.11", "192.168.56.12"], ["192.168.56.11"]]
    existing = FakeLab(FakeMachines(), machines=[{"name": "pc1", "host": "10.0.0.1"}])
    assert not list(machine_settings.addresses_in_use(existing, ["pc1"], {}))
