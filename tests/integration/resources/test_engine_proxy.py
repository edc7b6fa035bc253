"""The drop-in that gives the engine the proxy, unless the machine's own unit names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.provision.resources import atomic_write, engine_proxy
from labctl.provision.resources.engine_proxy import EngineProxy
from tests.integration.resources.local_shell import LocalShell, converges


@pytest.fixture
def units(shell: LocalShell, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of units, which stands for /etc/systemd/system."""
    units = shell.folder / "units"
    units.mkdir()
    monkeypatch.setattr(engine_proxy, "ENGINE_PROXY", f"{units}/docker.service.d/labctl-proxy.conf")
    monkeypatch.setattr(engine_proxy, "UNIT_FOLDERS", str(units))
    monkeypatch.setattr(atomic_write, "PENDING", str(shell.folder / "pending"))
    return units


def test_it_comes_and_goes_with_a_restart_each(shell: LocalShell, units: Path) -> None:
    pending = shell.folder / "pending" / "docker.restart"
    converges(shell, EngineProxy(wanted=True))
    drop_in = units / "docker.service.d" / "labctl-proxy.conf"
    assert "EnvironmentFile=-/etc/labctl-proxy.env" in drop_in.read_text()
    assert pending.exists()
    pending.unlink()
    converges(shell, EngineProxy(wanted=False))
    assert not drop_in.parent.exists()
    assert pending.exists()
    assert not shell.apply(EngineProxy(wanted=False)).changes


@pytest.mark.parametrize(
    "text",
    [
        '[Service]\nEnvironment="HTTP_PROXY=http://x:1"\n',
        "[Service]\nEnvironment=A=b https_proxy=http://x:1",
        '[Service]\nEnvironment="A=b" \\\n  "HTTPS_PROXY=http://x:1"\n',
    ],
)
@pytest.mark.parametrize("name", ["docker.service", "docker.service.d/http-proxy.conf"])
def test_a_proxy_of_the_unit_itself_is_kept(
    shell: LocalShell, units: Path, name: str, text: str
) -> None:
    (units / "docker.service.d").mkdir()
    (units / name).write_text(text)
    assert not shell.apply(EngineProxy(wanted=True)).changes
    (units / name).write_text("[Service]\n# Environment=HTTP_PROXY=http://x:1\n")
    converges(shell, EngineProxy(wanted=True))
    (units / name).write_text(text)  # somebody's own comes later
    converges(shell, EngineProxy(wanted=True))
    assert not (units / "docker.service.d" / "labctl-proxy.conf").exists()
    assert (units / name).read_text() == text
