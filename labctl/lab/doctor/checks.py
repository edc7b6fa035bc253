"""The doctor's checks; each is a function of a host and a lab and changes nothing.

A provider's own checks are in its module in `labctl.machines`; checks of the surroundings (other
networks, labs, firewalls) are in `environment`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from labctl.machines import providers
from labctl.machines.finding import Finding, Level, version
from labctl.machines.host import Host
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec

OK, WARN, FAIL, SKIPPED = Level.OK, Level.WARN, Level.FAIL, Level.SKIPPED

BOX_MIB, NODE_MIB = 3000, 3000
"""Size of an unpacked box, and of a node's disk with an engine and some images."""


def vagrant(host: Host) -> Finding:
    """Check Vagrant."""
    what = "Vagrant"
    if host.which("vagrant") is None:
        return Finding(
            FAIL,
            what,
            "not installed",
            "install it from https://developer.hashicorp.com/vagrant/install",
        )
    said = host.output("vagrant", "--version")
    if not version(said):
        return Finding(FAIL, what, "`vagrant --version` fails", "run it to see the error")
    return Finding(OK, what, (said or "").splitlines()[-1])


def virtualization(host: Host, provider: str) -> Finding:
    """Check whether the processor can virtualize."""
    what = msg("virtualization")
    offered = host.virtualization()
    if offered is None:
        return Finding(SKIPPED, what, "unknown: this system does not report it")
    if offered:
        return Finding(OK, what, "supported by the processor")
    turn_on = msg(
        "turn on VT-x or AMD-V in the firmware, or nested virtualization in a virtual machine"
    )
    without = providers.get(provider).without_virtualization()
    if without:
        return Finding(WARN, what, without, turn_on)
    return Finding(FAIL, what, "not supported by the processor", turn_on)


def memory(host: Host, lab: LabSpec) -> Finding:
    """Compare the nodes' memory with this computer's."""
    what = msg("memory")
    needed = sum(node.memory for node in lab.lab_nodes)
    found = host.memory()
    if found is None:
        return Finding(SKIPPED, what, "unknown: this system does not report it")
    whole, free = found
    nodes = msg("the nodes need {needed} MiB", needed=needed)
    remedy = msg("reduce the nodes or their `memory` in lab.yaml, or close other programs")
    if needed > whole:
        return Finding(
            FAIL,
            what,
            msg("{nodes}; this computer has {whole} MiB", nodes=nodes, whole=whole),
            remedy,
        )
    if needed > free:
        return Finding(
            WARN,
            what,
            msg("{nodes}; {free} of {whole} MiB are free", nodes=nodes, free=free, whole=whole),
            remedy,
        )
    return Finding(OK, what, msg("{nodes}; {free} MiB are free", nodes=nodes, free=free))


def disk(host: Host, lab: LabSpec, provider: str = "") -> Finding:
    """Compare the size of boxes and disks with the free space of the home folder."""
    what = msg("disk")
    free = host.disk()
    if free is None:
        return Finding(
            SKIPPED, what, "unknown: the file system of the home folder does not report it"
        )
    box = 0 if host.has_box(lab.box.name, lab.box.pinned_version, provider) else BOX_MIB
    needed = box + NODE_MIB * len(lab.lab_nodes)
    line = msg(
        "the lab needs up to {needed} MiB; {free} MiB are free in the home folder",
        needed=needed,
        free=free,
    )
    if free < needed:
        return Finding(WARN, what, line, "free disk space; `vagrant box prune` removes old boxes")
    return Finding(OK, what, line)


def box(host: Host, lab: LabSpec, provider: str = "", *, offline: bool) -> Finding:
    """Check the box, or its download address."""
    what = msg("box {box}", box=lab.box.name)
    if host.has_box(lab.box.name, lab.box.pinned_version, provider):
        return Finding(OK, what, "available")
    pinned = lab.box.pinned_version
    if pinned is not None and host.has_box(lab.box.name, "0", provider):
        return Finding(
            FAIL,
            what,
            msg(
                "it was added by hand as version 0, but the lab needs {version}",
                version=pinned,
            ),
            msg('set box in lab.yaml: {{name: {name}, version: "0"}}', name=lab.box.name),
        )
    url = lab.box.url or f"https://vagrantcloud.com/{lab.box.name}"
    if not url.startswith(("http://", "https://")):
        return Finding(OK, what, msg("will be added from {url}", url=url))
    if offline:
        return Finding(
            SKIPPED,
            what,
            msg("not checked because of --offline; will be downloaded from {url}", url=url),
        )
    problem = host.reach(url)
    if problem:
        remedy = msg("check the network, or set a mirror with `box: {url: …}` in lab.yaml")
        return Finding(FAIL, what, msg("{what}: {why}", what=url, why=problem), remedy)
    return Finding(OK, what, msg("will be downloaded from {url}", url=url))


def programs(host: Host) -> Finding:
    """Check the program that `labctl ssh` starts."""
    if host.which("ssh"):
        return Finding(OK, "ssh", "installed")
    remedy = msg("install the OpenSSH client")
    return Finding(WARN, "ssh", "`labctl ssh` cannot open a shell without it", remedy)


def endpoints(lab: LabSpec) -> list[tuple[str, str, str, Level]]:
    """Return (what, URL, key of lab.yaml, level if it fails) of each download of the nodes."""
    sources, tools = lab.sources, lab.resolved_toolchain
    docker = sources.docker.baseurl.replace("$basearch", "x86_64").rstrip("/")
    found = [
        ("packages", f"{sources.vault.baseurl.rstrip('/')}/os/x86_64/repodata/repomd.xml",
         "sources.vault.baseurl", FAIL),
        ("docker packages", f"{docker}/repodata/repomd.xml", "sources.docker.baseurl", FAIL),
        ("docker key", sources.docker.key, "sources.docker.key", FAIL),
    ]  # fmt: skip
    if tools.compose is not None:
        url = sources.compose.url.replace("{version}", tools.compose)
        found.append(("docker-compose", url, "sources.compose.url", FAIL))
    # Mirrors come and go; labctl measures them from a node and skips dead ones.
    mirrors = sources.mirrors if lab.docker.mirrors == "auto" else lab.docker.mirrors
    key = "sources.mirrors" if lab.docker.mirrors == "auto" else "docker.mirrors"
    found += [("mirror", f"{mirror.rstrip('/')}/v2/", key, WARN) for mirror in mirrors]
    return [item for item in found if item[1].startswith(("http://", "https://"))]


def reachable(host: Host, lab: LabSpec) -> Iterator[Finding]:
    """Probe every endpoint at once."""
    wanted = endpoints(lab)
    with ThreadPoolExecutor(max_workers=max(1, len(wanted))) as pool:
        problems = list(pool.map(host.reach, [url for _, url, _, _ in wanted]))
    for (what, url, key, level), problem in zip(wanted, problems, strict=True):
        if problem:
            yield Finding(
                level,
                what,
                msg("{what}: {why}", what=url, why=problem),
                msg("set {key} in lab.yaml to another mirror", key=key),
            )
        else:
            yield Finding(OK, what, msg("{url} answers", url=url))
