"""An instructor's day with a lab of machines, as tests for each provider.

A file of tests makes its lab with the fixtures `lab` and `cut`, subclasses `InstructorsDay` and so
runs all of it. The lab has two nodes, runs the playbooks `repos` and `hosts`, and shares `FOLDER`.
The tests build on one another.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ruamel.yaml import YAML

from tests.e2e.conftest import Lab
from tests.testbed import World
from tests.testbed.names import BOX

NAMES = ("docker-node1", "docker-node2")
FIRST, SECOND = NAMES
SECOND_ONLY = f"--limit={SECOND}"
FOLDER = {"host": "labs", "guest": "/srv/labs", "options": {"rsync__exclude": ["drafts/"]}}
PLAYBOOKS = ["repos", "hosts"]
OTHER_BOX = "lab/other"
DISK = 12
"""GiB of the first node's disk; the box has 10."""
FURTHER = "192.168.57.0/24"
"""A second network of the nodes. A later lab would choose it if no other lab had it."""
OPTIONS = {
    "nodes": [
        {"name": FIRST, "disk": DISK},
        {
            "name": SECOND,
            "box": {"name": OTHER_BOX},
            "provision": [
                "echo once >>/root/provisioned",
                {"inline": "id -un >>~/started", "run": "always", "privileged": False},
            ],
        },
    ],
    "forwarded_ports": ["8022:22"],
    "networks": [{"network": FURTHER}],
    "gui": True,
    "vagrantfile": "course.rb",
}
"""Options of Vagrant that both providers have."""
Cut = Callable[[str], None]
"""Ends the machine of a node as a power cut of the host does."""


def fill(lab: Lab) -> None:
    """Make what the lab shares."""
    (lab.folder / "labs" / "drafts").mkdir(parents=True)
    (lab.folder / "labs" / "drafts" / "solution").write_text("42\n")
    (lab.folder / "labs" / "first").write_text("one\n")


def add_other_box(vagrant_home: Path) -> None:
    """Give a Vagrant home the box `centos/7` under another name, too."""
    boxes = vagrant_home / "boxes"
    other = boxes / OTHER_BOX.replace("/", "-VAGRANTSLASH-")
    if not other.exists():
        ours = boxes / BOX.replace("/", "-VAGRANTSLASH-")
        shutil.copytree(
            ours, other, copy_function=os.link, ignore=shutil.ignore_patterns("metadata_url")
        )


def change(lab: Lab, **keys: Any) -> dict[str, Any]:
    """Give lab.yaml other values for some of its keys; return what it was."""
    before: dict[str, Any] = YAML(typ="safe").load(lab.folder / "lab.yaml")
    lab.write({**before, **keys})
    return before


def on(lab: Lab, node: str, command: str) -> str:
    """Run a command on a node as root and return what it printed."""
    return lab.as_root(node, command)


def boot(lab: Lab, node: str) -> str:
    """Return what is another one after each boot of a node."""
    return on(lab, node, "cat /proc/sys/kernel/random/boot_id")


def root_size(lab: Lab, node: str) -> float:
    """Return the size of a node's root file system in GiB."""
    return int(on(lab, node, "df -Pk / | awk 'NR == 2 {print $2}'")) / (1 << 20)


def memory(lab: Lab, node: str) -> int:
    """Return the memory of a node in MiB, without what its kernel keeps for itself."""
    return int(on(lab, node, "awk '/^MemTotal:/ {print $2}' /proc/meminfo")) // 1024


def in_step(lab: Lab, node: str) -> bool:
    """Return True if the node's clock agrees with this machine's."""
    return abs(int(on(lab, node, "date +%s")) - time.time()) < 30


def host_key(lab: Lab, node: str) -> str:
    """Return the only line of known_hosts about a node."""
    lines = (lab.folder / ".labctl" / "known_hosts").read_text().splitlines()
    (line,) = [line for line in lines if line.split()[0] == node]
    return line


def scripts(lab: Lab) -> tuple[str, list[str]]:
    """Return what the scripts of OPTIONS wrote: that runs once, and that runs at each start."""
    once = on(lab, SECOND, "cat /root/provisioned")
    return once, on(lab, SECOND, "cat /home/vagrant/started").split()


def require_forwarded(lab: Lab) -> None:
    """Assert that the n-th node answers at the n-th of the lab's forwarded ports."""
    for port, node in enumerate(NAMES, 8022):
        _, kind, key = host_key(lab, node).split()
        name = kind.removeprefix("ssh-").partition("-")[0]
        # Only that key, because each one takes an emulated node seconds.
        command = ["ssh-keyscan", "-T", "120", "-t", name, "-p", str(port), "127.0.0.1"]
        found = subprocess.run(command, check=False, capture_output=True, text=True)
        assert key in found.stdout, f"port {port} is not {node}'s: {found.stdout}{found.stderr}"


def states(lab: Lab) -> list[str]:
    """Return the output of `status` for each node, in order."""
    return [row["state"] for row in lab.run("status").expect(0).of("status")]


class InstructorsDay:
    """One lab, from the first status to a recreated node."""

    provider: ClassVar[str]
    lacking: ClassVar[set[str]] = set()
    """Missing features of this machine that the doctor finds."""

    def test_the_doctor_finds_what_the_lab_needs(
        self, lab: Lab, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(world.authority))
        run = lab.run("doctor")
        findings = {finding["what"]: finding for finding in run.of("finding")}
        failed = {what for what, finding in findings.items() if finding["level"] == "fail"}
        assert failed <= self.lacking, run.stdout
        assert run.exit_code == (1 if failed else 0)
        assert all(finding["remedy"] for what, finding in findings.items() if what in failed)
        for what in ("Vagrant", "provider", "network", "memory", "disk", "packages"):
            assert findings[what]["level"] == "ok", findings[what]

    def test_status_shows_what_runs(self, lab: Lab) -> None:
        rows = lab.run("status").expect(0).of("status")
        assert [(row["node"], row["state"]) for row in rows] == [
            (name, "running") for name in NAMES
        ]

    def test_a_larger_disk_has_a_larger_file_system(self, lab: Lab) -> None:
        assert root_size(lab, SECOND) < 10
        assert root_size(lab, FIRST) > DISK * 0.95
        # More than the box's disk: images and containers of a course fit.
        on(lab, FIRST, "fallocate -l 10G /var/lib/images && rm /var/lib/images")

    def test_nodes_meet_in_a_further_network(self, lab: Lab) -> None:
        on(lab, FIRST, "ping -c 1 -W 10 192.168.57.12")

    def test_forwarded_ports_lead_to_the_nodes(self, lab: Lab) -> None:
        require_forwarded(lab)

    def test_scripts_of_lab_yaml_ran(self, lab: Lab) -> None:
        assert scripts(lab) == ("once\n", ["vagrant"])
        assert on(lab, FIRST, "ls /root/provisioned || echo none") == "none\n"

    def test_every_lab_of_the_machine_is_known(self, lab: Lab) -> None:
        (entry,) = lab.run("status", "--all").expect(0).of("lab")
        assert entry["folder"] == str(lab.folder)
        assert [node["state"] for node in entry["nodes"]] == ["running", "running"]

    def test_exec_prints_the_output_of_each_node(self, lab: Lab) -> None:
        run = lab.run("exec", "--", "hostname; exit 3").expect(1)
        said = {e["node"]: (e["stdout"], e["exit_code"]) for e in run.of("executed")}
        assert said == {name: (f"{name}\n", 3) for name in NAMES}

    def test_ssh_passes_the_exit_code_on(self, lab: Lab) -> None:
        run = lab.run("ssh", SECOND, "--", "hostname; exit 7").expect(7)
        assert run.stdout == f"{SECOND}\n"

    def test_openssh_reaches_a_node_by_the_configuration(self, lab: Lab, tmp_path: Path) -> None:
        told = lab.run("ssh-config").expect(0).of("ssh-config")
        (tmp_path / "lab").write_text("\n".join(one["config"] for one in told))
        (tmp_path / "config").write_text(f"Include {tmp_path / 'lab'}\n")
        for name in NAMES:
            line = ["ssh", "-F", str(tmp_path / "config"), name, "hostname"]
            assert subprocess.check_output(line, text=True) == f"{name}\n"

    def test_files_go_to_every_node_and_come_back(self, lab: Lab, tmp_path: Path) -> None:
        labs = tmp_path / "labs"
        (labs / "第 5 章").mkdir(parents=True)
        script = labs / "第 5 章" / "run it.sh"
        script.write_text("#!/bin/sh\necho chapter 5\n")
        script.chmod(0o750)
        lab.run("scp", f"{labs}/", "all:/home/chapter5").expect(0)
        there = "/home/chapter5/第 5 章/run it.sh"
        for name in NAMES:
            assert on(lab, name, shlex.quote(there)) == "chapter 5\n"
            told = on(lab, name, f"stat -c '%U %a %Y' {shlex.quote(there)}").split()
            assert told == ["vagrant", "750", str(int(script.stat().st_mtime))]
        lab.run("scp", f"{FIRST}:/home/chapter5/*/*.sh", str(tmp_path / "back.sh")).expect(0)
        assert (tmp_path / "back.sh").read_bytes() == script.read_bytes()

    def test_files_go_from_node_to_node_and_where_only_root_writes(self, lab: Lab) -> None:
        on(lab, FIRST, "mkdir -p /root/kept; echo from the first >/root/kept/note")
        lab.run("scp", "--sudo", f"{FIRST}:/root/kept", f"{SECOND}:/root/copied").expect(0)
        assert on(lab, SECOND, "cat /root/copied/note") == "from the first\n"

    def test_a_folder_is_pushed_and_pushed_again(self, lab: Lab) -> None:
        """The box has no Guest Additions, so a folder of type auto goes by rsync."""
        assert on(lab, FIRST, "cat /srv/labs/first") == "one\n"
        (lab.folder / "labs" / "first").write_text("two\n")
        results = lab.run("sync").expect(0).of("result")
        assert {(r["node"], r["ok"]) for r in results} == {(FIRST, True), (SECOND, True)}
        for name in NAMES:
            assert on(lab, name, "cat /srv/labs/first") == "two\n"
            assert on(lab, name, "ls /srv/labs") == "first\n"  # and not what is excluded

    def test_a_watch_goes_on_pushing_until_it_is_interrupted(self, lab: Lab) -> None:
        watch = lab.start_until(lambda line: "Watching:" in line, "sync", SECOND, "--watch")
        # The lab is not locked meanwhile.
        lab.run("provision", SECOND_ONLY).expect(0)
        deadline = time.monotonic() + 300
        while on(lab, SECOND, "cat /srv/labs/first") != "three\n":
            assert time.monotonic() < deadline
            # Again, because the first time it may not have been watched yet.
            (lab.folder / "labs" / "first").write_text("three\n")
            time.sleep(5)  # a push takes some of them
        watch.send_signal(signal.SIGINT)
        assert lab.finish(watch, timeout=300).exit_code == 130

    def test_a_checkpoint_goes_on_where_it_was_saved(self, lab: Lab) -> None:
        """Disks and memory as they were, the clock as it is now, and the same host key."""
        key = host_key(lab, SECOND)
        on(lab, SECOND, "echo before >/run/user-note")
        lab.run("checkpoint", "save", "noted", SECOND_ONLY).expect(0)
        on(lab, SECOND, "echo after >/run/user-note; rm /etc/hosts; date -s 2020-01-01")
        (listed,) = lab.run("checkpoint", "list", SECOND_ONLY).expect(0).of("checkpoints")
        assert listed["checkpoints"] == ["noted"]
        (other,) = lab.run("checkpoint", "list", f"--limit={FIRST}").expect(0).of("checkpoints")
        assert other["checkpoints"] == []
        lab.run("checkpoint", "restore", "noted", SECOND_ONLY, "--yes").expect(0)
        # A file in memory: the machine did not boot, it went on.
        assert on(lab, SECOND, "cat /run/user-note") == "before\n"
        assert in_step(lab, SECOND)
        assert host_key(lab, SECOND) == key
        require_forwarded(lab)
        assert lab.run("provision", SECOND_ONLY).expect(0).changes(SECOND) == []
        lab.run("checkpoint", "delete", "noted", SECOND_ONLY).expect(0)
        run = lab.run("checkpoint", "restore", "noted", SECOND_ONLY, "--yes").expect(2)
        assert run.result(SECOND)["error"]["hint"] == "the node has no checkpoints"

    def test_suspended_it_goes_on_where_it_was(self, lab: Lab) -> None:
        process = on(lab, SECOND, "sleep 86400 >/dev/null 2>&1 & echo $!").strip()
        lab.run("suspend", SECOND).expect(0)
        assert states(lab) == ["running", "suspended"]
        assert lab.run("suspend", SECOND).expect(0).result(SECOND)["ok"]  # again: nothing to do
        lab.run("resume", SECOND).expect(0)
        assert states(lab) == ["running", "running"]
        assert on(lab, SECOND, f"cat /proc/{process}/comm") == "sleep\n"
        require_forwarded(lab)
        assert in_step(lab, SECOND)

    def test_a_reload_applies_the_current_lab_yaml(self, lab: Lab) -> None:
        """More memory and a folder more for the second node; the first one is not restarted."""
        first, second = boot(lab, FIRST), boot(lab, SECOND)
        size = memory(lab, SECOND)
        _, starts = scripts(lab)
        (lab.folder / "more").mkdir()
        (lab.folder / "more" / "exercise").write_text("6\n")
        more = [FOLDER, {"host": "more", "guest": "/srv/more"}]
        before = change(lab, synced_folders=more)
        change(lab, memory=before["memory"] + 128)
        run = lab.run("reload", SECOND).expect(0)
        assert [result["node"] for result in run.of("result")] == [SECOND]
        assert boot(lab, FIRST) == first
        assert boot(lab, SECOND) != second
        assert abs(memory(lab, SECOND) - size - 128) < 8
        assert on(lab, SECOND, "cat /srv/more/exercise") == "6\n"
        assert scripts(lab) == ("once\n", [*starts, "vagrant"])

    def test_the_lab_outlives_a_reboot_of_the_host(self, lab: Lab, cut: Cut) -> None:
        """One node was halted before, the other one's process just ends; nothing of them is lost.

        labctl is killed, too, while the halted one boots.
        """
        on(lab, SECOND, "echo kept >/root/note")
        lab.run("halt", SECOND).expect(0)
        cut(FIRST)
        assert states(lab) == ["stopped", "stopped"]
        killed = lab.start_until(lambda line: "MachineOutput" in line, "heal", SECOND)
        killed.kill()
        killed.communicate()
        # Vagrant works on, and would break off if it were disturbed.
        (row,) = lab.run("status", SECOND_ONLY).expect(0).of("status")
        assert row["state"] == "no answer"
        run = lab.run("heal", SECOND).expect(0)
        assert ", which an earlier labctl left running" in run.of("Notice", SECOND)[0]["message"]
        assert run.changes(SECOND) == []
        assert on(lab, SECOND, "cat /root/note") == "kept\n"
        run = lab.run("up", "--no-verify").expect(0)
        assert {e["node"] for e in run.of("MachineOutput")} == {FIRST}
        assert run.changes(FIRST) == run.changes(SECOND) == []
        require_forwarded(lab)

    def test_a_second_lab_runs_beside_the_first(self, lab: Lab, tmp_path: Path) -> None:
        """It asks for no network, and gets a free one; what the first lab has is refused."""
        folder = tmp_path / "second"
        folder.mkdir()
        second = Lab(folder, lab.environment)
        keys = {**change(lab), "nodes": 1, "playbooks": ["hosts"], "provider": self.provider}
        more = {key: keys.pop(key) for key in ("synced_folders", *OPTIONS) if key != "nodes"}
        for key in ("networks", "forwarded_ports"):
            second.write({**keys, key: more[key]})
            assert str(lab.folder) in second.run("up").expect(2).stdout
        second.write(keys)
        second.run("up").expect(0)
        assert second.run("status").expect(0).of("status")[0]["address"] == "192.168.58.11"
        assert states(lab) == ["running", "running"]
        for address in ("192.168.56.11", "192.168.58.11"):
            with socket.create_connection((address, 22), 20) as connection:
                assert connection.recv(4) == b"SSH-"
        known = {entry["folder"] for entry in lab.run("status", "--all").expect(0).of("lab")}
        assert known == {str(lab.folder), str(folder)}
        second.run("destroy", "--yes").expect(0)
        assert states(lab) == ["running", "running"]

    def test_what_drifted_is_healed_by_provisioning_alone(self, lab: Lab) -> None:
        on(lab, SECOND, "sed -i /labctl/,/labctl/d /etc/hosts")
        run = lab.run("heal", SECOND, "--rebuild").expect(0)
        assert run.changes(SECOND)
        assert not run.of("MachineOutput")
        assert on(lab, SECOND, "cat /root/note") == "kept\n"

    def test_one_node_is_recreated_and_the_other_unchanged(self, lab: Lab) -> None:
        """The login is broken beyond provisioning; its key and its machine are new afterwards."""
        first, first_key, key = boot(lab, FIRST), host_key(lab, FIRST), host_key(lab, SECOND)
        keys = "/home/vagrant/.ssh"
        on(lab, SECOND, f"chmod 000 {keys}/authorized_keys; chown root: {keys}")
        run = lab.run("heal", SECOND, "--rebuild").expect(0)
        assert {e["node"] for e in run.of("MachineOutput")} == {SECOND}
        assert (boot(lab, FIRST), host_key(lab, FIRST)) == (first, first_key)
        assert host_key(lab, SECOND) != key
        assert scripts(lab) == ("once\n", ["vagrant"])
        require_forwarded(lab)
        assert on(lab, SECOND, "ls /root/note 2>/dev/null || echo gone") == "gone\n"
        lab.run("verify").expect(0)

    def test_a_smaller_lab_does_not_lose_a_machine(self, lab: Lab) -> None:
        run = lab.run("up", "--nodes", "1").expect(2)
        assert SECOND in run.error["message"]
        assert "destroy" in run.error["hint"]

    def test_destroy_asks_first(self, lab: Lab) -> None:
        assert "--yes" in lab.run("destroy").expect(2).error["hint"]

    def test_destroy_removes_every_node_and_its_key(self, lab: Lab) -> None:
        lab.run("destroy", "--yes").expect(0)
        known = (lab.folder / ".labctl" / "known_hosts").read_text()
        assert not [name for name in NAMES if name in known]
        assert lab.run("status", "--all").expect(0).of("lab") == []
