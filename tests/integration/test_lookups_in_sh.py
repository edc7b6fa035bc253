"""Docker Hub's names, looked up by the scripts of the playbook hosts: past labctl's own pins.

The scripts run in a real sh. /etc/hosts and nsswitch.conf are files of the test; getent, curl and
dig are small scripts, first on PATH, that know names and addresses from such files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from labctl.config.packaged import packaged
from labctl.playbook import Block, Observed
from labctl.provision.loader import load
from labctl.provision.play import Play, Undecided
from tests.unit.fakes import CENTOS, lab_spec

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the scripts are for Linux, with GNU's sed"
)

AUTH, HUB, CDN = "auth.docker.io", "registry-1.docker.io", "production.cloudflare.docker.com"
RIGHT, STALE, WRONG = "34.1.2.3", "34.9.9.9", "192.0.2.1"

# A file of addresses and names stands for each of: /etc/hosts, the node's resolver (dns), another
# service of nsswitch.conf (resolve), the public resolver (public). `alive` holds the addresses that
# answer; the log, how getent was called.
GETENT = """\
#!/bin/sh
services='files dns'
if [ "$1" = -s ]; then services=${2#hosts:}; shift 2; fi
echo "$services" >>"$STATE/log"
[ "$1" = ahostsv4 ] || exit 9
for service in $services; do
  case $service in \\[*) continue;; files) file=$STATE/hosts;; *) file=$STATE/$service;; esac
  found=$(sed 's/#.*//' "$file" 2>/dev/null | awk -v name="$2" '$2 == name { print $1 }')
  for address in $found; do
    printf '%s STREAM %s\\n%s DGRAM\\n' "$address" "$2" "$address"
  done
  [ -z "$found" ] || exit 0
done
exit 2
"""
CURL = """\
#!/bin/sh
for url; do [ "$url" != --resolve ] || at=1; done
name=${url#https://}; name=${name%/}
while [ $# -gt 0 ]; do
  if [ "$1" = --resolve ]; then
    case $2 in "$name:443:"*) ;; *) exit 2;; esac
    found=${2#"$name":443:}
  fi
  shift
done
[ -n "$at" ] || found=$(getent ahostsv4 "$name" | cut -d' ' -f1)
for address in $found; do ! grep -qx "$address" "$STATE/alive" || exit 0; done
exit 7
"""
DIG = """\
#!/bin/sh
for word; do case $word in *.docker.*) name=$word;; esac; done
awk -v name="$name" '$2 == name { print $1 }' "$STATE/public"
"""


@dataclass
class Machine:
    """This machine's sh, with names of the test's."""

    folder: Path
    shell: str

    def put(self, name: str, *lines: str) -> None:
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))

    def log(self) -> list[str]:
        """Return by which services getent was told to look, and forget it."""
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def ask(self, script: str) -> Observed:
        for path in ("/etc/hosts", "/etc/nsswitch.conf"):
            script = script.replace(path, str(self.folder / Path(path).name))
        done = subprocess.run(
            [self.shell, "-c", script],
            env={"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "STATE": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return Observed(done.returncode, done.stdout)

    def measure(self) -> tuple[list[str], dict[str, str]]:
        """Play hosts, measuring again; write the pins. Return the broken names, and the pins."""
        (book,) = load(["hosts"], [packaged("playbooks")])
        lab = lab_spec(sources={"hub_hosts": [AUTH, HUB, CDN]})
        choices: dict[str, dict[str, object]] = {}
        while True:
            play = Play(lab, lab.lab_nodes[0], CENTOS, "vagrant", {}, choices)
            try:
                *_, pins = book.play(play)
            except Undecided as undecided:
                question = undecided.question
                answer = question.decide(self.ask(question.script))
                choices[question.key] = {"script": question.script, "answer": answer}
                continue
            assert isinstance(pins, Block)
            path = self.folder / "hosts"
            path.write_text(pins.inserted(path.read_text()))
            return play.known("hosts.broken"), play.known("hosts.pins") or {}


@pytest.fixture(params=[name for name in ("bash", "dash") if shutil.which(name)])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """A node on which all is well."""
    machine = Machine(tmp_path, request.param)
    (tmp_path / "bin").mkdir()
    for name, text in {"getent": GETENT, "curl": CURL, "dig": DIG}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    machine.put("hosts", "127.0.0.1 localhost", "192.168.56.11 docker-node1")
    machine.put("nsswitch.conf", "passwd: files", "hosts:      files dns myhostname # as ever")
    for known in ("dns", "public"):
        machine.put(known, *(f"{RIGHT} {name}" for name in (AUTH, HUB, CDN)))
    machine.put("alive", RIGHT)
    return machine


def broken_lookup(machine: Machine) -> None:
    """One name has no address, one a wrong one."""
    machine.put("dns", f"{WRONG} {AUTH}", f"{RIGHT} {CDN}")


def test_nothing_is_broken(machine: Machine) -> None:
    before = (machine.folder / "hosts").read_text()
    assert machine.measure() == ([], {})
    assert (machine.folder / "hosts").read_text() == before


def test_pins_that_are_still_needed_stay(machine: Machine) -> None:
    broken_lookup(machine)
    wanted = [AUTH, HUB], {AUTH: RIGHT, HUB: RIGHT}
    assert machine.measure() == wanted
    hosts = (machine.folder / "hosts").read_text()
    assert f"{RIGHT} {HUB}\n" in hosts
    for _ in range(2):
        assert machine.measure() == wanted
        assert (machine.folder / "hosts").read_text() == hosts


def test_pins_go_as_soon_as_the_lookup_is_well(machine: Machine) -> None:
    before = (machine.folder / "hosts").read_text()
    broken_lookup(machine)
    machine.measure()
    machine.put("dns", f"{RIGHT} {AUTH}", f"{WRONG} {HUB}", f"{RIGHT} {HUB}", f"{RIGHT} {CDN}")
    assert machine.measure() == ([], {})
    assert (machine.folder / "hosts").read_text() == before


def test_a_pin_that_is_stale_is_no_answer_of_the_resolver(machine: Machine) -> None:
    """The name has moved to where nothing answers just now; without a pin it has no address."""
    broken_lookup(machine)
    machine.put("public", f"{STALE} {HUB}")
    machine.put("alive")
    assert machine.measure()[1] == {HUB: STALE}
    assert machine.measure()[1] == {HUB: STALE}
    machine.put("public", f"{STALE} {HUB}", f"{RIGHT} {HUB}")
    machine.put("alive", RIGHT)
    assert machine.measure()[1] == {HUB: RIGHT}


@pytest.mark.parametrize(
    ("line", "services"),
    [
        ("hosts: files resolve [!UNAVAIL=return] dns", "resolve [!UNAVAIL=return] dns"),
        ("hosts:files [NOTFOUND=continue] resolve", "resolve"),
        ("  hosts:\tresolve files", "resolve"),
    ],
)
def test_names_that_come_by_another_service_are_not_broken(
    machine: Machine, line: str, services: str
) -> None:
    broken_lookup(machine)
    machine.measure()
    machine.put("nsswitch.conf", "# hosts: files", line, "networks: files")
    machine.put("resolve", f"{RIGHT} {AUTH}", f"{RIGHT} {HUB}")
    machine.log()
    assert machine.measure() == ([], {})
    assert [" ".join(told.split()) for told in machine.log() if told != "files dns"] == [
        services,
        services,
    ]


@pytest.mark.parametrize("lines", [["hosts: files"], ["passwd: files"], []])
def test_a_node_without_another_service_keeps_its_pins(machine: Machine, lines: list[str]) -> None:
    """Told of no service, getent would find the pin in /etc/hosts."""
    broken_lookup(machine)
    first = machine.measure()
    machine.put("nsswitch.conf", *lines)
    assert machine.measure() == first


def test_a_line_of_somebody_else_counts(machine: Machine) -> None:
    """Who keeps the names in /etc/hosts, outside labctl's block, has no need of pins."""
    broken_lookup(machine)
    machine.measure()
    path = machine.folder / "hosts"
    path.write_text(f"{path.read_text()}::1 {AUTH}\n{RIGHT} other {HUB} # ours\n#{RIGHT} {AUTH}\n")
    assert machine.measure() == ([AUTH], {AUTH: RIGHT})


def test_the_marks_are_those_of_the_block() -> None:
    block = Block("/etc/hosts", "pins", ())
    assert block.begin.startswith("# labctl pins: begin")
    assert block.end == "# labctl pins: end"
