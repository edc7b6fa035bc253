"""A machine's process: QEMU, emulating, detached from whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.vbox.errors import Refused
from tests.vbox.machine import DISK, Machine, Nic
from tests.vbox.monitor import SOCKET, Monitor
from tests.vbox.state import pid

_END_SECONDS = 20.0


def command(machine: Machine, folder: Path, load: str = "") -> list[str]:
    """The command line of a machine whose files are in `folder`.

    The processor is a plain one: emulating the newest costs a boot a quarter more.

    `load` is the tag on its disk that its memory comes from; without one it boots.
    """
    disk = _escaped(folder / DISK)
    line = [
        *("qemu-system-x86_64", "-name", _escaped(machine.name), "-uuid", machine.uuid),
        *("-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "qemu64"),
        *("-smp", str(machine.hardware.cpus), "-m", str(machine.hardware.memory)),
        *("-no-user-config", "-nodefaults", "-display", "none"),
        *("-rtc", "base=utc", "-device", "virtio-rng-pci"),
        *("-drive", f"file={disk},format=qcow2,if=virtio,cache=unsafe,discard=unmap"),
        *("-serial", f"file:{folder / 'console.log'}"),
        *("-qmp", f"unix:{SOCKET},server=on,wait=off"),
        *("-daemonize", "-pidfile", str(folder / "pid")),
    ]
    for slot, nic in machine.hardware.attached():
        line += ["-netdev", _backend(machine, slot, nic)]
        mac = ":".join(nic.mac[i : i + 2] for i in range(0, 12, 2))
        line += ["-device", f"virtio-net-pci,netdev=nic{slot},id=dev{slot},mac={mac},romfile="]
    return [*line, "-loadvm", load] if load else line


def tap_name(machine: Machine, slot: int) -> str:
    """Name of the host's end of a host-only adapter; the kernel allows 15 characters."""
    return f"vb{machine.uuid.replace('-', '')[:10]}n{slot}"


def _backend(machine: Machine, slot: int, nic: Nic) -> str:
    if nic.kind in ("hostonly", "intnet"):
        return f"tap,id=nic{slot},ifname={tap_name(machine, slot)},script=no,downscript=no"
    # VirtualBox's NAT numbers its networks by slot; QEMU's own defaults are those of the first.
    parts = ["user", f"id=nic{slot}", f"net=10.0.{slot + 1}.0/24"]
    for forward in nic.forwards:
        parts.append(
            f"hostfwd={forward.protocol}:{forward.host}:{forward.host_port}-"
            f"{forward.guest}:{forward.guest_port}"
        )
    return ",".join(parts)


def _escaped(text: Path | str) -> str:
    return str(text).replace(",", ",,")


def start(machine: Machine, folder: Path, load: str = "") -> None:
    """Start the machine; it runs when this returns."""
    (folder / "pid").unlink(missing_ok=True)
    done = subprocess.run(
        command(machine, folder, load),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode:
        (folder / "pid").unlink(missing_ok=True)
        raise Refused(f"The virtual machine '{machine.name}' did not start: {done.stdout.strip()}")


def stop(machine: Machine, folder: Path) -> None:
    """End the machine's process, as pulling the plug does; nothing if it does not run."""
    number = pid(machine, folder)
    if number:
        try:
            with Monitor(folder) as monitor:
                monitor.execute("quit")
        except Refused:
            os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + _END_SECONDS
        while pid(machine, folder):
            if time.monotonic() > deadline:
                os.kill(number, signal.SIGKILL)
            time.sleep(0.02)
    (folder / "pid").unlink(missing_ok=True)
