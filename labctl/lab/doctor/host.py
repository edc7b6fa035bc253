"""The computer that labctl runs on, as `labctl doctor` sees it."""

from __future__ import annotations

import http.client
import os
import platform
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

from labctl.lab.doctor.systems import (
    MIB,
    linux_routes,
    macos_routes,
    windows_firewall,
    windows_routes,
)
from labctl.machines import plugins, providers
from labctl.machines.host import find_program
from labctl.machines.plugins import Plugin
from labctl.machines.processor import emulated
from labctl.messages import msg

_ASK_WINDOWS = (
    "(Get-CimInstance Win32_Processor).VirtualizationFirmwareEnabled; "
    "(Get-CimInstance Win32_ComputerSystem).HypervisorPresent"
)


class ThisHost:
    """The computer that labctl runs on.

    Parameters:
        timeout: seconds that a network address may take to answer.
    """

    def __init__(self, timeout: float = 6.0) -> None:
        self._timeout = timeout

    system = sys.platform
    processor = platform.machine()

    def which(self, program: str, variables: Sequence[str] = ()) -> str | None:
        return find_program(program, variables)

    def output(self, *command: str) -> str | None:
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                timeout=20,
                check=True,
                stdin=subprocess.DEVNULL,
                # Even `vagrant --version` may execute a Vagrantfile at or above its folder.
                cwd=Path.cwd().anchor,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.decode("utf-8", "replace").strip()

    def provider(self, asked: str | None, made_with: str) -> tuple[str, str]:
        return providers.choose(asked, made_with)

    def virtualization(self) -> bool | None:
        if self.system.startswith("linux") and self.processor in ("x86_64", "AMD64"):
            return not emulated()
        if self.system == "darwin" and self.processor == "x86_64":
            features = self.output("sysctl", "-n", "machdep.cpu.features")
            return None if features is None else "VMX" in features.split()
        if self.system == "win32":
            # Under Hyper-V, Windows no longer reports the firmware's setting.
            said = self.output("powershell", "-NoProfile", "-Command", _ASK_WINDOWS)
            return None if said is None else "True" in said.split()
        return None

    def memory(self) -> tuple[int, int] | None:
        import psutil

        try:
            found = psutil.virtual_memory()
        except (OSError, RuntimeError, psutil.Error):
            return None
        return found.total // MIB, found.available // MIB

    def disk(self) -> int | None:
        try:
            place = Path(os.environ.get("VAGRANT_HOME") or Path.home())
            return shutil.disk_usage(place if place.is_dir() else Path.home()).free // MIB
        except OSError:
            return None

    def networks(self) -> list[tuple[str, IPv4Network]] | None:
        if self.system.startswith("linux"):
            return linux_routes(_text("/proc/net/route"))
        if self.system == "darwin":
            said = self.output("netstat", "-rn", "-f", "inet")
            return None if said is None else macos_routes(said)
        said = self.output("route", "print", "-4") if self.system == "win32" else None
        return None if said is None else windows_routes(said)

    def firewall(self) -> str | None:
        if self.system.startswith("linux"):
            if "ENABLED=yes" in _text("/etc/ufw/ufw.conf").splitlines():
                return "ufw"
            return "firewalld" if self.output("systemctl", "is-active", "firewalld") else ""
        if self.system == "darwin":
            said = self.output(
                "/usr/libexec/ApplicationFirewall/socketfilterfw", "--getglobalstate"
            )
            if said is None:
                return None
            return "" if "disabled" in said else msg("the application firewall")
        if self.system == "win32":
            said = self.output("netsh", "advfirewall", "show", "allprofiles", "state")
            return None if said is None else windows_firewall(said)
        return None

    def plugin(self, name: str) -> Plugin | None:
        return plugins.find(name)

    def additions_work(self) -> bool:
        return plugins.additions_work()

    def missing(self, kind: str) -> tuple[str, str] | None:
        return plugins.missing(kind)

    def has_box(self, name: str, version: str | None, provider: str) -> bool:
        home = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")
        place = home / "boxes" / name.replace("/", "-VAGRANTSLASH-")
        # Vagrant 2.4 and later insert a folder for the architecture.
        kinds = (f"{version or '*'}/{provider or '*'}", f"{version or '*'}/*/{provider or '*'}")
        return any(found.is_dir() for kind in kinds for found in place.glob(kind))

    def reach(self, url: str) -> str:
        request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "labctl"})
        try:
            with urllib.request.urlopen(request, timeout=self._timeout):
                return ""
        except urllib.error.HTTPError as error:
            # A registry requires a login, and some servers don't support HEAD; both exist.
            return (
                "" if error.code in (401, 403, 405) else msg("HTTP status {code}", code=error.code)
            )
        # A server that does not speak HTTP makes http.client raise its own errors.
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            return str(reason)


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
