"""How to reach a node, from Vagrant's ssh-config or from `machines:` in lab.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.storage import build

CONNECT_TIMEOUT = 20.0
"""Seconds for each step of connecting: TCP connection, banner, authentication, first channel."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a node's sshd is, and who logs in there.

    Parameters:
        name: the node's name; its host key is recorded under this name, not under an address.
        host: host name or address to connect to.
        port: TCP port.
        user: login name; root needs no sudo.
        keys: private key files to offer; none: the keys of the agent and the usual ones in ~/.ssh.
        jump: ``[user@]host[:port]`` of a host to go through; empty: direct.
        proxy: command whose stdin and stdout are the connection, like ssh's ProxyCommand.
        existing: the machine existed before labctl, so the user may know its host key.
    """

    name: str
    host: str
    port: int = 22
    user: str = ""
    keys: tuple[str, ...] = ()
    jump: str = ""
    proxy: str = ""
    existing: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return a mapping that `from_json` reads."""
        return {
            "name": self.name,
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "keys": list(self.keys),
            "jump": self.jump,
            "proxy": self.proxy,
            "existing": self.existing,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Target:
        """Return the target that `as_json` described.

        Raises:
            ValueError: it described none.
        """
        return build(cls, data)

    def ssh_config(self, known_hosts: Path) -> str:
        """Return the Host entry with which OpenSSH reaches this target.

        Parameters:
            known_hosts: the file with the recorded host key, which OpenSSH then requires.
        """
        lines = [
            f"Host {self.name}",
            f"  HostName {self.host}",
            f"  Port {self.port}",
            *([f"  User {self.user}"] if self.user else []),
            f"  HostKeyAlias {self.name}",
            f"  UserKnownHostsFile {_word(str(known_hosts))}",
            "  StrictHostKeyChecking yes",
            *(f"  IdentityFile {_word(key)}" for key in self.keys),
            *(["  IdentitiesOnly yes"] if self.keys else []),
            *([f"  ProxyJump {self.jump}"] if self.jump else []),
            *([f"  ProxyCommand {self.proxy}"] if self.proxy else []),
            "  LogLevel ERROR",
        ]
        return "\n".join(lines) + "\n"


def ssh_config(targets: Iterable[Target], known_hosts: Path) -> str:
    """Return the text of an ssh_config with an entry for each target."""
    return "\n".join(target.ssh_config(known_hosts) for target in targets)


def _word(text: str) -> str:
    """Return a path as one argument of ssh_config.

    Quotes protect spaces and apostrophes; an apostrophe alone would begin a quotation, and a number
    sign a comment. %% means %.
    """
    text = text.replace("%", "%%")
    return f'"{text}"' if re.search(r"[\s'#]", text) else text


def parse_config(text: str) -> list[Target]:
    """Return the targets in the output of `vagrant ssh-config`.

    Lines outside a Host entry are ignored, such as warnings that Vagrant mixes into its output. All
    IdentityFile lines of a host are kept.

    Parameters:
        text: ssh_config text.

    Returns:
        A target for each Host, in order.
    """
    entries: list[dict[str, list[str]]] = []
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if key == "Host" and value:
            entries.append({"Host": [value.strip()]})
        elif entries and key.isalpha() and line.startswith(" "):
            entries[-1].setdefault(key, []).append(value.strip())
    return [
        Target(
            name=entry["Host"][0],
            host=entry.get("HostName", entry["Host"])[0],
            port=int(entry.get("Port", ["22"])[0]),
            user=entry.get("User", [""])[0],
            keys=tuple(_unquoted(value) for value in entry.get("IdentityFile", [])),
            proxy=entry.get("ProxyCommand", [""])[0],
        )
        for entry in entries
    ]


def _unquoted(value: str) -> str:
    """Return a path without quotes; a backslash in a Windows path is kept."""
    if value[:1] in ("'", '"'):
        return value.strip("\"'")
    return value
