"""A private registry on one node, for the whole lab.

It has TLS by the lab's own CA, a login, and a volume. The CA's certificate goes to
/etc/docker/certs.d on every node, so that engines trust this registry and trust nothing else
because of it. Pushed images are in a named volume of the node, which stays if the container is
removed; `docker volume rm labctl-registry` removes them.
"""

from typing import Any

from labctl.playbook import (
    Container,
    Directory,
    File,
    LabSpec,
    PeerQuery,
    Play,
    Plays,
    RegistryLogin,
    SecretStore,
    shell_script,
)

from .access import credential, endpoint
from .settings import Settings

NEEDS = ("hosts",)

NAME = "labctl-registry"
FOLDER = "/etc/labctl/registry"


def play(play: Play) -> Plays:
    place = endpoint(play.lab)
    authority = play.secret_store.authority()
    login = credential(play.lab, play.secret_store)
    yield File(f"/etc/docker/certs.d/{place.address}/ca.crt", authority.certificate)

    answers = shell_script(
        __file__, "answers.sh", address=place.address, authority=f"{FOLDER}/ca.crt"
    )
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
            play.lab.settings(Settings).registry.image,
            options=(
                *("--publish", f"{place.port}:5000"),
                *("--volume", f"{NAME}:/var/lib/registry"),
                # z: SELinux, if an engine uses it, lets the container read the folder.
                *("--volume", f"{FOLDER}:/certs:ro,z"),
                *("--env", "REGISTRY_HTTP_TLS_CERTIFICATE=/certs/tls.crt"),
                *("--env", "REGISTRY_HTTP_TLS_KEY=/certs/tls.key"),
                *("--env", "REGISTRY_AUTH=htpasswd"),
                *("--env", "REGISTRY_AUTH_HTPASSWD_REALM=lab"),
                *("--env", "REGISTRY_AUTH_HTPASSWD_PATH=/certs/htpasswd"),
                *("--env", "REGISTRY_STORAGE_DELETE_ENABLED=true"),
            ),
            reads=(tls.certificate, login.hash),
            ready=answers,
        )
    # Students push and pull without a login of their own; they may still try `docker logout`.
    query = None if here else PeerQuery(place.node, "registry", answers)
    for user in dict.fromkeys((play.user, "root")):
        yield RegistryLogin(user, place.address, login.user, login.password, query)


def expected(lab: LabSpec, secrets: SecretStore) -> dict[str, Any]:
    place, login = endpoint(lab), credential(lab, secrets)
    return {
        "node": place.node,
        "address": place.address,
        "user": login.user,
        "password": login.password,
    }
