"""The testbed's parts that run in a world, without one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.testbed import TestbedError, World, access_log, dns, keys, state
from tests.testbed.access_log import Request
from tests.testbed.names import HUB, SERVICE_ADDRESS


def test_the_resolver_resolves_only_the_stand_ins() -> None:
    command = dns.command(Path("/run/hosts"), ["10.0.0.1", "10.0.0.2"])
    assert "--local=/#/" in command
    assert "--no-resolv" in command
    assert "--addn-hosts=/run/hosts" in command
    assert command[-2:] == ["--listen-address=10.0.0.1", "--listen-address=10.0.0.2"]


def test_faults_are_kept_and_taken_back(tmp_path: Path) -> None:
    faults = dns.Faults(tmp_path)
    faults.reset()
    whole = faults.hosts.read_text()
    assert f"{SERVICE_ADDRESS} {HUB}\n" in whole
    assert "mirrorlist.centos.org" not in whole

    faults.refuse("github.com")
    faults.poison(HUB, "192.0.2.1")
    spoilt = faults.hosts.read_text()
    assert "github.com" not in spoilt
    assert f"192.0.2.1 {HUB}\n" in spoilt
    assert f"{SERVICE_ADDRESS} {HUB}\n" not in spoilt

    faults.poison("github.com", "192.0.2.2")
    assert dns.Faults(tmp_path).read() == ({HUB: "192.0.2.1", "github.com": "192.0.2.2"}, [])
    faults.reset()
    assert faults.hosts.read_text() == whole


def test_access_log_skips_a_line_that_is_being_written(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert access_log.read(log) == []
    request = Request(1.5, HUB, "GET", "/v2/", "10.77.0.11", 200)
    log.write_text(access_log.to_line(request) * 2 + '{"time": 1')
    assert access_log.read(log) == [request, request]


def test_a_process_is_known_by_its_number_and_start(tmp_path: Path) -> None:
    assert state.living(tmp_path, "init") is None
    state.record_process(tmp_path, os.getpid())
    assert state.living(tmp_path, "init") == os.getpid()
    # The number is in use again, by another process.
    record = tmp_path / "processes.json"
    started = state.start_time(os.getpid())
    assert started
    record.write_text(record.read_text().replace(started, "1"))
    assert state.living(tmp_path, "init") is None


@pytest.mark.parametrize("name", ["", "a/b", "..", "Test", "-x", "a" * 17])
def test_names_of_worlds_stay_below_their_folder(name: str) -> None:
    with pytest.raises(TestbedError):
        state.folder(name)


def test_there_is_no_world_outside_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(state.VARIABLE, raising=False)
    with pytest.raises(TestbedError, match="inside a world only"):
        World.current()
    empty = state.State("x", SERVICE_ADDRESS, 1, "v", tmp_path, tmp_path, tmp_path, {})
    state.write(tmp_path, empty)
    assert state.read(tmp_path / "state.json") == empty
    monkeypatch.setenv(state.VARIABLE, str(tmp_path / "state.json"))
    with pytest.raises(TestbedError, match="outside that world"):
        World.current()


def test_fingerprint_is_the_first_of_the_listing() -> None:
    listing = "tru::1:1:0:3:1:5\npub:u:2048:1:AA::::::scSC::::::23::0:\nfpr:::::::::0123AB:\n"
    assert keys.fingerprint(listing) == "0123AB"
