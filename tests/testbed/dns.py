"""The world's resolvers: the nodes' own, which tests may spoil, and public ones that never lie."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.testbed.errors import TestbedError
from tests.testbed.names import HOSTS, SERVICE_ADDRESS


def command(hosts: Path, addresses: Sequence[str]) -> list[str]:
    """dnsmasq that answers for the names in the hosts file, and knows nothing else (NXDOMAIN)."""
    return [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--user=root",
        "--pid-file=",
        "--no-resolv",
        "--no-hosts",
        "--no-poll",
        "--local-ttl=0",
        "--bind-interfaces",
        "--local=/#/",
        f"--addn-hosts={hosts}",
        *(f"--listen-address={address}" for address in addresses),
    ]


def hosts_text(poisoned: Mapping[str, str], refused: Sequence[str]) -> str:
    """The hosts file: every stand-in host at the service address, but for the spoilt ones."""
    addresses = {host: SERVICE_ADDRESS for host in HOSTS if host not in refused} | dict(poisoned)
    return "".join(f"{address} {host}\n" for host, address in addresses.items())


def ask(server: str, host: str, timeout: float = 1.0) -> str | None:
    """The address that `server` gives for `host` or None; OSError if it is silent."""
    name = b"".join(bytes([len(part)]) + part.encode() for part in host.split(".")) + b"\0"
    query = struct.pack("!HHHHHH", 0x7E57, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect((server, 53))
        sock.send(query)
        answer = sock.recv(512)
    answers = struct.unpack("!H", answer[6:8])[0]
    # One A record is all that these servers give; its address ends the message.
    return socket.inet_ntoa(answer[-4:]) if answers else None


class Faults:
    """The current faults of the nodes' own resolver, stored in the world's folder."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the world's."""
        self.hosts = folder / "hosts"
        self._file = folder / "dns-faults.json"

    def reset(self) -> None:
        """All is well."""
        self._write({}, [])

    def read(self) -> tuple[dict[str, str], list[str]]:
        """The poisoned names with their wrong addresses, and the refused ones."""
        stored = json.loads(self._file.read_text())
        return stored["poisoned"], stored["refused"]

    def refuse(self, host: str) -> None:
        """Answer "no such name" for `host`."""
        poisoned, refused = self.read()
        poisoned.pop(host, None)
        self._write(poisoned, sorted({*refused, host}))

    def poison(self, host: str, address: str) -> None:
        """Answer with a wrong address for `host`."""
        poisoned, refused = self.read()
        self._write({**poisoned, host: address}, [name for name in refused if name != host])

    def wait_until_told(self) -> None:
        """Return once the resolver answers as in the hosts file."""
        poisoned, refused = self.read()
        expected: dict[str, str | None] = dict.fromkeys(HOSTS, SERVICE_ADDRESS)
        expected |= {**dict.fromkeys(refused), **poisoned}
        deadline = time.monotonic() + 5
        while any(ask(SERVICE_ADDRESS, host) != told for host, told in expected.items()):
            if time.monotonic() > deadline:
                raise TestbedError("the nodes' resolver did not take the change")
            time.sleep(0.02)

    def _write(self, poisoned: Mapping[str, str], refused: Sequence[str]) -> None:
        self._file.write_text(json.dumps({"poisoned": poisoned, "refused": refused}))
        fresh = self.hosts.with_suffix(".new")
        fresh.write_text(hosts_text(poisoned, refused))
        fresh.rename(self.hosts)
