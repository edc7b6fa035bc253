"""A cache of Docker Hub in the lab: an image that one node has pulled is not downloaded again.

The playbook mirrors puts the cache before all other mirrors, on every node but its own. If the
cache does not answer, the engine uses the other mirrors. Registry 2 downloads a cache miss twice,
once for the client and once for itself, so images that every node needs are better listed in
`images`. The cache has TLS by the lab's own CA. Everybody in the lab's network may read from it, as
from Docker Hub. It keeps images in a named volume for a week.
"""

from typing import Any

from labctl.playbook import (
    Command,
    Container,
    Directory,
    Endpoint,
    File,
    LabSpec,
    Play,
    Plays,
    SecretStore,
    msg,
    quote,
    shell_script,
)

from .settings import Settings

NEEDS = ("hosts", "mirrors")

NAME = "labctl-hub-cache"
FOLDER = "/etc/labctl/hub-cache"
HUB = "https://registry-1.docker.io"


def play(play: Play) -> Plays:
    place = _endpoint(play.lab)
    if place is None:  # one that exists already
        return
    authority = play.secret_store.authority()
    yield File(f"/etc/docker/certs.d/{place.address}/ca.crt", authority.certificate)
    if play.node.name != place.node:
        return
    addresses = [play.node.address] if play.node.address else []
    tls = play.secret_store.certificate("hub-cache", [place.node], addresses)
    yield Directory(FOLDER, mode="0700")
    yield File(f"{FOLDER}/ca.crt", authority.certificate)
    yield File(f"{FOLDER}/tls.crt", tls.certificate)
    yield File(f"{FOLDER}/tls.key", tls.key, mode="0600", secret=True)
    # The image's own list of authorities is as old as the image.
    find = shell_script(__file__, "authorities.sh")
    yield Command(
        msg("give the cache the certificates that this node trusts"),
        # cmp is not part of coreutils.
        check=f'{find}[ "$(cksum <"$file")" = "$(cksum <{FOLDER}/ca-bundle.crt)" ]',
        apply=f'{find}cp -L "$file" {FOLDER}/ca-bundle.crt',
    )
    url = quote(f"https://{place.address}/v2/")
    yield Container(
        NAME,
        play.lab.settings(Settings).hub_cache.image,
        options=(
            # On the node's own network, so that it resolves names as the node does, with its pins.
            *("--network", "host"),
            *("--volume", f"{NAME}:/var/lib/registry"),
            *("--volume", f"{FOLDER}:/certs:ro,z"),
            *("--env", f"REGISTRY_HTTP_ADDR=:{place.port}"),
            *("--env", "REGISTRY_HTTP_TLS_CERTIFICATE=/certs/tls.crt"),
            *("--env", "REGISTRY_HTTP_TLS_KEY=/certs/tls.key"),
            *("--env", f"REGISTRY_PROXY_REMOTEURL={_upstream(play)}"),
            *("--env", "SSL_CERT_FILE=/certs/ca-bundle.crt"),
        ),
        # The client passes the proxy to a container when it creates it.
        reads=(tls.certificate, *(play.proxy.environment.values() if play.proxy else ())),
        ready=f"curl --silent --fail --output /dev/null --cacert {FOLDER}/ca.crt {url}",
    )


def daemon_json(play: Play) -> dict[str, Any]:
    """Return the cache as a mirror, except on the node that runs it.

    That node would download each cache miss twice, and its pulls need no cache.
    """
    place = _endpoint(play.lab)
    if place is not None and place.node == play.node.name:
        return {}
    return {"registry-mirrors": [_url(play.lab)]}


def expected(lab: LabSpec, _: SecretStore) -> dict[str, Any]:
    place = _endpoint(lab)
    return {"node": place.node if place else None, "url": _url(lab)}


def _endpoint(lab: LabSpec) -> Endpoint | None:
    """Return the node and port of the cache; None if lab.yaml names one that exists."""
    cache = lab.settings(Settings).hub_cache
    if cache.url is not None:
        return None
    return Endpoint(cache.node or lab.node_names[0], cache.port)


def _url(lab: LabSpec) -> str:
    """Return the URL by which the nodes use the cache as a mirror."""
    place = _endpoint(lab)
    if place is None:
        return str(lab.settings(Settings).hub_cache.url).rstrip("/")
    return f"https://{place.address}"


def _upstream(play: Play) -> str:
    """Return the upstream in lab.yaml, else the best mirror, which may work if the Hub does not."""
    upstream = play.lab.settings(Settings).hub_cache.upstream
    if upstream:
        return upstream
    chosen = play.lab.docker.mirrors
    mirrors = play.known("mirrors.live") or [] if chosen == "auto" else list(chosen)
    return next((str(mirror) for mirror in mirrors), HUB)
