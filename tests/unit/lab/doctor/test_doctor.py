"""The doctor's findings as tables: a host and a lab in, levels and remedies out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from labctl.config.model import LabSpec
from labctl.config.validate import validate
from labctl.errors import ProviderMissing
from labctl.lab.doctor import checks, environment
from labctl.lab.doctor.examine import examine
from labctl.lab.doctor.host import ThisHost
from labctl.lab.doctor.systems import linux_routes, macos_routes, windows_firewall, windows_routes
from labctl.lab.index import Entry, LabIndex
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.machines import providers
from labctl.machines.finding import Finding, Level, healthy
from labctl.machines.plugins import Plugin
from labctl.machines.virtualbox import VirtualBox

OK, WARN, FAIL, SKIPPED = Level.OK, Level.WARN, Level.FAIL, Level.SKIPPED


@dataclass
class FakeHost:
    """A host on which all is well, unless a test says otherwise."""

    system: str = "linux"
    processor: str = "x86_64"
    programs: tuple[str, ...] = ("vagrant", "ssh", "rsync", "VBoxManage")
    vagrant: str | None = "Vagrant 2.4.9"
    virtualbox: str | None = "7.0.20r163906"
    offers: bool | None = True
    ram: tuple[int, int] | None = (16000, 12000)
    free: int | None = 100_000
    connected: list[tuple[str, IPv4Network]] | None = field(default_factory=list)
    boxes: tuple[str, ...] = ("centos/7",)
    wall: str | None = ""
    plugins: dict[str, Plugin] = field(default_factory=dict)
    works: bool = True
    lacks: dict[str, tuple[str, str]] = field(default_factory=dict)
    down: dict[str, str] = field(default_factory=dict)
    without_provider: str = ""
    asked: list[str] = field(default_factory=list)

    def which(self, program: str, variables: Sequence[str] = ()) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def output(self, *command: str) -> str | None:
        self.asked.append(" ".join(command))
        return self.vagrant if command[0] == "vagrant" else self.virtualbox

    def provider(self, asked: str | None, made_with: str) -> tuple[str, str]:
        if self.without_provider:
            raise ProviderMissing(self.without_provider, hint="install one")
        return asked or made_with or "virtualbox", "requested"

    def virtualization(self) -> bool | None:
        return self.offers

    def memory(self) -> tuple[int, int] | None:
        return self.ram

    def disk(self) -> int | None:
        return self.free

    def networks(self) -> list[tuple[str, IPv4Network]] | None:
        return self.connected

    def firewall(self) -> str | None:
        return self.wall

    def plugin(self, name: str) -> Plugin | None:
        return self.plugins.get(name)

    def additions_work(self) -> bool:
        return self.works

    def missing(self, kind: str) -> tuple[str, str] | None:
        return self.lacks.get(kind)

    def has_box(self, name: str, version: str | None, provider: str) -> bool:
        return name in self.boxes

    def reach(self, url: str) -> str:
        self.asked.append(url)
        return next((why for part, why in self.down.items() if part in url), "")


def spec(**raw: Any) -> LabSpec:
    found = validate(raw)
    assert isinstance(found, LabSpec), found
    return found


def lab(tmp_path: Path, **raw: Any) -> Lab:
    workspace = Workspace(tmp_path, None, tmp_path / ".labctl")
    return Lab(workspace, spec(**raw), emit=lambda event: None)


def test_a_good_host_has_nothing_but_good_findings(tmp_path: Path) -> None:
    host = FakeHost()
    findings = examine(lab(tmp_path), host, offline=False)
    assert {finding.level for finding in findings} == {OK}
    assert healthy(findings)
    assert not any(finding.remedy for finding in findings)


def test_offline_asks_nothing_of_the_network(tmp_path: Path) -> None:
    host = FakeHost(boxes=())
    findings = examine(lab(tmp_path), host, offline=True)
    assert not [asked for asked in host.asked if "://" in asked]
    assert {finding.what for finding in findings if finding.level is SKIPPED} == {
        "box centos/7",
        "endpoints",
    }
    assert healthy(findings)


def test_machines_that_exist_need_no_vagrant(tmp_path: Path) -> None:
    host = FakeHost(programs=("ssh",), vagrant=None, without_provider="none")
    machines = [{"name": "a", "host": "10.0.0.1"}]
    findings = examine(lab(tmp_path, machines=machines), host, offline=False)
    assert healthy(findings)
    assert "Vagrant" not in {finding.what for finding in findings}


def test_no_provider_is_a_failure_with_its_hint(tmp_path: Path) -> None:
    findings = examine(lab(tmp_path), FakeHost(without_provider="none here"), offline=True)
    assert Finding(FAIL, "provider", "none here", "install one") in findings
    assert not healthy(findings)


@pytest.mark.parametrize(
    ("virtualbox", "vagrant", "level"),
    [
        ("6.1.50r161033", "Vagrant 2.2.19", OK),
        ("7.0.20r163906", "Vagrant 2.3.7", OK),
        ("7.1.0r164728", "Vagrant 2.4.1", FAIL),
        ("7.1.0r164728", "Vagrant 2.4.2", OK),
        ("7.1.10", "Vagrant 2.4.10", OK),
        ("7.2.0r170228", "Vagrant 2.4.8", FAIL),
        ("7.2.0r170228", "Vagrant 2.4.9", OK),
        ("7.3.1", "Vagrant 2.4.8", FAIL),
        ("8.0.0", "Vagrant 2.5.0", OK),
        ("7.0.20r163906", None, OK),  # that Vagrant does not run is another finding
        ("WARNING: The vboxdrv kernel module is not loaded.\n7.0.20r163906", "Vagrant 2.4.9", FAIL),
        (None, "Vagrant 2.4.9", FAIL),
        ("", "Vagrant 2.4.9", FAIL),
    ],
)
def test_virtualbox_against_vagrant(
    virtualbox: str | None, vagrant: str | None, level: Level
) -> None:
    (found,) = VirtualBox().examine(FakeHost(virtualbox=virtualbox, vagrant=vagrant), spec())
    assert found.level is level
    assert bool(found.remedy) is (level is FAIL)


def test_apple_silicon_runs_no_virtualbox_lab() -> None:
    (found,) = VirtualBox().examine(FakeHost(system="darwin", processor="arm64"), spec())
    assert found.level is FAIL
    assert "Apple silicon" in found.found


@pytest.mark.parametrize(
    ("host", "level"),
    [
        (FakeHost(), OK),
        (FakeHost(programs=()), FAIL),
        (FakeHost(vagrant=None), FAIL),
        (FakeHost(vagrant="a Ruby backtrace"), FAIL),
    ],
)
def test_vagrant(host: FakeHost, level: Level) -> None:
    assert checks.vagrant(host).level is level


@pytest.mark.parametrize(
    ("offers", "provider", "level"),
    [
        (True, "virtualbox", OK),
        (False, "virtualbox", FAIL),
        (False, "libvirt", WARN),
        (None, "virtualbox", SKIPPED),
    ],
)
def test_virtualization(offers: bool | None, provider: str, level: Level) -> None:
    assert checks.virtualization(FakeHost(offers=offers), provider).level is level


@pytest.mark.parametrize(
    ("ram", "level"),
    [((16000, 4096), OK), ((16000, 4095), WARN), ((4000, 3000), FAIL), (None, SKIPPED)],
)
def test_memory_of_four_nodes_with_one_gib_each(ram: tuple[int, int] | None, level: Level) -> None:
    assert checks.memory(FakeHost(ram=ram), spec(nodes=4)).level is level


@pytest.mark.parametrize(
    ("free", "boxes", "level"),
    [
        (9000, (), OK),
        (8999, (), WARN),
        (6000, ("centos/7",), OK),
        (None, (), SKIPPED),
    ],
)
def test_disk_of_two_nodes(free: int | None, boxes: tuple[str, ...], level: Level) -> None:
    assert checks.disk(FakeHost(free=free, boxes=boxes), spec()).level is level


@pytest.mark.parametrize(
    ("connected", "levels"),
    [
        ([], [OK]),
        ([("eth0", "10.0.0.0/24")], [OK]),
        ([("vboxnet0", "192.168.56.0/24")], [OK]),
        ([("192.168.56.1", "192.168.56.0/24")], [OK]),  # so Windows names the lab's own
        ([("192.168.56.9", "192.168.56.0/24")], [FAIL]),
        ([("eth0", "192.168.0.0/16"), ("wlan0", "192.168.56.0/25")], [FAIL, FAIL]),
        (None, [SKIPPED]),
    ],
)
def test_network(connected: list[tuple[str, str]] | None, levels: list[Level]) -> None:
    there = (
        None if connected is None else [(name, IPv4Network(network)) for name, network in connected]
    )
    found = environment.network(FakeHost(connected=there), spec(), "virtualbox", [])
    assert [finding.level for finding in found] == levels


def test_a_folder_that_the_provider_refuses_is_no_matter_of_the_network() -> None:
    lab = spec(synced_folders=[{"host": ".", "guest": "/srv/x", "type": "9p"}])
    (found,) = environment.network(FakeHost(), lab, "virtualbox", [])
    assert (found.what, found.level) == ("network", OK)


def test_the_bridge_that_virtualbox_makes_on_macos_is_the_lab_s_own() -> None:
    own, other = IPv4Network("192.168.56.0/24"), IPv4Network("192.168.0.0/16")
    host = FakeHost(system="darwin", connected=[("bridge100", own)])
    assert [f.level for f in environment.network(host, spec(), "virtualbox", [])] == [OK]
    for where in (
        FakeHost(system="darwin", connected=[("bridge100", other)]),
        FakeHost(system="linux", connected=[("bridge100", own)]),
    ):
        assert [f.level for f in environment.network(where, spec(), "virtualbox", [])] == [FAIL]


@pytest.mark.parametrize("kind", ["virtualbox", "amd64/virtualbox"])
def test_which_box_vagrant_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path))
    (tmp_path / "boxes/centos-VAGRANTSLASH-7/1905.1" / kind).mkdir(parents=True)
    host = ThisHost()
    assert host.has_box("centos/7", None, "virtualbox")
    assert host.has_box("centos/7", "1905.1", "virtualbox")
    assert host.has_box("centos/7", "1905.1", "")
    assert not host.has_box("centos/7", "2004.01", "virtualbox")
    assert not host.has_box("centos/7", None, "libvirt")


def test_a_network_that_the_provider_refuses() -> None:
    lab = spec(network="192.168.121.0/24")
    found = list(environment.network(FakeHost(), lab, "libvirt", []))
    assert [finding.level for finding in found] == [FAIL]
    assert "192.168.121.0/24" in found[0].found


@pytest.mark.parametrize(
    ("raw", "down", "level", "words"),
    [
        ("centos/7", {}, OK, "vagrantcloud.com/centos/7"),
        ("centos/7", {"vagrantcloud": "it answers 404"}, FAIL, "it answers 404"),
        ({"name": "el7", "url": "https://mirror.example/el7.box"}, {}, OK, "mirror.example"),
        ({"name": "el7", "url": "file:///srv/el7.box"}, {"file": "never asked"}, OK, "/srv"),
    ],
)
def test_a_box_that_is_not_there_yet(
    raw: object, down: dict[str, str], level: Level, words: str
) -> None:
    found = checks.box(FakeHost(boxes=(), down=down), spec(box=raw), offline=False)
    assert found.level is level
    assert words in found.found


@pytest.mark.parametrize(("programs", "level"), [(("ssh",), OK), ((), WARN)])
def test_programs(programs: tuple[str, ...], level: Level) -> None:
    assert checks.programs(FakeHost(programs=programs)).level is level


@pytest.mark.parametrize(
    ("folder", "network", "level", "words"),
    [
        ("there", "192.168.56.0/24", FAIL, "remove `network` from lab.yaml"),
        ("there", "192.168.56.128/25", FAIL, "remove `network` from lab.yaml"),
        ("gone", "192.168.56.0/24", WARN, "--prune"),
        ("there", "192.168.57.0/24", OK, ""),
    ],
)
def test_a_network_of_another_lab(
    tmp_path: Path, folder: str, network: str, level: Level, words: str
) -> None:
    (tmp_path / "there" / ".labctl").mkdir(parents=True)
    place = tmp_path / folder
    other = Entry(str(place), str(place / ".labctl"), "other", network, ())
    (found,) = environment.network(FakeHost(), spec(), "virtualbox", [other])
    assert found.level is level
    assert words in found.remedy


LIBVIRT = {"vagrant-libvirt": Plugin((0, 12, 2))}
VBGUEST = {"vagrant-vbguest": Plugin((0, 32, 0), (3, 3, 6))}


@pytest.mark.parametrize(
    ("provider", "host", "raw", "levels"),
    [
        ("virtualbox", {}, {}, {}),
        ("virtualbox", {"plugins": VBGUEST}, {}, {"vagrant-vbguest": OK}),
        ("virtualbox", {"plugins": VBGUEST}, {"vbguest": True}, {"vagrant-vbguest": OK}),
        ("virtualbox", {}, {"vbguest": True}, {"vagrant-vbguest": FAIL}),
        (
            "virtualbox",
            {"plugins": VBGUEST, "works": False},
            {"vbguest": True},
            {"vagrant-vbguest": WARN},
        ),
        ("libvirt", {"plugins": LIBVIRT}, {}, {"vagrant-libvirt": OK}),
        ("libvirt", {}, {"vbguest": True}, {"vagrant-libvirt": FAIL}),
    ],
)
def test_plugins(
    provider: str, host: dict[str, Any], raw: dict[str, Any], levels: dict[str, Level]
) -> None:
    found = providers.get(provider).examine(FakeHost(**host), spec(**raw))
    seen = {finding.what: finding.level for finding in found if finding.what != "VirtualBox"}
    assert seen == levels


@pytest.mark.parametrize(
    ("kind", "lacks", "levels"),
    [
        ("auto", {}, {"rsync folders": OK}),
        ("auto", {"rsync": ("there is no rsync", "install rsync")}, {"rsync folders": FAIL}),
        ("rsync", {"sshfs": ("is not installed", "install it")}, {"rsync folders": OK}),
        ("sshfs", {"sshfs": ("is not installed", "install it")}, {"sshfs folders": FAIL}),
        ("virtualbox", {}, {"virtualbox folders": FAIL}),  # no Guest Additions in centos/7
        ("disabled", {}, {}),
    ],
)
def test_what_synced_folders_need(
    kind: str, lacks: dict[str, tuple[str, str]], levels: dict[str, Level]
) -> None:
    folders = [{"host": ".", "guest": f"/srv/{name}", "type": kind} for name in "ab"]
    host = FakeHost(lacks=lacks)
    found = list(environment.folders(host, spec(synced_folders=folders), "virtualbox"))
    assert {finding.what: finding.level for finding in found} == levels
    assert all(finding.remedy for finding in found if finding.level is FAIL)


@pytest.mark.parametrize(
    ("wall", "kind", "provider", "level"),
    [
        ("", "rsync", "virtualbox", OK),
        (None, "rsync", "virtualbox", SKIPPED),
        ("ufw", "rsync", "virtualbox", OK),
        ("firewalld", "rsync", "libvirt", OK),
        ("ufw", "rsync", "libvirt", WARN),
        ("firewalld", "nfs", "virtualbox", WARN),
        ("Windows Firewall", "nfs", "virtualbox", WARN),
    ],
)
def test_firewall(wall: str | None, kind: str, provider: str, level: Level) -> None:
    folders = [{"host": ".", "guest": "/srv/x", "type": kind}]
    found = environment.firewall(FakeHost(wall=wall), spec(synced_folders=folders), provider)
    assert found.level is level
    assert bool(found.remedy) is (level is WARN)


def test_labs_of_this_machine_are_found(tmp_path: Path) -> None:
    (tmp_path / "other" / ".labctl").mkdir(parents=True)
    place = str(tmp_path / "other")
    LabIndex().note(Entry(place, f"{place}/.labctl", "other", "192.168.56.0/24", ()))
    findings = examine(lab(tmp_path, network="192.168.56.0/24"), FakeHost(), offline=True)
    assert any(f.level is FAIL and place in f.found for f in findings)
    assert not healthy(findings)


@pytest.mark.parametrize(
    ("down", "levels"),
    [
        ({}, set()),
        ({"vault": "timed out"}, {("packages", FAIL)}),
        ({"gpg": "it answers 404"}, {("docker key", FAIL)}),
        ({"compose": "timed out"}, {("docker-compose", FAIL)}),
        ({"/v2/": "no such name"}, {("mirror", WARN)}),
    ],
)
def test_endpoints(down: dict[str, str], levels: set[tuple[str, Level]]) -> None:
    found = checks.reachable(FakeHost(down=down), spec())
    bad = [finding for finding in found if finding.level is not OK]
    assert {(finding.what, finding.level) for finding in bad} == levels
    assert all("lab.yaml" in finding.remedy for finding in bad)


def test_endpoints_are_those_of_lab_yaml() -> None:
    sources = {
        "vault": {"baseurl": "http://near/vault/"},
        "docker": {"baseurl": "http://near/$basearch/stable", "key": "file:///key"},
    }
    found = checks.endpoints(
        spec(sources=sources, toolchain="latest-el7", docker={"mirrors": ["http://near"]})
    )
    assert [(url, key) for _, url, key, _ in found] == [
        ("http://near/vault/os/x86_64/repodata/repomd.xml", "sources.vault.baseurl"),
        ("http://near/x86_64/stable/repodata/repomd.xml", "sources.docker.baseurl"),
        ("http://near/v2/", "docker.mirrors"),
    ]


def test_what_linux_and_macos_say() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n"
        "eth0\t0038A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n"
    )
    table += (
        "tun0\t0000080A\t0100000A\t0003\t0\t0\t0\t0000FFFF\n"  # by a gateway
        "tun0\t00000080\t0100000A\t0003\t0\t0\t0\t00000080\n"  # half of everything
        "eth0\t0138A8C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF\n"  # a host
    )
    assert linux_routes(table) == [
        ("eth0", IPv4Network("192.168.56.0/24")),
        ("tun0", IPv4Network("10.8.0.0/16")),
    ]
    assert linux_routes("") == []


NETSTAT = """\
Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            10.0.0.1           UGScg                 en0
10/16              link#11            UCS                   en0      !
10.0.0.5/32        link#11            UCS                   en0      !
192.168.56         link#20            UC              vboxnet0      !
192.168.57.9       a:b:c:d:e:f        UHLWI                 en0   1168
"""
ROUTE_PRINT = """\
Schnittstellenliste
  7...0a 00 27 00 00 07 ......VirtualBox Host-Only Ethernet Adapter

     Netzwerkziel    Netzwerkmaske          Gateway    Schnittstelle Metrik
          0.0.0.0          0.0.0.0         10.0.0.1         10.0.0.5     25
         10.0.0.0      255.255.0.0   Auf Verbindung         10.0.0.5    281
     192.168.56.0    255.255.255.0          On-link     192.168.56.1    281
     192.168.56.1  255.255.255.255          On-link     192.168.56.1    281
"""


def test_routes_of_macos_and_windows() -> None:
    both = [IPv4Network("10.0.0.0/16"), IPv4Network("192.168.56.0/24")]
    assert macos_routes(NETSTAT) == list(zip(["en0", "vboxnet0"], both, strict=True))
    assert windows_routes(ROUTE_PRINT) == list(zip(["10.0.0.5", "192.168.56.1"], both, strict=True))


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Domain Profile Settings:\nState                                 OFF\nOk.", ""),
        ("Domain:\nState   OFF\nPublic:\nState    ON\n", "Windows Firewall"),
        ("Status                                EIN", None),
    ],
)
def test_windows_firewall(said: str, name: str | None) -> None:
    assert windows_firewall(said) == name


def test_this_host_answers_without_an_error() -> None:
    host = ThisHost(timeout=0.5)
    host.memory()
    host.disk()
    host.networks()
    host.virtualization()
    host.firewall()
    host.plugin("vagrant-libvirt")
    host.missing("rsync")
    assert not host.has_box("no/such-box", None, "")
    assert host.output("no-such-program") is None
    assert host.reach("http://127.0.0.1:9/")


def test_what_answers_without_http_is_not_reached() -> None:
    """Such as sshd on the port that somebody took for a mirror's."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                connection.recv(1024)

        answering = threading.Thread(target=answer)
        answering.start()
        assert "SSH-2.0" in ThisHost(timeout=10).reach(
            f"http://127.0.0.1:{server.getsockname()[1]}/"
        )
        answering.join(10)


def test_a_box_that_was_added_by_hand_comes_with_the_line_to_write() -> None:
    class ByHand(FakeHost):
        def has_box(self, name: str, version: str | None, provider: str) -> bool:
            return version == "0"

    spec = validate({})
    own = validate({"box": {"name": "centos/7", "version": "0"}})
    assert isinstance(spec, LabSpec)
    assert isinstance(own, LabSpec)
    found = checks.box(ByHand(), spec, "virtualbox", offline=True)
    assert found.level is Level.FAIL
    assert found.found == "it was added by hand as version 0, but the lab needs 2004.01"
    assert found.remedy == 'set box in lab.yaml: {name: centos/7, version: "0"}'
    assert checks.box(ByHand(), own, "virtualbox", offline=True).level is Level.OK
