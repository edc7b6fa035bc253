"""What the doctor asks of the machine that labctl runs on.

Each answer may be None, for "cannot be known here": the standard library knows memory and networks
of no system, and every system tells them in a way of its own.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import platform
import shutil
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from ipaddress import IPv4Network
from pathlib import Path
from typing import Protocol

from labctl.machines import providers

MIB = 1 << 20


class Host(Protocol):
    """A machine to be looked over."""

    @property
    def system(self) -> str:
        """As `sys.platform` has it."""
        ...

    @property
    def processor(self) -> str:
        """As `platform.machine` has it."""
        ...

    def which(self, program: str) -> str | None:
        """Return the path of a program, None if it is not installed."""
        ...

    def says(self, *command: str) -> str | None:
        """Return what a command prints; None if it fails, or takes longer than 20 seconds."""
        ...

    def vboxmanage(self) -> str | None:
        """Return the path of VBoxManage where Vagrant would find it."""
        ...

    def provider(self, asked: str | None, made_with: str) -> tuple[str, str]:
        """Return the provider of a lab and why it is that one.

        Raises:
            ProviderMissing: none can be used, or not the one that was asked for.
        """
        ...

    def virtualization(self) -> bool | None:
        """Tell whether the processor offers to run virtual machines."""
        ...

    def memory(self) -> tuple[int, int] | None:
        """Return (all, free) memory in MiB."""
        ...

    def disk(self) -> int | None:
        """Return the free MiB where boxes and machines are kept, the user's home."""
        ...

    def networks(self) -> list[tuple[str, IPv4Network]] | None:
        """Return (interface, network) of what is reached without a gateway."""
        ...

    def has_box(self, name: str) -> bool:
        """Tell whether Vagrant has a box of that name."""
        ...

    def reach(self, url: str) -> str:
        """Return why a URL does not answer; empty if it does."""
        ...


class ThisHost:
    """The machine that labctl runs on.

    Parameters:
        timeout: seconds that an address on the network may take to answer.
    """

    def __init__(self, timeout: float = 6.0) -> None:
        self._timeout = timeout

    system = sys.platform
    processor = platform.machine()

    def which(self, program: str) -> str | None:
        return shutil.which(program)

    def says(self, *command: str) -> str | None:
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=20, check=True, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.decode("utf-8", "replace").strip()

    def vboxmanage(self) -> str | None:
        return providers.find_vboxmanage()

    def provider(self, asked: str | None, made_with: str) -> tuple[str, str]:
        return providers.choose(asked, made_with)

    def virtualization(self) -> bool | None:
        if self.system.startswith("linux") and self.processor in ("x86_64", "AMD64"):
            return not providers.emulated()
        if self.system == "darwin" and self.processor == "x86_64":
            features = self.says("sysctl", "-n", "machdep.cpu.features")
            return None if features is None else "VMX" in features.split()
        return None

    def memory(self) -> tuple[int, int] | None:
        if self.system.startswith("linux"):
            return meminfo(_text("/proc/meminfo"))
        if self.system == "darwin":
            size = self.says("sysctl", "-n", "hw.memsize")
            pages = self.says("vm_stat")
            return vm_stat(size, pages) if size and pages else None
        return _windows_memory() if self.system == "win32" else None

    def disk(self) -> int | None:
        try:
            return shutil.disk_usage(Path.home()).free // MIB
        except OSError:
            return None

    def networks(self) -> list[tuple[str, IPv4Network]] | None:
        return routes(_text("/proc/net/route")) if self.system.startswith("linux") else None

    def has_box(self, name: str) -> bool:
        home = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")
        return (home / "boxes" / name.replace("/", "-VAGRANTSLASH-")).is_dir()

    def reach(self, url: str) -> str:
        request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "labctl"})
        try:
            with urllib.request.urlopen(request, timeout=self._timeout):
                return ""
        except urllib.error.HTTPError as error:
            # A registry wants a login, and some servers know no HEAD; both are there.
            return "" if error.code in (401, 403, 405) else f"it answers {error.code}"
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            return str(reason)


def meminfo(text: str) -> tuple[int, int] | None:
    """Read (all, available) MiB from /proc/meminfo."""
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdecimal():
            found[key] = int(words[0]) // 1024
    try:
        return found["MemTotal"], found["MemAvailable"]
    except KeyError:
        return None


def vm_stat(size: str, text: str) -> tuple[int, int] | None:
    """Read (all, free) MiB from macOS' hw.memsize and vm_stat."""
    page = 4096
    free = 0
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if "page size of" in line:
            page = int(line.partition("page size of")[2].split()[0])
        elif key in ("Pages free", "Pages inactive", "Pages speculative"):
            free += int(value.strip().rstrip("."))
    return (int(size) // MIB, free * page // MIB) if size.isdecimal() else None


def routes(text: str) -> list[tuple[str, IPv4Network]]:
    """Read the networks without a gateway from /proc/net/route, whose numbers are hexadecimal."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[2] != "00000000" or fields[1] == "00000000":
            continue
        address, mask = (
            ipaddress.IPv4Address(struct.pack("=I", int(fields[at], 16))) for at in (1, 7)
        )
        found.append((fields[0], IPv4Network(f"{address}/{mask}", strict=False)))
    return found


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


def _windows_memory() -> tuple[int, int] | None:
    # MEMORYSTATUSEX: length and load as 32 bits, then all and free memory and five more as 64.
    status = ctypes.create_string_buffer(struct.pack("=II7Q", 64, 0, *[0] * 7), 64)
    library = getattr(ctypes, "windll", None)
    if library is None or not library.kernel32.GlobalMemoryStatusEx(status):
        return None
    values = struct.unpack("=II7Q", status.raw)
    return values[2] // MIB, values[3] // MIB
