"""How a node is, from what its script prints; a node may print anything."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.lab.actions.health import SCRIPT, Health
from tests import needs

NOW = 1_800_000_000.0
WELL = """\
since 2026-01-01 10:00:00
clock 1800000002
processors 2
uptime 3600.25
load 0.35
memory 1024000
memory-free 512000
disk 8388608 4194304 /
disk 8388608 4194304 /
"""


def health(text: str) -> Health:
    return Health.read(text.encode(), NOW)


def daemon_json(text: str) -> str:
    return f"daemon-json {base64.b64encode(text.encode()).decode()}\n"


def test_a_healthy_node_has_no_warning() -> None:
    found = health(WELL)
    assert found == Health(
        since="2026-01-01 10:00:00",
        uptime=3600.25,
        clock=2.0,
        load=0.35,
        processors=2,
        memory=1000,
        memory_free=500,
        disk=8192,
        disk_free=4096,
    )
    assert list(found.warnings()) == []
    json.dumps(found.as_json())


@pytest.mark.parametrize(
    ("lines", "cell", "words"),
    [
        ("docker inactive\n", "stopped", ["Docker is stopped", "labctl provision"]),
        ("docker failed\n", "failed", ["Docker did not start", "labctl provision"]),
        ("docker missing\n", "not installed", ["Docker is not installed", "labctl provision"]),
        (
            "docker failed\n" + daemon_json('{\n  "debug": true,\n}'),
            "failed",
            ["/etc/docker/daemon.json", "line 3", "labctl provision"],
        ),
        ("docker failed\n" + daemon_json("[1]"), "failed", ["daemon.json", "not a JSON object"]),
        ("docker failed\n" + daemon_json("[" * 60_000), "failed", ["daemon.json", "deeply"]),
        ("docker failed\n" + daemon_json("{}"), "failed", ["Docker did not start"]),
        ("disk 8388608 8388 /var/lib/docker\n", "-", ["8 of 8192 MiB", "docker system df"]),
        ("memory-free 1024\n", "-", ["1 of 1000 MiB"]),
        ("clock 1420070400\n", "-", ["379929600 s behind"]),
        ("clock 1800000100\n", "-", ["100 s ahead"]),
    ],
)
def test_what_is_wrong_is_one_line_with_its_fix(lines: str, cell: str, words: list[str]) -> None:
    found = health(WELL + lines)
    assert found.engine == cell
    (warning,) = found.warnings()
    for word in words:
        assert word in warning


@pytest.mark.parametrize(
    "value", ["", "x", "nan", "inf", "-inf", "1e400", "9" * 5000, "1 2 3", "١x"]
)
@pytest.mark.parametrize("name", ["clock", "processors", "uptime", "load", "memory", "disk"])
def test_nonsense_is_left_out(name: str, value: str) -> None:
    found = health(f"{name} {value}\nsince then\n")
    assert found.since == "then"
    assert list(found.warnings()) == []


@given(st.binary(max_size=400))
def test_any_output_is_read(output: bytes) -> None:
    names = ("since", "clock", "disk", "docker", "daemon-json", "memory-free", "memory")
    for name in names:
        found = Health.read(name.encode() + b" " + output, NOW)
        json.dumps(found.as_json())
        list(found.warnings())


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the script is for a node's /proc, run here"
)
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_script_on_a_real_system(shell: str) -> None:
    needs.require(shell)
    out = subprocess.run([shell, "-c", SCRIPT], capture_output=True, check=True).stdout
    assert out.endswith(b"\n\n")
    found = Health.read(out, time.time())
    assert found.memory
    assert found.memory_free
    assert found.disk
    assert found.uptime
    assert found.processors
    assert found.load is not None
    assert found.clock is not None
    assert abs(found.clock) < 5
