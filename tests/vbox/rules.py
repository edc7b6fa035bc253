"""Which addresses the host's side of a host-only network may have: VirtualBox's rule since 6.1.28.

Only 192.168.56.0/21 and fe80::/10, unless /etc/vbox/networks.conf lists other ranges: lines with
`*` and ranges between blanks. The file replaces the rule, an empty one included.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

from tests.vbox.errors import DENIED, Refused

NETWORKS_CONF = Path("/etc/vbox/networks.conf")
_DEFAULT = ("192.168.56.0/21", "fe80::/10")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def allowed(conf: Path = NETWORKS_CONF) -> list[Network]:
    """The ranges that are allowed on this host."""
    try:
        text = conf.read_text("utf-8")
    except FileNotFoundError:
        return [ipaddress.ip_network(text) for text in _DEFAULT]
    words = [
        word
        for line in text.splitlines()
        if line.strip().startswith("*")
        for word in line.strip()[1:].split()
    ]
    return [ipaddress.ip_network(word, strict=False) for word in words]


def require_allowed(address: str, conf: Path = NETWORKS_CONF) -> None:
    """Refuse an address as VirtualBox does: with "access denied" only."""
    parsed = ipaddress.ip_address(address)
    if not any(parsed in network for network in allowed(conf)):
        raise Refused(
            f"Code {DENIED} - Access denied (extended info not available)\n"
            'Context: "EnableStaticIPConfig(Bstr(pszIp).raw(), Bstr(pszNetmask).raw())"'
        )
