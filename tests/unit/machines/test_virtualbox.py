"""Networks that VirtualBox refuses, and the doctor's findings about it."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from labctl.machines import providers, virtualbox
from labctl.machines.virtualbox import VirtualBox
from tests.unit.fakes import lab_spec

CONF = "# ours\n* 10.0.0.0/8 192.168.0.0/16 2001::/64\n* 172.20.0.0/16 # late\nnonsense\n"


@pytest.fixture(autouse=True)
def networks_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where VirtualBox reads the networks that it allows; the host's own must not matter."""
    path = tmp_path / "networks.conf"
    monkeypatch.setattr(virtualbox, "NETWORKS_CONF", str(path))
    return path


@pytest.mark.parametrize(
    ("network", "platform", "conf", "refused"),
    [
        ("192.168.56.0/24", "linux", None, False),
        ("192.168.63.0/24", "linux", None, False),
        ("192.168.48.0/20", "linux", None, True),
        ("192.168.64.0/24", "linux", None, True),
        ("192.168.205.0/24", "linux", None, True),
        ("192.168.205.0/24", "linux", CONF, False),
        ("172.20.3.0/24", "linux", CONF, False),
        ("172.21.3.0/24", "linux", CONF, True),
        ("192.168.56.0/24", "linux", "", True),
        ("10.9.0.0/16", "linux", "* 0.0.0.0/0 ::/0\n", False),
        ("192.168.205.0/24", "win32", None, False),
        ("192.168.205.0/24", "darwin", None, False),
    ],
)
def test_what_virtualbox_refuses(
    network: str, platform: str, conf: str | None, refused: bool, networks_conf: Path
) -> None:
    if conf is not None:
        networks_conf.write_text(conf, "utf-8")
    problem = VirtualBox().network_problem(IPv4Network(network), platform)
    assert (problem is not None) == refused


def test_a_provider_that_is_chosen_later_is_checked_then(networks_conf: Path) -> None:
    spec = lab_spec(network="192.168.205.0/24")
    refused = providers.problems(spec, "virtualbox", "linux")
    assert [problem.where for problem in refused] == ["network"]
    assert "192.168.56.0/24" in refused[0].hint
    assert providers.problems(spec, "libvirt") == []
    networks_conf.write_text(CONF, "utf-8")
    assert not providers.problems(spec, "virtualbox", "linux")


def test_no_provider_is_called_for_existing_machines() -> None:
    spec = lab_spec(machines=[{"name": "a", "host": "a"}])
    assert providers.problems(spec, "virtualbox", "linux") == []
