"""The world's first process, and its guardian on the host.

The first process is number 1 of a PID namespace and owns a network and a mount namespace: when it
ends, however it ends, the kernel kills all others in it, and the mounts, bridges and addresses go
with the namespaces. What the kernel does not take away (folders) is the guardian's, which waits
outside.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path

from tests.testbed import cgroups, libvirt, namespaces, stages, state
from tests.testbed.cache import Cache
from tests.testbed.errors import TestbedError
from tests.testbed.names import BRIDGE, PUBLIC_RESOLVERS, SERVICE_ADDRESS
from tests.testbed.services import Service, all_services
from tests.testbed.shell import run
from tests.testbed.sources import overrides

_READY_SECONDS = 30


def main() -> None:
    """Be the guardian of the world named by the first argument."""
    name = sys.argv[1]
    place = state.folder(name)
    artefacts = stages.cache()
    held = artefacts.hold()
    namespaces.unshare(namespaces.NEW_PID)
    pid = os.fork()
    if pid == 0:
        try:
            namespaces.die_with_parent()
            First(name, place, artefacts).start()
        except TestbedError as problem:
            (place / "failure").write_text(str(problem))
        except BaseException:
            (place / "failure").write_text(traceback.format_exc())
        os._exit(1)
    state.record_process(place, pid)
    namespaces.wait_status(pid)
    clear(name)
    for handle in held:
        handle.close()


def clear(name: str) -> None:
    """Remove what a dead world left: control groups, and its folder unless that tells a failure."""
    cgroups.remove(name)
    place = state.folder(name)
    if (place / "failure").exists():
        for entry in place.iterdir():
            if entry.name not in ("failure", "logs"):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    else:
        shutil.rmtree(place, ignore_errors=True)
        with contextlib.suppress(OSError):  # another world's folder is in it
            state.ROOT.rmdir()


class First:
    """Process 1: sets the namespaces up, starts the services, buries the dead, takes requests."""

    def __init__(self, name: str, place: Path, artefacts: Cache) -> None:
        """Nothing is done until `start`."""
        self.name = name
        self.place = place
        self.artefacts = artefacts
        self.services: dict[str, Service] = {}
        self.pids: dict[str, int] = {}
        # Of the code that runs here, which may be edited while the world starts.
        self.version = stages.version(artefacts)
        self._dead: set[int] = set()
        self._buried = threading.Condition()

    def start(self) -> None:
        """Bring the world up, record it in state.json, and run until killed."""
        namespaces.unshare(namespaces.NEW_NET | namespaces.NEW_MOUNT)
        self._mounts()
        self._network()
        folder = self.artefacts.folder
        services = all_services(
            self.place, folder("keys"), folder("repository"), folder("images") / "registry"
        )
        self.services = {service.name: service for service in services}
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        threading.Thread(target=self._bury, daemon=True).start()
        for service in services:
            self._spawn(service)
        for service in services:
            self._wait_ready(service)
        control = socket.socket(socket.AF_UNIX)
        control.bind(str(self.place / "control"))
        control.listen()
        state.write(
            self.place,
            state.State(
                name=self.name,
                service_address=SERVICE_ADDRESS,
                network=state.network_identity(),
                version=self.version,
                guest=folder("guest") / "root",
                keys=folder("keys"),
                box=folder("box"),
                sources=overrides(folder("keys"), folder("compose")),
            ),
        )
        while True:
            connection, _ = control.accept()
            with connection, connection.makefile("rw") as stream:
                self._answer(stream.readline(), stream.write)

    def _mounts(self) -> None:
        proc, sys_, groups = Path("/proc"), Path("/sys"), Path("/sys/fs/cgroup")
        namespaces.mount("proc", proc)
        # sysfs shows the network namespace it was mounted in; the control groups move over. The old
        # one has to go, and not only be covered: libvirt reads the list of mounts.
        kept = self.place / "cgroup"
        kept.mkdir()
        namespaces.bind(groups, kept, recursive=True)
        run("umount", "--recursive", "--lazy", sys_)
        namespaces.mount("sysfs", sys_)
        namespaces.bind(kept, groups, recursive=True)
        run("umount", "--recursive", "--lazy", kept)
        for folder in (Path("/run/netns"), Path("/run/systemd/nspawn")):
            namespaces.mount("tmpfs", folder)
        resolver = self.place / "resolv.conf"
        resolver.write_text(f"nameserver {SERVICE_ADDRESS}\n")
        namespaces.bind(resolver, Path("/etc/resolv.conf").resolve())
        libvirt.prepare(self.place)

    def _network(self) -> None:
        run("ip", "link", "set", "lo", "up", "multicast", "on")
        run("ip", "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "stp_state", "0")
        run("ip", "address", "add", f"{SERVICE_ADDRESS}/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        for address in PUBLIC_RESOLVERS:
            run("ip", "address", "add", f"{address}/32", "dev", "lo")

    def _spawn(self, service: Service) -> None:
        log = str(self.place / "logs" / f"{service.name}.log")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with self._buried:  # or the burial might come before the name and be taken for another's
            pid = os.posix_spawnp(
                service.command[0],
                service.command,
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
                setsigmask=(),
            )
            self._dead.discard(pid)
            self.pids[service.name] = pid

    def _wait_ready(self, service: Service) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not service.ready():
            gone = self.pids[service.name] in self._dead
            if gone or time.monotonic() > deadline:
                what = "ended at once" if gone else f"does not answer after {_READY_SECONDS} s"
                log = self.place / "logs" / f"{service.name}.log"
                raise TestbedError(
                    f"the world's service “{service.name}” {what}; its log is {log}:\n"
                    + "\n".join(log.read_text(errors="replace").splitlines()[-10:])
                )
            time.sleep(0.02)

    def _bury(self) -> None:
        """Collect every process that ends: orphans come to process 1."""
        while True:
            signal.sigwait({signal.SIGCHLD})
            while True:
                try:
                    pid, _ = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    break
                if not pid:
                    break
                with self._buried:
                    self._dead.add(pid)
                    self._buried.notify_all()

    def _answer(self, line: str, reply: object) -> None:
        assert callable(reply)
        try:
            request = json.loads(line)
            service = self.services.get(request["service"])
            if not service:
                raise TestbedError(f"a world has no service “{request['service']}”")
            getattr(self, f"_do_{request['do']}")(service)
            reply(json.dumps({"error": None}) + "\n")
        except (TestbedError, ValueError, KeyError, AttributeError) as problem:
            reply(json.dumps({"error": str(problem)}) + "\n")

    def _do_start(self, service: Service) -> None:
        if self._is_dead(service):
            self._spawn(service)
        self._wait_ready(service)

    def _do_stop(self, service: Service) -> None:
        if self._is_dead(service):
            return
        pid = self.pids[service.name]
        for sent in (signal.SIGTERM, signal.SIGKILL):
            os.killpg(pid, sent)
            with self._buried:
                if self._buried.wait_for(lambda: pid in self._dead, 5):
                    return

    def _do_reload(self, service: Service) -> None:
        os.kill(self.pids[service.name], signal.SIGHUP)

    def _is_dead(self, service: Service) -> bool:
        return self.pids[service.name] in self._dead


if __name__ == "__main__":
    main()
