"""A private registry on one node, for the whole lab: TLS by the lab's own CA, a password, a volume.

The CA's certificate goes to /etc/docker/certs.d of every node, so engines believe this registry and
nothing else is believed because of it. What was pushed is in a named volume of the node, which
stays when the container is removed: `docker volume rm labctl-registry` is what forgets it.
"""

from labctl.playbook import Container, Directory, File, PeerQuery, Play, Plays, RegistryLogin, quote
from labctl.provision import lab_services

NEEDS = ("hosts",)

NAME = "labctl-registry"
FOLDER = "/etc/labctl/registry"


def play(play: Play) -> Plays:
    place, settings = lab_services.registry(play.lab), play.lab.registry
    authority = play.secret_store.authority()
    login = play.secret_store.credential("registry", settings.user, settings.password)
    yield File(f"/etc/docker/certs.d/{place.address}/ca.crt", authority.certificate)

    here = play.node.name == place.node
    if here:
        addresses = [play.node.address] if play.node.address else []
        tls = play.secret_store.certificate("registry", [place.node], addresses)
        yield Directory(FOLDER, mode="0700")
        yield File(f"{FOLDER}/ca.crt", authority.certificate)
        yield File(f"{FOLDER}/tls.crt", tls.certificate)
        yield File(f"{FOLDER}/tls.key", tls.key, mode="0600", secret=True)
        yield File(f"{FOLDER}/htpasswd", login.htpasswd, mode="0600", secret=True)
        yield Container(
            NAME,
            settings.image,
            options=(
                *("--publish", f"{place.port}:5000"),
                *("--volume", f"{NAME}:/var/lib/registry"),
                # z: SELinux, where an engine uses it, lets the container read the folder.
                *("--volume", f"{FOLDER}:/certs:ro,z"),
                *("--env", "REGISTRY_HTTP_TLS_CERTIFICATE=/certs/tls.crt"),
                *("--env", "REGISTRY_HTTP_TLS_KEY=/certs/tls.key"),
                *("--env", "REGISTRY_AUTH=htpasswd"),
                *("--env", "REGISTRY_AUTH_HTPASSWD_REALM=lab"),
                *("--env", "REGISTRY_AUTH_HTPASSWD_PATH=/certs/htpasswd"),
                *("--env", "REGISTRY_STORAGE_DELETE_ENABLED=true"),
            ),
            reads=(tls.certificate, login.hash),
            ready=_answers(place),
        )
    # Students' shells push and pull without a word; `docker logout` is theirs to try.
    query = None if here else PeerQuery(place.node, "registry", _answers(place))
    for user in dict.fromkeys((play.user, "root")):
        yield RegistryLogin(user, place.address, login.user, login.password, query)


def _answers(place: lab_services.Endpoint) -> str:
    """Succeed if the registry, asked on its own node, wants a password."""
    url = quote(f"https://{place.address}/v2/")
    return (
        f"code=$(curl --silent --output /dev/null --max-time 10 --cacert {FOLDER}/ca.crt"
        f" --resolve {quote(place.address)}:127.0.0.1 --write-out '%{{http_code}}' {url})\n"
        '[ "$code" = 401 ] || { echo "it answers $code, and not 401"; exit 1; }'
    )
