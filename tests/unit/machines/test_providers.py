"""Which provider a lab uses, and whether this processor can virtualize."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.errors import ProviderMissing
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.machines import libvirt
from labctl.machines.base import Provider
from labctl.machines.libvirt import Libvirt
from labctl.machines.processor import emulated
from labctl.machines.providers import choose
from labctl.machines.virtualbox import VirtualBox
from tests.unit.fakes import lab_spec


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def missing(provider: Provider, _: object = None) -> tuple[str, str] | None:
        name = provider.name
        return None if name in names else (f"{name} is missing", f"install {name}")

    for kind in (VirtualBox, Libvirt):
        monkeypatch.setattr(kind, "missing", missing)


BOTH = ("virtualbox", "libvirt")


@pytest.mark.parametrize(
    ("there", "asked", "made_with", "environment", "chosen", "why"),
    [
        (BOTH, None, "", "", "virtualbox", "the first one installed"),
        (("libvirt",), None, "", "", "libvirt", "the first one installed"),
        (BOTH, "libvirt", "", "", "libvirt", "requested"),
        (BOTH, "libvirt", "libvirt", "virtualbox", "libvirt", "requested"),
        (BOTH, None, "libvirt", "virtualbox", "libvirt", "the lab was created with it"),
        (BOTH, None, "", "libvirt", "libvirt", "VAGRANT_DEFAULT_PROVIDER"),
        # A provider that labctl does not know is Vagrant's affair.
        (BOTH, None, "", "hyperv", "virtualbox", "the first one installed"),
    ],
)
def test_choice(
    monkeypatch: pytest.MonkeyPatch,
    there: tuple[str, ...],
    asked: str | None,
    made_with: str,
    environment: str,
    chosen: str,
    why: str,
) -> None:
    installed(monkeypatch, *there)
    seen = choose(asked, made_with, {"VAGRANT_DEFAULT_PROVIDER": environment})
    assert seen == (chosen, why)


@pytest.mark.parametrize(
    ("there", "asked", "made_with", "environment", "message", "hint"),
    [
        ((), None, "", "", "no provider can be used on this computer", "labctl doctor"),
        (
            ("libvirt",),
            "virtualbox",
            "",
            "",
            r"virtualbox \(requested\) cannot",
            "install virtualbox",
        ),
        (("virtualbox",), None, "libvirt", "", r"libvirt \(the lab was created", "install libvirt"),
        (("virtualbox",), None, "", "libvirt", r"libvirt \(VAGRANT_DEFAULT", "install libvirt"),
        (BOTH, "virtualbox", "libvirt", "", "were created with libvirt", "labctl destroy"),
    ],
)
def test_no_choice(
    monkeypatch: pytest.MonkeyPatch,
    there: tuple[str, ...],
    asked: str | None,
    made_with: str,
    environment: str,
    message: str,
    hint: str,
) -> None:
    installed(monkeypatch, *there)
    with pytest.raises(ProviderMissing, match=message) as caught:
        choose(asked, made_with, {"VAGRANT_DEFAULT_PROVIDER": environment})
    assert hint in caught.value.hint


def test_where_none_is_each_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    with pytest.raises(ProviderMissing) as caught:
        choose(None, "", {})
    assert caught.value.details == (
        "virtualbox: virtualbox is missing\nlibvirt: libvirt is missing"
    )


def test_machines_are_those_of_the_provider_that_made_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So `destroy` works though lab.yaml asks for another one by now."""
    installed(monkeypatch, *BOTH)
    monkeypatch.setattr("labctl.machines.vagrant_program.find_vagrant", lambda: "vagrant")
    workspace = Workspace.at(tmp_path, tmp_path / ".labctl")
    lab = Lab(workspace, lab_spec(provider="virtualbox"), emit=lambda _: None)
    workspace.make()
    lab.state.save_provider("libvirt")
    lab.machines()
    with pytest.raises(ProviderMissing, match="were created with libvirt"):
        _ = lab.provider


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_virtualbox_is_found_on_path(tmp_path: Path) -> None:
    assert VirtualBox().missing({"PATH": str(tmp_path)}) is not None
    program(tmp_path, "VBoxManage")
    program(tmp_path, "VBoxManage.exe")
    assert VirtualBox().missing({"PATH": str(tmp_path)}) is None


@pytest.mark.parametrize("variable", ["VBOX_INSTALL_PATH", "VBOX_MSI_INSTALL_PATH"])
def test_virtualbox_is_found_where_its_installer_put_it(tmp_path: Path, variable: str) -> None:
    assert VirtualBox().missing({variable: str(tmp_path), "PATH": ""}) is not None
    program(tmp_path, "VBoxManage.exe")
    assert VirtualBox().missing({variable: str(tmp_path), "PATH": ""}) is None


def test_libvirt_wants_a_daemon_and_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "socket"
    monkeypatch.setattr(libvirt, "SOCKETS", (str(socket),))
    environment = {"VAGRANT_HOME": str(tmp_path / "vagrant")}
    plugin = tmp_path / "vagrant" / "gems" / "3.3.0" / "gems" / "vagrant-libvirt-0.12.2"
    # A plugin of the distribution may be there; then the user's own makes no difference.
    everywhere = Libvirt().missing(environment)
    assert everywhere is not None
    assert "no libvirt daemon" in everywhere[0]
    socket.touch()
    monkeypatch.setattr(Path, "glob", _without_system(Path.glob))
    missing = Libvirt().missing(environment)
    assert missing is not None
    assert "is not installed" in missing[0]
    plugin.mkdir(parents=True)
    assert Libvirt().missing(environment) is None


def _without_system(real: object) -> object:
    def glob(self: Path, pattern: str) -> object:
        return iter(()) if str(self).startswith("/usr") else real(self, pattern)  # type: ignore[operator]

    return glob


INTEL = "processor\t: 0\nvendor_id\t: Intel\nflags\t\t: fpu de pse vmx ssse3\nvmx flags\t: vnmi\n"


@pytest.mark.parametrize(
    ("cpuinfo", "platform", "expected"),
    [
        (INTEL, "linux", False),
        (INTEL.replace(" vmx ", " svm "), "linux", False),
        (INTEL.replace(" vmx ", " "), "linux", True),
        # Flags that only look like it.
        (INTEL.replace(" vmx ", " vmx_ept svm_lock "), "linux", True),
        (INTEL.replace(" vmx ", " "), "darwin", False),
        (INTEL.replace(" vmx ", " "), "win32", False),
        ("processor\t: 0\nFeatures\t: fp asimd evtstrm aes\n", "linux", False),
        ("", "linux", False),
        ("flags\t\t: caf\udce9 fpu\n", "linux", True),
    ],
)
def test_emulated(tmp_path: Path, cpuinfo: str, platform: str, expected: bool) -> None:
    path = tmp_path / "cpuinfo"
    path.write_bytes(cpuinfo.encode("utf-8", "surrogateescape"))
    assert emulated(path, platform) is expected


def test_nothing_is_known_without_cpuinfo(tmp_path: Path) -> None:
    assert emulated(tmp_path / "nothing", "linux") is False
