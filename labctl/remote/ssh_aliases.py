"""What the user's own ssh configuration says of a machine that lab.yaml lists.

A teacher writes the name that `ssh` knows. OpenSSH reads its own configuration best, so `ssh -G`
is run; where there is no ssh or no configuration, names are as they are. Keys of lab.yaml win.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from labctl.remote.target import Target

_PATIENCE = 10.0
"""Seconds that ssh may take; a `Match exec` of the user's runs a program."""


def configuration() -> Path:
    """Return the user's ssh configuration, which may not exist."""
    return Path("~/.ssh/config").expanduser()


def resolve(targets: Sequence[Target], given: Sequence[frozenset[str]]) -> list[Target]:
    """Return targets with what the user's ssh configuration adds to them.

    Parameters:
        targets: machines of lab.yaml.
        given: for each, which of port, user, key and jump lab.yaml sets.
    """
    ssh = shutil.which("ssh")
    if ssh is None or not configuration().is_file():
        return list(targets)
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda target, keys: _resolved(ssh, target, keys), targets, given))


def _resolved(ssh: str, target: Target, given: frozenset[str]) -> Target:
    user = target.user if "user" in given else ""
    found = _ask(ssh, target.host, user, "-F", str(configuration()))
    usual = _ask(ssh, target.host, user, "-F", "none")
    if not found or not usual:
        return target
    own = {key: values for key, values in found.items() if values != usual.get(key)}
    changed: dict[str, object] = {}
    if "hostname" in own:
        changed["host"] = own["hostname"][0]
    if "port" in own and "port" not in given:
        changed["port"] = int(own["port"][0])
    if "user" in own and "user" not in given:
        changed["user"] = own["user"][0]
    if "identityfile" in own and "key" not in given:
        changed["keys"] = tuple(own["identityfile"])
    if "jump" not in given:
        if "proxyjump" in own and own["proxyjump"] != ["none"]:
            changed["jump"] = own["proxyjump"][0]
        elif "proxycommand" in own and own["proxycommand"] != ["none"]:
            changed["proxy"] = own["proxycommand"][0]
    jump = str(changed.get("jump", target.jump))
    if jump:
        changed["jump"] = _jump(ssh, jump)
    return replace(target, **changed) if changed else target  # type: ignore[arg-type]


def _jump(ssh: str, jump: str) -> str:
    """Return a jump host with what the configuration says of it; several in a row stay."""
    parts = re.fullmatch(r"(?:([^@,]+)@)?([^:,@]+)(?::(\d+))?", jump)
    if parts is None:
        return jump
    user, host, port = parts.groups()
    found = _ask(ssh, host, "", "-F", str(configuration()))
    usual = _ask(ssh, host, "", "-F", "none")
    own = {key: values[0] for key, values in found.items() if values != usual.get(key)}
    user, port = user or own.get("user"), port or own.get("port")
    return f"{f'{user}@' if user else ''}{own.get('hostname', host)}{f':{port}' if port else ''}"


def _ask(ssh: str, host: str, user: str, *options: str) -> Mapping[str, list[str]]:
    """Return what `ssh -G` prints for a host; empty if it fails.

    Parameters:
        ssh: the program.
        host: the name.
        user: who logs in, for `Match user`; empty: as configured.
        options: of ssh.
    """
    try:
        done = subprocess.run(
            [ssh, *options, *(["-l", user] if user else []), "-G", host],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found
