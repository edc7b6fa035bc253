"""Installed Vagrant plugins, and what synced folders need on this computer.

This module reads Vagrant's folders, because `vagrant plugin list` takes more than a second.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from labctl.messages import msg

SHARED = Path("/usr/share")
"""Where Debian's and Fedora's packages install plugins."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed plugin.

    Parameters:
        version: empty if unknown.
        ruby: version of the Ruby that it was installed for; empty if unknown.
    """

    version: tuple[int, ...] = ()
    ruby: tuple[int, ...] = ()


def find(
    name: str, environment: Mapping[str, str] = os.environ, shared: Path = SHARED
) -> Plugin | None:
    """Return a plugin, None if it is not installed."""
    home = Path(environment.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")
    for folder in sorted((home / "gems").glob(f"*/gems/{name}-[0-9]*"), reverse=True):
        # ~/.vagrant.d/gems/3.3.6/gems/NAME-0.32.0
        return Plugin(_numbers(folder.name[len(name) + 1 :]), _numbers(folder.parents[1].name))
    gems = shared / "rubygems-integration"
    packaged = (
        *gems.glob(f"*/gems/{name}-[0-9]*"),
        *gems.glob(f"*/specifications/{name}-[0-9]*.gemspec"),
        *(shared / "vagrant" / "gems" / "gems").glob(f"{name}-[0-9]*"),
    )
    for place in packaged:
        return Plugin(_numbers(place.name[len(name) + 1 :]))
    if any((shared / "vagrant-plugins" / "plugins.d").glob(f"{name}*")):
        return Plugin()
    return None


def additions_work(environment: Mapping[str, str] = os.environ, shared: Path = SHARED) -> bool:
    """Return whether vagrant-vbguest, if installed, can install Guest Additions.

    Its last version calls a method that Ruby 3.2 removed. If the Ruby version is unknown, the
    Vagrantfile checks it.
    """
    plugin = find("vagrant-vbguest", environment, shared)
    return plugin is None or not plugin.ruby or plugin.ruby < (3, 2)


def missing(
    kind: str,
    environment: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    shared: Path = SHARED,
) -> tuple[str, str] | None:
    """Return (what is missing, what to do) for synced folders of a type, None if nothing.

    Parameters:
        kind: the resolved type, not ``auto``.
        environment: where PATH and VAGRANT_HOME are looked up.
        platform: as `sys.platform` has it.
        shared: where the system keeps plugins.
    """
    path = environment.get("PATH")
    if kind == "rsync" and shutil.which("rsync", path=path) is None:
        if platform == "win32":
            return (
                msg("rsync is not on PATH"),
                msg(
                    "install rsync with MSYS2 or Cygwin and add it to PATH, or "
                    "remove the folder from lab.yaml and copy with `labctl scp`"
                ),
            )
        return msg("rsync is not on PATH"), msg("install rsync, or copy with `labctl scp`")
    if kind == "sshfs" and find("vagrant-sshfs", environment, shared) is None:
        return (
            msg("Vagrant's plugin vagrant-sshfs is not installed"),
            msg("run `vagrant plugin install vagrant-sshfs`, or use type rsync"),
        )
    if kind == "nfs":
        return _missing_nfs(environment, platform, shared)
    return None


def _missing_nfs(
    environment: Mapping[str, str], platform: str, shared: Path
) -> tuple[str, str] | None:
    if platform == "win32":
        if find("vagrant-winnfsd", environment, shared):
            return None
        return (
            msg("NFS on Windows needs the plugin vagrant-winnfsd"),
            msg("run `vagrant plugin install vagrant-winnfsd`, or use another type"),
        )
    if platform == "darwin":  # it brings its own
        return None
    path = os.pathsep.join((environment.get("PATH", ""), "/usr/sbin", "/sbin"))
    if shutil.which("exportfs", path=path):
        return None
    return (
        msg("this computer has no NFS server: exportfs is missing"),
        msg("install nfs-kernel-server or nfs-utils"),
    )


def installed(
    environment: Mapping[str, str] = os.environ, shared: Path = SHARED
) -> Iterator[tuple[str, Plugin]]:
    """Yield the installed plugins that labctl supports."""
    for name in ("vagrant-libvirt", "vagrant-vbguest", "vagrant-sshfs"):
        plugin = find(name, environment, shared)
        if plugin is not None:
            yield name, plugin


def _numbers(text: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
