"""What a kit changes in a lab: keys of lab.yaml, so that all playbooks stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl.kit.folder import Kit
from labctl.kit.server import URL

if TYPE_CHECKING:
    from labctl.config.model import LabSpec

RPMS = "rpms"
VAULT = f"{RPMS}/centos"
DOCKER = f"{RPMS}/docker"
COMPOSE = "compose/{version}/docker-compose-Linux-x86_64"
KEYS = "keys"


def overrides(kit: Kit | None, spec: LabSpec) -> dict[str, Any]:
    """Return the values that a kit overrides, by key of lab.yaml.

    Parameters:
        kit: where everything comes from; None: it cannot be read now, as for a stick that is not
            plugged in. Then nodes cannot download anything, but can be stopped and removed.
        spec: the lab as lab.yaml describes it.
    """
    found: dict[str, Any] = {
        "sources.vault.baseurl": f"{URL}/{VAULT}",
        "sources.docker.baseurl": f"{URL}/{DOCKER}",
        "sources.compose.url": f"{URL}/{COMPOSE}",
        # An engine takes a mirror on its loopback address without TLS.
        "docker.mirrors": [URL],
        # Nodes need no address of Docker Hub, and could not look one up.
        "sources.hub_hosts": [],
    }
    if "proxy" in type(spec).model_fields:
        found["proxy"] = None  # nodes would ask it for the kit
    downloads = kit.manifest.downloads if kit else {}
    for name in ("vault", "docker"):
        place = downloads.get(getattr(spec.sources, name).key)
        if place is not None:
            found[f"sources.{name}.key"] = f"{URL}/{place}"
    return found
