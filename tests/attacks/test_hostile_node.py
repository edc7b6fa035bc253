"""A node that lies, floods, stalls or breaks off: no other node loses its result by it."""

from __future__ import annotations

import contextlib
import getpass
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labctl.checks.testinfra_backend import LabctlBackend, Sessions
from labctl.cli.main import main
from labctl.errors import LabctlError, NodeSilent
from labctl.lab.actions import status
from labctl.lab.lab import Lab
from labctl.remote import channel, connection, shell, transport
from labctl.remote.connection import Connection
from labctl.remote.hostkeys import HostKeys
from labctl.remote.passwords import NO_PASSWORDS
from labctl.remote.target import Target
from labctl.remote.transfer import node_sink, node_source
from tests.attacks.conftest import IN_CI
from tests.attacks.hostile_sshd import Attack, HostileSshd, Random, Silent, attacks
from tests.integration.sshd import Sshd
from tests.json_lines import lines_of

PLAY = """\
from labctl.playbook import File

def play(play):
    yield File("{folder}/" + play.node.name, "content of " + play.node.name + "\\n", owner="{me}")
"""
VERIFY = """\
def test_file(host, wanted):
    \"\"\"The file is there.\"\"\"
    assert host.file("{folder}/" + wanted["name"]).is_file
    assert host.check_output("echo out; echo err >&2") == "out"
"""
PATIENCE = 5.0
"""Seconds that each limit of labctl's is in these tests."""

LONGEST = 90.0
"""Seconds that a command may take with all its limits, on a busy machine."""


@dataclass
class Ran:
    code: int
    out: str
    err: str
    seconds: float


Run = Callable[..., Ran]


@pytest.fixture
def hostile(sshd: Sshd) -> Iterator[Callable[[Attack], HostileSshd]]:
    """Starts hostile nodes."""
    servers: list[HostileSshd] = []

    def start(attack: Attack) -> HostileSshd:
        servers.append(HostileSshd(sshd.folder / "host", attack))
        return servers[-1].__enter__()

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short limits, so that the tests are. Worker processes have the real ones."""
    monkeypatch.setattr(connection, "SILENCE", PATIENCE)
    monkeypatch.setattr(shell, "LONGEST", PATIENCE)
    monkeypatch.setattr(status, "LIMIT", 2 * PATIENCE)
    monkeypatch.setattr(status, "_STEP", PATIENCE)
    monkeypatch.setattr(node_sink, "STALL", PATIENCE)
    monkeypatch.setattr(node_source, "STALL", PATIENCE)
    monkeypatch.setattr(channel, "ANSWER", 1 << 20)
    defaults = Lab.connection.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "timeout", PATIENCE)


@pytest.fixture
def labctl(
    sshd: Sshd,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[int], Run]:
    """Returns what runs labctl in a lab of two honest nodes with a hostile one between them."""
    me = f"{getpass.getuser()}:{Path(tmp_path).group()}"
    folder = tmp_path / "lab"
    for name, text in (("play", PLAY), ("verify", VERIFY)):
        file = folder / "playbooks" / "toy" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("{folder}", str(tmp_path)).replace("{me}", me))
    (tmp_path / "got").mkdir()
    monkeypatch.chdir(folder)

    def lab(port: int) -> Run:
        machines = [
            {"name": name, "host": "127.0.0.1", "port": there, "user": getpass.getuser()}
            | {"key": str(sshd.key)}
            for name, there in (("good1", sshd.ports[0]), ("bad", port), ("good2", sshd.ports[1]))
        ]
        (folder / "lab.yaml").write_text(json.dumps({"machines": machines, "playbooks": ["toy"]}))
        return run

    # What the end of a process is for, and not of one that runs many commands.
    monkeypatch.setattr("labctl.cli.main.gc.set_threshold", lambda _: None)
    monkeypatch.setattr("labctl.cli.main.atexit.register", lambda _: None)

    def run(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["labctl", *words])
        capsysbinary.readouterr()
        began = time.monotonic()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert isinstance(code, int)
        out, err = (part.decode("utf-8", "replace") for part in capsysbinary.readouterr())
        return Ran(code, out, err, time.monotonic() - began)

    return lab


COMMANDS = {
    "status": ("status",),
    "exec": ("exec", "echo answer"),
    "exec as root": ("exec", "--sudo", "--json", "echo answer"),
    "scp to nodes": ("scp", "lab.yaml", "all:{folder}/copy-of-"),
    "scp from a node": ("scp", "bad:{folder}/lab/playbooks/toy/play.py", "{folder}/got/"),
    "provision": ("provision",),
    "verify": ("verify",),
}
ENDLESS = {
    "exec": re.compile("silent from (started|ended)|output without end|drips"),
    "exec as root": re.compile("silent from ended|mark, then drips"),
}
"""A command of the user may be silent, and print, as long as it likes."""

QUICK = re.compile("closes|wrong|binary|refuses|ends the|escapes|noise|two marks")
"""What `verify` is tried with: its processes have labctl's real limits, which are long."""

HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def check(name: str, found: Ran, folder: Path) -> None:
    """Check what holds for every attack."""
    output = "\n".join(line[:300] for line in (found.out + found.err).splitlines())
    assert found.code in (0, 1), output
    assert "Traceback" not in output
    assert "labctl failed" not in output, output
    # What a command of the user prints into a pipe stays as it is.
    assert name == "exec" or not HARMFUL.search(output), output
    assert found.seconds < LONGEST
    good = [line for line in output.splitlines() if "good" in line]
    if name == "status":
        assert sum(" running " in line for line in good) == 2, output
    elif name == "exec":
        assert [f"good{n} | answer" in output for n in (1, 2)] == [True, True], output
    elif name == "exec as root":
        events = lines_of(found.out)
        answers = {event["node"]: event.get("stdout") for event in events if "node" in event}
        assert (answers["good1"], answers["good2"]) == ("answer\n", "answer\n")
    elif name == "provision":
        for node in ("good1", "good2"):
            assert (folder / node).read_text() == f"content of {node}\n", output
            (folder / node).unlink()
    elif name == "verify":
        assert sum("2/2" in line or "1/1" in line for line in good) == 2, output
    if found.code:
        assert "bad" in output, output
    # Nothing comes from a node but what was asked for.
    assert {path.name for path in (folder / "got").iterdir()} <= {"play.py"}


def command(name: str, folder: Path) -> tuple[str, ...]:
    return tuple(word.format(folder=folder) for word in COMMANDS[name])


SAMPLE = ("status", "exec", "exec as root", "scp to nodes", "scp from a node", "provision")
"""In CI, each attack is tried on one of these, in turn."""

ALSO = {
    ("scp to nodes", "drips"),
    ("scp from a node", "all in drips"),
    ("verify", "ends the connection after a command"),
    ("verify", "escapes everywhere"),
    ("verify", "noise"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Try each attack on each command; in CI, each on one."""
    if "attack" not in metafunc.fixturenames:
        return
    every = (metafunc.config.getoption("--examples") or IN_CI) > 1000
    found = []
    for number, (attack, _) in enumerate(attacks()):
        for name in COMMANDS:
            if name in ENDLESS and ENDLESS[name].search(attack):
                continue
            if name == "verify" and not QUICK.search(attack):
                continue
            sampled = name == SAMPLE[number % len(SAMPLE)]
            if every or sampled or (name, attack) in ALSO:
                found.append((name, attack))
    metafunc.parametrize(("name", "attack"), found)


def test_one_hostile_node_costs_the_others_nothing(
    name: str,
    attack: str,
    hostile: Callable[[Attack], HostileSshd],
    labctl: Callable[[int], Run],
    tmp_path: Path,
) -> None:
    if name == "verify":
        for node in ("good1", "bad", "good2"):
            (tmp_path / node).touch()
    server = hostile(dict(attacks())[attack]())
    check(name, labctl(server.port)(*command(name, tmp_path)), tmp_path)


@pytest.mark.parametrize("name", ["status", "exec", "exec as root", "scp from a node", "provision"])
def test_random_lies(
    name: str,
    hostile: Callable[[Attack], HostileSshd],
    labctl: Callable[[int], Run],
    tmp_path: Path,
    examples: int,
) -> None:
    for seed in range(examples // 100):
        (tmp_path / "lab" / ".labctl" / "known_hosts").unlink(missing_ok=True)
        server = hostile(Random(seed))
        check(name, labctl(server.port)(*command(name, tmp_path)), tmp_path)
        server.__exit__()


def test_what_paramiko_reports_is_in_the_log_alone(
    hostile: Callable[[Attack], HostileSshd], labctl: Callable[[int], Run], tmp_path: Path
) -> None:
    attack = dict(attacks())["a huge packet"]
    found = labctl(hostile(attack()).port)("exec", "echo answer")
    assert found.code == 1
    assert "Exception" not in found.out + found.err
    log = tmp_path / "lab" / ".labctl" / "logs" / "lab.ssh.log"
    deadline = time.monotonic() + 5
    while not log.exists() or "Exception (client)" not in log.read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def checks_on(server: HostileSshd, key: Path, folder: Path) -> tuple[Sessions, LabctlBackend]:
    """Return what a check has of a hostile node."""
    target = Target("bad", "127.0.0.1", server.port, getpass.getuser(), (str(key),))
    sessions = Sessions([target], HostKeys(folder / "known_hosts"), NO_PASSWORDS)
    return sessions, LabctlBackend("bad")


def test_of_a_hundred_checks_on_a_silent_node_one_waits(
    hostile: Callable[[Attack], HostileSshd], sshd: Sshd, tmp_path: Path
) -> None:
    sessions, backend = checks_on(hostile(Silent("started")), sshd.key, tmp_path)
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(NodeSilent):
            backend.run("true")
    assert time.monotonic() - began < LONGEST
    sessions.close()


def test_a_dead_connection_is_found(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that vanishes sends nothing, so a command that may be silent would never end."""
    monkeypatch.setattr(transport, "KEEPALIVE", 0.3)
    monkeypatch.setattr(transport, "DEAD_AFTER", 2.0)
    with Relay(sshd.ports[0]) as relay:
        target = Target("bad", "127.0.0.1", relay.port, getpass.getuser(), (str(sshd.key),))
        with Connection(target, HostKeys(tmp_path / "known_hosts")) as found:
            # While the node answers, silence is no reason to end.
            assert found.stream("sleep 4; echo done", lambda data: None, print) == 0
            threading.Timer(0.5, relay.freeze).start()
            with pytest.raises(LabctlError, match="has not answered for 2 s"):
                found.stream("sleep 30", print, print)


class Relay:
    """Passes on a connection until it is frozen: both ends stay open and hear nothing more."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._frozen = threading.Event()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Relay:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listening, *self._sockets):
            one.close()

    def freeze(self) -> None:
        self._frozen.set()

    def _accept(self) -> None:
        here, _ = self._listening.accept()
        there = socket.create_connection(("127.0.0.1", self._to))
        self._sockets += [here, there]
        for source, sink in ((here, there), (there, here)):
            threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(1 << 16)) and not self._frozen.is_set():
                sink.sendall(data)
