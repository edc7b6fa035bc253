"""The main line on virtual machines: real Vagrant, vagrant-libvirt, QEMU.

One lab of two machines is brought up once; the tests of this file build on one another.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Lab, spec
from tests.testbed import World

NAMES = ("docker-node1", "docker-node2")
FIRST, SECOND = NAMES


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("vagrant") / "lab"
    folder.mkdir()
    lab = Lab(folder)
    lab.write(spec(world, provider="libvirt", memory=1024, boot_timeout=900))
    return lab


def test_up_gives_a_verified_lab(lab: Lab) -> None:
    run = lab.run("up", "--nodes", "2").expect(0)
    for name in NAMES:
        result = run.result(name)
        assert result["versions"]["engine"].startswith("20.10.24")
        assert result["versions"]["compose"] == "1.29.2"
        assert {check["outcome"] for check in result["checks"]} == {"passed"}
    # The second machine is begun only when the first one stands.
    phases = [(e["node"], e["phase"]) for e in run.of("PhaseEntered")]
    assert phases.index((SECOND, "booting")) > phases.index((FIRST, "booting"))


def test_state_is_private(lab: Lab) -> None:
    state = lab.folder / ".labctl"
    assert state.stat().st_mode & 0o777 == 0o700


def test_provision_again_takes_one_exchange(lab: Lab) -> None:
    run = lab.run("provision").expect(0)
    for name in NAMES:
        assert run.changes(name) == []
        assert run.exchanges(name) == 1


def test_up_again_leaves_the_machines_alone(lab: Lab) -> None:
    run = lab.run("up", "--no-verify").expect(0)
    assert not run.of("MachineOutput")
    assert run.changes(FIRST) == run.changes(SECOND) == []


def test_a_drift_is_undone(lab: Lab) -> None:
    lab.run(
        "exec", "--limit", SECOND, "--sudo", "--", "systemctl stop docker.socket docker"
    ).expect(0)
    run = lab.run("provision").expect(0)
    assert (run.changes(FIRST), run.changes(SECOND)) == ([], ["service:docker"])


def test_nodes_reach_each_other_by_name(lab: Lab) -> None:
    lab.run("exec", "--limit", FIRST, "--", f"ping -c 1 -W 5 {SECOND}").expect(0)


def test_status_tells_what_runs(lab: Lab) -> None:
    rows = lab.run("status").expect(0).of("status")
    assert [(row["node"], row["state"]) for row in rows] == [(name, "running") for name in NAMES]
    assert all(row["engine"].startswith("20.10.24") for row in rows)


def test_files_travel_both_ways(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "data").write_bytes(os.urandom(200_000))
    lab.run("scp", str(tmp_path / "labs"), f"{SECOND}:/home/chapter5").expect(0)
    lab.run("scp", f"{SECOND}:/home/chapter5/data", str(tmp_path / "back")).expect(0)
    assert (tmp_path / "back").read_bytes() == (tmp_path / "labs" / "data").read_bytes()


def test_a_checkpoint_brings_a_node_back(lab: Lab) -> None:
    """Disks and memory as they were, the clock as it is now, and the same host key."""
    only = ("--limit", SECOND)
    lab.run("checkpoint", "save", "chapter1", *only).expect(0)
    lab.run(
        "exec", *only, "--sudo", "--", "rm -f /etc/docker/daemon.json; date -s 2020-01-01"
    ).expect(0)
    (listed,) = lab.run("checkpoint", "list", *only).expect(0).of("checkpoints")
    assert listed["checkpoints"] == ["chapter1"]
    lab.run("checkpoint", "restore", "chapter1", *only).expect(0)
    assert lab.run("provision", *only).expect(0).changes(SECOND) == []
    (clock,) = lab.run("exec", *only, "--", "date +%s").expect(0).events
    assert abs(int(clock["stdout"]) - time.time()) < 30
    lab.run("checkpoint", "delete", "chapter1", *only).expect(0)
    assert "there are none" in lab.run("checkpoint", "restore", "chapter1", *only).stdout


def test_suspended_nodes_go_on_where_they_were(lab: Lab) -> None:
    lab.run("exec", "--limit", SECOND, "--", "docker run -d --name on busybox sleep 1d").expect(0)
    lab.run("suspend", SECOND).expect(0)
    (row,) = lab.run("status", "--limit", SECOND).expect(0).of("status")
    assert row["state"] == "suspended"
    lab.run("resume", SECOND).expect(0)
    (row,) = lab.run("status", "--limit", SECOND).expect(0).of("status")
    assert (row["state"], row["containers"]) == ("running", "1")
    lab.run("exec", "--limit", SECOND, "--", "docker rm -f on").expect(0)


def test_every_lab_of_the_machine_is_known(lab: Lab) -> None:
    (entry,) = lab.run("status", "--all").expect(0).of("lab")
    assert entry["folder"] == str(lab.folder)
    assert [node["state"] for node in entry["nodes"]] == ["running", "running"]


def test_a_smaller_lab_does_not_lose_a_machine(lab: Lab) -> None:
    run = lab.run("up", "--nodes", "1").expect(2)
    assert SECOND in run.error["message"]
    assert "destroy" in run.error["hint"]


def test_halt_and_up_again(lab: Lab) -> None:
    lab.run("halt", SECOND).expect(0)
    (row,) = lab.run("status", "--limit", SECOND).expect(0).of("status")
    assert row["state"] == "stopped"
    run = lab.run("up", "--no-verify").expect(0)
    assert run.changes(SECOND) == []


def test_destroy_asks_first(lab: Lab) -> None:
    assert "--yes" in lab.run("destroy").expect(2).error["hint"]


def test_destroy_removes_everything(lab: Lab) -> None:
    lab.run("destroy", "--yes").expect(0)
    rows = lab.run("status").expect(0).of("status")
    assert {row["state"] for row in rows} == {"absent"}
