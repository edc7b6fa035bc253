"""Names and addresses that exist in a world; everything else does not resolve or does not answer.

The dead ones matter as much: mirrorlist.centos.org has no record, as in the real world, so the
repositories of a fresh node fail until someone repairs them.
"""

from __future__ import annotations

# Registry mirrors that answer. docker.m.daocloud.io and the others of labctl's list are dead here.
MIRRORS = ("docker.1ms.run", "mirror.lab")
HUB = "registry-1.docker.io"
HOSTS = (
    "vault.centos.org",
    "download.docker.com",
    "github.com",
    HUB,
    "auth.docker.io",
    "production.cloudflare.docker.com",
    *MIRRORS,
)

SERVICE_ADDRESS = "10.77.0.1"
NODE_NETWORK = "10.77.0.0/24"
BRIDGE = "labctl0"
# Resolvers outside the lab; they always tell the truth, whatever the nodes' own resolver says.
PUBLIC_RESOLVERS = ("114.114.114.114", "192.0.2.53")
# The one box that a world's Vagrant knows.
BOX = "centos/7"
BOX_VERSION = "2004.01"
