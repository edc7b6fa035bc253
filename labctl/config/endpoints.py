"""Where packages, programs and images come from by default.

These endpoints worked when they were recorded, and some will disappear, as CentOS 7's own did and
every Docker Hub mirror of the original course. No other module of labctl names one of them, and
`sources` in lab.yaml overrides each.
"""

from __future__ import annotations

# The vault has to be https: over http it has answered 301, and EL7's yum does not follow that.
VAULT_BASEURL = "https://vault.centos.org/7.9.2009"
VAULT_KEY = "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7"
VAULT_FINGERPRINT = "6341AB2753D78A78A7C27BB124C6A8A7F4A80EB5"

DOCKER_BASEURL = "https://download.docker.com/linux/centos/7/$basearch/stable"
DOCKER_KEY = "https://download.docker.com/linux/centos/gpg"
DOCKER_FINGERPRINT = "060A61C51B558A7F742B77AAC52FEB6B621E9F35"

COMPOSE_URL = (
    "https://github.com/docker/compose/releases/download/{version}/docker-compose-Linux-x86_64"
)
COMPOSE_SHA256 = {
    "1.25.5": "1cb7ecccc17c8d5f1888f9e2b3211b07e35c86d0010a6c0f711fe65ef5b69528",
    "1.29.2": "f3f10cf3dbb8107e9ba2ea5f23c1d2159ff7321d16f0a23051d68d8e2547b323",
}

# A public resolver that answers inside China, queried only if the node's own does not answer.
RESOLVER = "114.114.114.114"
# Reported to work in June 2026. They change often, so labctl probes them from each node and keeps
# those that answer.
MIRRORS = (
    "https://docker.1ms.run",
    "https://docker.m.daocloud.io",
    "https://docker.1panel.live",
    "https://dockerproxy.net",
)
# One name is not enough: tokens come from the second, layers from the third.
HUB_HOSTS = ("registry-1.docker.io", "auth.docker.io", "production.cloudflare.docker.com")
