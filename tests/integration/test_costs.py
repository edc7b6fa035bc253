"""The costs of each command that do not depend on the machine: a guard of its speed.

Time depends on the machine that a test runs on. What takes the time does not: connections, commands
sent over them, calls of Vagrant (a second each), and libraries imported (0.1 s each). So these are
counted, for every command, on a lab of two nodes; one that costs more than it did fails here.

Both nodes are a loopback sshd. `vagrant` is a stand-in that keeps the machines' states in files and
says of each that it is reached at that sshd; VBoxManage is only there to be found.
"""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labctl.cli.groups import PANELS
from tests.integration.sshd import Sshd
from tests.needs import require

NODES = ("docker-node1", "docker-node2")

# Every library that takes more than a few milliseconds to import, by the name that is imported.
HEAVY = {
    *("pydantic", "fabric", "paramiko", "invoke", "jinja2", "rich", "ruamel"),
    *(
        "pytest",
        "testinfra",
        "vagrant",
        "filelock",
        "multiprocessing",
        "labctl.provision.certificates",
    ),
    *("psutil", "asyncio", "unittest", "labctl.provision.certificates"),
}

LABCTL = """
import atexit, json, os, sys

def tell():
    with open(os.environ["COSTS_MODULES"], "w") as file:
        json.dump(sorted(sys.modules), file)

def become(*arguments, execv=os.execv):
    tell()
    execv(*arguments)

atexit.register(tell)
os.execv = become  # a process that becomes another does not end
sys.argv = ["labctl", *sys.argv[1:]]
from labctl.cli.main import main
main()
"""

VAGRANT = """\
#!/bin/sh
# Keeps a machine's state in a file of its name; the rest of Vagrant is not here.
cd "$STAND_IN" || exit 1
echo "$*" >>calls
command=$1; shift
case $command in
--version) echo 'Vagrant 2.4.9' ;;
status) for node in docker-node1 docker-node2; do
    printf '1,%s,state,%s\\n' $node "$(cat $node 2>/dev/null || echo not_created)"
  done ;;
up) echo running >"$1"; ids=$OLDPWD/.vagrant/machines/$1/virtualbox
  mkdir -p "$ids"; echo "of $1" >"$ids/id" ;;
resume | reload) echo running >"$1" ;;
halt) for node; do :; done; echo poweroff >"$node" ;;
suspend) echo saved >"$1" ;;
destroy) for node in docker-node1 docker-node2; do
    case " $* " in
    *" $node "*) rm -f $node "$OLDPWD/.vagrant/machines/$node/virtualbox/id" ;;
    esac; done ;;
ssh-config) cat "config.$1" ;;
plugin | box) ;;
snapshot) [ "$1" != list ] || echo chapter1; [ "$1" != restore ] || echo running >"$2" ;;
rsync) ;;
*) echo "the stand-in has no $command" >&2; exit 1 ;;
esac
"""

SHELL = """\
#!/bin/sh
# A login user who may become root: sudo's part is played by root, who runs the tests; and whose
# clock is nobody's to set.
echo x >>{log}
PATH={bin}:$PATH; export PATH
case $SSH_ORIGINAL_COMMAND in
"sudo -n "*) exec sh -c "${{SSH_ORIGINAL_COMMAND#sudo -n }}" ;;
esac
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""

DATE = """\
#!/bin/sh
case "$*" in *-s*) exit 0 ;; esac
exec /bin/date "$@"
"""

PLAY = """\
from labctl.playbook import Directory, File, Link, Play, Plays

def play(play: Play) -> Plays:
    yield File("{folder}/greeting", "hello\\n", owner="{user}:{group}")
    yield Directory("{folder}/room", owner="{user}:{group}")
    yield Link("{folder}/link", "{folder}/greeting")
"""

VERIFY = """\
def test_greeting(host):
    assert host.file("{folder}/greeting").content_string == "hello\\n"
"""


@dataclass(frozen=True)
class Cost:
    """The allowed costs of a command.

    Parameters:
        imports: the heavy libraries that it imports.
        connections: to both nodes together.
        commands: sent to both nodes together.
        vagrant: calls of Vagrant by their first word, sorted.
        exchanges: of a provision, on each node; None where there is none.
        exit_code: how it ends.
    """

    imports: frozenset[str] = frozenset()
    connections: int = 0
    commands: int = 0
    vagrant: tuple[str, ...] = ()
    exchanges: int | None = None
    exit_code: int = 0


@dataclass
class Lab:
    """A lab whose machines are there, and whose costs are counted."""

    folder: Path
    stand_in: Path
    sshd: Sshd
    said: str = ""

    def run(self, line: str) -> Cost:
        """Run labctl with the words of a line; return what it cost."""
        calls, shells, modules = (self.stand_in / n for n in ("calls", "shells", "modules"))
        for file in (calls, shells, modules):
            file.write_text("")
        before = self.sshd.log.count("Accepted publickey")
        done = subprocess.run(
            [sys.executable, "-c", LABCTL, *line.split(" ")],
            cwd=self.folder,
            env={
                **os.environ,
                "COSTS_MODULES": str(modules),
                "STAND_IN": str(self.stand_in),
                "PATH": f"{self.stand_in}:{os.environ['PATH']}",
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "LABCTL_HOME": str(self.stand_in / "home"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert modules.read_text(), f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        self.said = done.stdout + done.stderr
        results = [
            line for line in done.stdout.splitlines() if line.startswith('{"event": "result')
        ]
        exchanges = {json.loads(result).get("exchanges") for result in results} - {None}
        assert len(exchanges) <= 1, "one node takes more exchanges than the other"
        return Cost(
            frozenset(HEAVY & set(json.loads(modules.read_text()))),
            self.sshd.log.count("Accepted publickey") - before,
            len(shells.read_text().splitlines()),
            tuple(sorted(call.split()[0] for call in calls.read_text().splitlines())),
            exchanges.pop() if exchanges else None,
            done.returncode,
        )


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of two running nodes, with one playbook that has been run."""
    require("sshd")
    stand_in = tmp_path_factory.mktemp("stand-in")
    folder = tmp_path_factory.mktemp("costs") / "lab"
    for name, text in (
        ("vagrant", VAGRANT),
        ("VBoxManage", "#!/bin/sh\n"),
        ("shell", SHELL.format(log=stand_in / "shells", bin=stand_in / "bin")),
        ("bin/date", DATE),
    ):
        (stand_in / name).parent.mkdir(exist_ok=True)
        (stand_in / name).write_text(text)
        (stand_in / name).chmod(0o755)
    (stand_in / "sshd").mkdir()
    server = Sshd(stand_in / "sshd", command=str(stand_in / "shell"))
    server.start()
    for node, port in zip(NODES, server.ports, strict=False):
        (stand_in / f"config.{node}").write_text(
            f"Host {node}\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {server.key}\n"
        )
    book = folder / "playbooks/greeting"
    book.mkdir(parents=True)
    group = subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True).stdout
    names = {"folder": stand_in, "user": getpass.getuser(), "group": group.strip()}
    (book / "play.py").write_text(PLAY.format(**names))
    (book / "verify.py").write_text(VERIFY.format(**names))
    (folder / "lab.yaml").write_text(
        "provider: virtualbox\nplaybooks: [greeting]\n"
        "synced_folders: [{host: ., guest: /srv/lab, type: rsync}]\n"
    )
    (folder / "tree").mkdir()
    for number in range(30):
        (folder / "tree" / str(number)).write_text("some text")
    lab = Lab(folder, stand_in, server)
    yield lab
    server.stop()


MODEL = frozenset({"pydantic"})  # of lab.yaml; Typer checks paths with it, too
READ = MODEL | {"ruamel"}  # lab.yaml
# Nodes, whose names the last run kept. Invoke imports unittest.mock, and that asyncio.
REACH = frozenset({"fabric", "paramiko", "invoke", "unittest", "asyncio"})
SPEAK = READ | REACH
ASK = READ | {"vagrant"}  # Vagrant
CALL = ASK | {"psutil"}  # and note that it is at work
LOCK = frozenset({"filelock"})  # what changes a lab locks it
RENDER = frozenset({"jinja2"})  # a Vagrantfile
CHECK = frozenset({"multiprocessing"})  # pytest's processes

# In the order in which they are run, since each finds what the one before it left.
CASES = {
    "--help": Cost(),
    "--version": Cost(),
    "version": Cost(),
    "help status": Cost(),
    "init other": Cost(MODEL),
    "schema": Cost(MODEL),
    "render": Cost(READ | RENDER),
    "doctor --offline": Cost(READ | {"psutil"}, vagrant=("--version",), exit_code=1),
    "status": Cost(READ),
    # The first machine that is made: brought up, asked how it is reached; there is none yet whose
    # state Vagrant could tell. Its facts are read by an exchange of their own, then all is looked
    # at, then there are three changes; one shell takes all exchanges of a run.
    "--json up --no-verify --limit docker-node1": Cost(
        SPEAK | CALL | LOCK | RENDER,
        connections=1,
        commands=1,
        vagrant=("ssh-config", "up"),
        exchanges=5,
    ),
    # Both share a file system, so there is nothing to be done on the second.
    "--json up --no-verify --limit docker-node2": Cost(
        SPEAK | CALL | LOCK | RENDER,
        connections=1,
        commands=1,
        vagrant=("ssh-config", "status", "up"),
        exchanges=2,
    ),
    "--json up": Cost(
        SPEAK | ASK | LOCK | RENDER | CHECK,
        connections=4,
        commands=4,
        vagrant=("status",),
        exchanges=1,
    ),
    "--json provision": Cost(SPEAK | LOCK, connections=2, commands=2, exchanges=1),
    # It writes nothing, so it takes no lock.
    "--json provision --check": Cost(SPEAK, connections=2, commands=2, exchanges=1),
    # pytest and testinfra are imported by the processes that check, not by labctl itself.
    "verify": Cost(READ | CHECK, connections=2, commands=2),
    "rehearse --list": Cost(READ),
    "status --json": Cost(REACH, connections=2, commands=2),
    "status --all": Cost(REACH, connections=2, commands=2),
    "ssh docker-node1 -- true": Cost(frozenset(), connections=1, commands=1),
    "exec -- true": Cost(REACH, connections=2, commands=2),
    "scp tree all:@/there": Cost(REACH, connections=2, commands=2),
    "scp docker-node1:@/there back": Cost(REACH, connections=1, commands=2),
    "sync": Cost(CALL | LOCK, vagrant=("rsync", "rsync", "status")),
    "ssh-config": Cost(),
    "logs": Cost(),
    "list": Cost(REACH, connections=2, commands=2),
    "plan": Cost(exit_code=2),  # of a class
    "move anna": Cost(exit_code=2),
    "kit verify nowhere": Cost(MODEL | {"labctl.provision.certificates"}, exit_code=1),
    "bake docker-node9": Cost(MODEL | REACH, exit_code=2),  # there is no such node
    "open": Cost(exit_code=1),  # there is no report yet
    "trust --yes": Cost(),
    "checkpoint save chapter2": Cost(
        CALL | LOCK, vagrant=("snapshot", "snapshot", "snapshot", "snapshot", "status")
    ),
    "checkpoint list": Cost(ASK | LOCK, vagrant=("snapshot", "snapshot")),
    "checkpoint restore chapter1 --yes": Cost(
        SPEAK | CALL | LOCK,
        connections=2,
        commands=2,
        vagrant=("snapshot",) * 4 + ("ssh-config", "ssh-config", "status"),
    ),
    "checkpoint delete chapter1": Cost(CALL | LOCK, vagrant=("snapshot",) * 4 + ("status",)),
    "heal docker-node1": Cost(
        SPEAK | ASK | LOCK | RENDER | CHECK, connections=2, commands=2, vagrant=("status",)
    ),
    "suspend": Cost(CALL | LOCK, vagrant=("status", "suspend", "suspend")),
    "resume": Cost(
        SPEAK | CALL | LOCK,
        connections=2,
        commands=2,
        vagrant=("resume", "resume", "ssh-config", "ssh-config", "status"),
    ),
    "reload": Cost(
        SPEAK | CALL | LOCK | RENDER,
        connections=2,
        commands=2,
        vagrant=("reload", "reload", "ssh-config", "ssh-config", "status"),
    ),
    "halt": Cost(CALL | LOCK, vagrant=("halt", "halt", "status")),
    "destroy --yes": Cost(CALL | LOCK, vagrant=("destroy", "destroy", "status")),
}


@pytest.mark.parametrize("line", CASES)
def test_a_command_costs_no_more_than_it_must(lab: Lab, line: str) -> None:
    seen = lab.run(line.replace("@", str(lab.stand_in)))
    assert seen == CASES[line], lab.said[-3000:]


def test_every_command_is_counted() -> None:
    counted = {word for line in CASES for word in line.split(" ")}
    assert {name for names in PANELS.values() for name in names} <= counted
