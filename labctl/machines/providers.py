"""Which provider a lab uses, and whether it can be used here."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from labctl.errors import ProviderMissing
from labctl.machines import plugins

PROVIDERS = ("virtualbox", "libvirt")
"""In the order in which they are tried."""


def choose(
    asked: str | None, made_with: str, environment: Mapping[str, str] = os.environ
) -> tuple[str, str]:
    """Choose the provider.

    Parameters:
        asked: by a flag or lab.yaml.
        made_with: the provider that the lab's machines were made with already, or an empty text.
        environment: where VAGRANT_DEFAULT_PROVIDER is looked up.

    Returns:
        The provider, and why it was chosen, for people.

    Raises:
        ProviderMissing: none is usable, or not the one that was asked for; or another one is asked
            for than the machines were made with.
    """
    by_environment = environment.get("VAGRANT_DEFAULT_PROVIDER", "")
    if asked and made_with and asked != made_with:
        raise ProviderMissing(
            f"the lab's machines were made with {made_with}, and {asked} is asked for",
            hint=f"`labctl destroy` first, or go on with --provider {made_with}",
        )
    wishes = (
        (asked or "", "asked for"),
        (made_with, "the lab was made with it"),
        (by_environment if by_environment in PROVIDERS else "", "VAGRANT_DEFAULT_PROVIDER"),
    )
    for provider, reason in wishes:
        if provider:
            missing = missing_part(provider, environment)
            if missing:
                raise ProviderMissing(
                    f"{provider} ({reason}) cannot be used: {missing[0]}", hint=missing[1]
                )
            return provider, reason
    found = {provider: missing_part(provider, environment) for provider in PROVIDERS}
    for provider, missing in found.items():
        if missing is None:
            return provider, "the first that is installed"
    raise ProviderMissing(
        "no provider can be used here",
        details="\n".join(f"{provider}: {part[0]}" for provider, part in found.items() if part),
        hint="install VirtualBox, or vagrant-libvirt with QEMU; `labctl doctor` looks closer",
    )


def missing_part(
    provider: str, environment: Mapping[str, str] = os.environ
) -> tuple[str, str] | None:
    """Return (what is missing, what to do), or None where nothing is."""
    if provider == "virtualbox":
        if find_vboxmanage(environment):
            return None
        return "there is no VBoxManage", "install VirtualBox, or choose --provider libvirt"
    if not any(Path(place).exists() for place in _libvirt_sockets()):
        return (
            "no libvirt daemon listens on this machine",
            "install libvirt and QEMU and start libvirtd, or choose --provider virtualbox",
        )
    if plugins.find("vagrant-libvirt", environment) is None:
        return (
            "Vagrant has no plugin vagrant-libvirt",
            "run `vagrant plugin install vagrant-libvirt`",
        )
    return None


def find_vboxmanage(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return VBoxManage where Vagrant would find it: on PATH, or where its installer put it."""
    for variable in ("VBOX_INSTALL_PATH", "VBOX_MSI_INSTALL_PATH"):
        for folder in environment.get(variable, "").split(os.pathsep):
            candidate = Path(folder) / "VBoxManage.exe"
            if folder and candidate.is_file():
                return str(candidate)
    return shutil.which("VBoxManage", path=environment.get("PATH"))


def _libvirt_sockets() -> tuple[str, ...]:
    """Where libvirt's daemon listens: the monolithic one, and the modular one for QEMU."""
    return (
        "/run/libvirt/libvirt-sock",
        "/run/libvirt/virtqemud-sock",
        "/var/run/libvirt/libvirt-sock",
    )


def emulated(cpuinfo: Path = Path("/proc/cpuinfo"), platform: str = sys.platform) -> bool:
    """Tell whether virtual machines have to be emulated here, which is slow.

    The processor's flags decide. That /dev/kvm exists says nothing: it does inside some virtual
    machines in which no guest runs.
    """
    if not platform.startswith("linux"):
        return False
    try:
        text = cpuinfo.read_text("utf-8", "replace")
    except OSError:
        return False
    flags = {
        flag for line in text.splitlines() if line.startswith("flags") for flag in line.split()
    }
    return bool(flags) and not flags & {"vmx", "svm"}
