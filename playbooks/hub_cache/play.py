"""A cache of Docker Hub in the lab: what one node has pulled comes over the uplink no more.

The playbook mirrors puts it before all other mirrors of the other nodes; where it does not answer,
the engine goes on to those. What it has not got it fetches twice, once for the one who asks and
once for itself: registry 2 is made so. What every node needs is better listed in `images`. It
speaks TLS by the lab's own CA, and anybody in the lab's network may read from it, as from Docker
Hub. What it has is kept in a named volume for a week.
"""

from labctl.playbook import Command, Container, Directory, File, Play, Plays, quote
from labctl.provision import lab_services

NEEDS = ("hosts", "mirrors")

NAME = "labctl-hub-cache"
FOLDER = "/etc/labctl/hub-cache"
HUB = "https://registry-1.docker.io"
# Where distributions keep the certificates that they believe: CentOS, and Debian.
BUNDLES = "/etc/pki/tls/certs/ca-bundle.crt /etc/ssl/certs/ca-certificates.crt"


def play(play: Play) -> Plays:
    place, settings = lab_services.hub_cache(play.lab), play.lab.hub_cache
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
    # The image has a list of its own, which is as old as the image.
    bundle = f'for file in {BUNDLES}; do if [ -e "$file" ]; then break; fi; done'
    yield Command(
        "give the cache the certificates that this node trusts",
        # cmp is no part of coreutils.
        check=f'{bundle}; [ "$(cksum <"$file")" = "$(cksum <{FOLDER}/ca-bundle.crt)" ]',
        apply=f'{bundle}; cp -L "$file" {FOLDER}/ca-bundle.crt',
    )
    url = quote(f"https://{place.address}/v2/")
    yield Container(
        NAME,
        settings.image,
        options=(
            # The node's own network: so it resolves names as the node does, pins in /etc/hosts too.
            *("--network", "host"),
            *("--volume", f"{NAME}:/var/lib/registry"),
            *("--volume", f"{FOLDER}:/certs:ro,z"),
            *("--env", f"REGISTRY_HTTP_ADDR=:{place.port}"),
            *("--env", "REGISTRY_HTTP_TLS_CERTIFICATE=/certs/tls.crt"),
            *("--env", "REGISTRY_HTTP_TLS_KEY=/certs/tls.key"),
            *("--env", f"REGISTRY_PROXY_REMOTEURL={_upstream(play)}"),
            *("--env", "SSL_CERT_FILE=/certs/ca-bundle.crt"),
        ),
        reads=(tls.certificate,),
        ready=f"curl --silent --fail --output /dev/null --cacert {FOLDER}/ca.crt {url}",
    )


def _upstream(play: Play) -> str:
    """What lab.yaml says, else the best of the mirrors, which are there where the Hub is not."""
    if play.lab.hub_cache.upstream:
        return play.lab.hub_cache.upstream
    chosen = play.lab.docker.mirrors
    mirrors = play.known("mirrors.live") or [] if chosen == "auto" else list(chosen)
    return next((str(mirror) for mirror in mirrors), HUB)
