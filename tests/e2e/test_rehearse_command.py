"""`labctl rehearse` on two nodes, with a course of the lab's own: one of each outcome.

The course's real exercises have tests of their own; these are about what the command does with any.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import Lab, machines, spec
from tests.testbed import Node, World

NAMES = ("docker-node1", "docker-node2")
FIRST, SECOND = NAMES
ENGINE_INSTALLED = True

COURSE = '''
import pytest

def test_runs(host, sandbox, record_property):
    """a container runs and says something"""
    name = sandbox.container("web", sandbox.image("busybox"), "sh -c 'echo ready; sleep 1000'")
    sandbox.wait("docker logs %s", name, until="ready")

def test_fails(host, sandbox):
    """a container finds what it needs"""
    name = sandbox.container("web", sandbox.image("busybox"), "sleep 1000")
    sandbox.network("own")
    sandbox.volume("kept")
    result = host.run("docker exec %s cat /no/such/file", name)
    assert result.rc == 0, result.stderr

def test_is_for_newer_engines(wanted):
    """the engine builds for other processors"""
    pytest.skip("buildx came with engine 23.0")

def test_reaches_the_other(host, peers, wanted):
    """each node reaches the other's engine"""
    assert sorted([wanted["name"], *peers]) == sorted(wanted["nodes"])
    for peer in peers.values():
        assert peer.run("docker version").rc == 0
        with peer.sudo():
            assert peer.run("id -u").stdout.strip() == "0"
'''

SLOW = '''
def test_slow(host, sandbox):
    """it takes its time"""
    sandbox.container("idle", sandbox.image("busybox"), "sleep 1000")
    sandbox.network("own")
    sandbox.run("sleep 600.5")
'''

EXPECTED = {
    "test_runs": "passed",
    "test_fails": "failed",
    "test_is_for_newer_engines": "skipped",
    "test_reaches_the_other": "passed",
}

THINGS = """
docker ps -aq; docker images -aq; docker network ls -q; docker volume ls -q; ls -A /var/tmp
"""


@pytest.fixture(scope="module")
def lab(world: World, nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Two nodes with an engine, on which somebody's container runs."""
    folder = tmp_path_factory.mktemp("rehearse") / "lab"
    (folder / "course").mkdir(parents=True)
    (folder / "course" / "greetings.py").write_text(COURSE, "utf-8")
    (folder / "course" / "slow.py").write_text(SLOW, "utf-8")
    lab = Lab(folder)
    books = ["repos", "hosts", "engine", "mirrors"]
    lab.write(spec(world, machines=machines(list(nodes.values())), playbooks=books))
    lab.run("up").expect(0)
    for node in nodes.values():
        node.sh("docker run -d --name students --stop-timeout 1 busybox sleep 1d")
    return lab


def things(nodes: dict[str, Node]) -> dict[str, str]:
    """All that docker has on each node, by its identity."""
    return {name: node.sh(THINGS).stdout for name, node in nodes.items()}


@pytest.mark.parametrize("time", ["once", "again"])
def test_each_outcome_on_each_node_and_nothing_left(
    lab: Lab, nodes: dict[str, Node], tmp_path: Path, time: str
) -> None:
    before = things(nodes)
    junit, page = tmp_path / "junit.xml", tmp_path / "page.html"
    run = lab.run("rehearse", "greetings", "--junit", str(junit), "--html", str(page)).expect(1)
    for name in NAMES:
        result = run.result(name)
        assert {e["name"]: e["outcome"] for e in result["checks"]} == EXPECTED
        assert result["versions"]["engine"].startswith("20.10.24")
        (failed,) = [e for e in result["checks"] if e["outcome"] == "failed"]
        assert "/no/such/file" in failed["details"]
        seen = {c["command"]: c for c in failed["commands"]}
        (command,) = [line for line in seen if line.startswith("docker exec")]
        assert seen[command]["exit_code"] == 1
        assert "No such file" in seen[command]["err"]
    (end,) = run.of("rehearsal")
    assert (end["passed"], end["failed"], end["error"], end["skipped"]) == (4, 2, 0, 2)
    assert things(nodes) == before
    assert f'<testsuite name="{SECOND}"' in junit.read_text("utf-8")
    text = page.read_text("utf-8")
    for words in (
        "1 of 1 section failed: greetings",
        "buildx came with engine 23.0",
        "cat /no/such",
    ):
        assert words in text


def test_the_nodes_are_rehearsed_side_by_side(lab: Lab) -> None:
    run = lab.run("rehearse", "greetings").expect(1)
    spans = []
    for name in NAMES:
        ended = run.of("CheckEnded", name)
        spans.append((ended[0]["started"], ended[-1]["started"] + ended[-1]["seconds"]))
    (first_start, first_end), (second_start, second_end) = spans
    assert max(first_start, second_start) < min(first_end, second_end)


def test_only_on_one_node(lab: Lab, nodes: dict[str, Node]) -> None:
    before = things(nodes)
    run = lab.run("rehearse", "greetings", "--node", SECOND).expect(1)
    assert [record["node"] for record in run.of("result")] == [SECOND]
    assert things(nodes) == before


def test_a_node_without_an_engine_is_red_and_the_other_goes_on(
    lab: Lab, nodes: dict[str, Node]
) -> None:
    nodes[FIRST].sh("systemctl stop docker.socket docker")
    run = lab.run("rehearse", "greetings").expect(1)
    # With no engine there is nothing to look for; the next rehearsal would take the folder away.
    nodes[FIRST].sh("systemctl start docker; docker start students; rm -rf /var/tmp/rehearse")
    outcomes = {e["name"]: e["outcome"] for e in run.result(FIRST)["checks"]}
    assert outcomes["test_runs"] in ("failed", "error")
    assert "passed" not in (outcomes["test_runs"], outcomes["test_fails"])
    (first,) = [e for e in run.result(FIRST)["checks"] if e["name"] == "test_runs"]
    assert "docker.sock: connect: connection refused" in json.dumps(first)
    second = {e["name"]: e["outcome"] for e in run.result(SECOND)["checks"]}
    assert second["test_runs"] == "passed"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_ended_half_way_it_leaves_nothing(
    lab: Lab, nodes: dict[str, Node], ending: signal.Signals
) -> None:
    """By Ctrl-C; and when labctl is killed, its processes clean up after themselves."""
    before = things(nodes)
    process = lab.start_until(lambda line: "CheckStarted" in line, "rehearse", "slow")
    for node in nodes.values():
        _wait(node, "pgrep -f 'sleep 600[.]5'", 0)
    process.send_signal(ending)
    run = lab.finish(process)
    if ending is signal.SIGINT:
        run.expect(130)
        assert things(nodes) == before
    for node in nodes.values():
        _wait(node, '[ -z "$(docker ps -aq --filter name=rehearse-)" ]', 0)
        _wait(node, "pgrep -f 'sleep 600[.]5'", 1)
        _wait(node, "[ ! -e /var/tmp/rehearse ]", 0)
    assert things(nodes) == before


def _wait(node: Node, command: str, code: int) -> None:
    """Wait until a command on the node ends with this exit code."""
    import time

    deadline = time.monotonic() + 120
    while node.sh(command, check=False).returncode != code:
        assert time.monotonic() < deadline, command
        time.sleep(0.3)
