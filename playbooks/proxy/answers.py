"""Does the proxy answer? Tried from the node before the first change."""

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from labctl.playbook import (
    PROXY_FILE,
    Findings,
    Observed,
    Obstacle,
    ProxyAddress,
    ProxySettings,
    msg,
    quote,
    shell_script,
)

from . import wanted

# Exit codes of curl.
_NO_SUCH_PROXY, _REFUSED, _SLOW = 5, 7, 28
_BROKEN = (52, 56)
_LOGIN = 407


@dataclass(frozen=True, slots=True)
class ProxyAnswers:
    """Reaches a server through each proxy, unless the node has these proxies already.

    Parameters:
        proxies: those of the lab.
        urls: of the servers that the nodes download from.
    """

    proxies: ProxySettings = field(repr=False)
    urls: tuple[str, ...]

    @property
    def id(self) -> str:
        return "preflight:proxy"

    @property
    def what(self) -> str:
        return msg("proxy")

    @property
    def at_first_contact(self) -> bool:
        return False

    def probe(self) -> str:
        text = wanted.content(self.proxies.environment)
        tries = "\n".join(
            f"try {scheme} {quote(self.proxies.proxies[scheme].url)} {quote(url)}"
            for scheme, url in wanted.tried(self.proxies, self.urls).items()
        )
        return (
            shell_script(
                __file__,
                "answers.sh",
                file=PROXY_FILE,
                digest=hashlib.sha256(text.encode()).hexdigest(),
            )
            + f"\nif is_new; then\n{tries or ':'}\nfi\nothers"
        )

    def examine(self, observed: Observed) -> Findings:
        obstacles: list[Obstacle] = []
        others: list[str] = []
        for line in observed.output.splitlines():
            word, *rest = line.split(" ", 4)
            if word == "own" and rest:
                others.append(" ".join(rest))
            elif word == "tried" and len(rest) == 4 and rest[0] in self.proxies.proxies:
                proxy = self.proxies.proxies[rest[0]]
                code, status = int(rest[1]), int(rest[2] or 0)
                found = next(self._problems(proxy, rest[0], code, status, rest[3]), None)
                if found is not None and found not in obstacles:
                    obstacles.append(found)
        warnings = [
            Obstacle(
                msg("{path} of the node names a proxy of its own, which is kept", path=path), ""
            )
            for path in others
        ]
        return Findings(obstacles, warnings=warnings)

    def _problems(
        self, proxy: ProxyAddress, scheme: str, code: int, status: int, url: str
    ) -> Iterator[Obstacle]:
        place = proxy.place
        if code == _NO_SUCH_PROXY:
            address = _looked_up(proxy.host)
            yield Obstacle(
                msg("the node cannot look up the name of the proxy {place}", place=place),
                msg(
                    "set its address in lab.yaml: http://{address}:{port}",
                    address=address or "ADDRESS",
                    port=proxy.port,
                ),
            )
        elif code in (_REFUSED, _SLOW):
            yield Obstacle(
                msg("the proxy {place} does not answer the node", place=place),
                msg(
                    "correct proxy in lab.yaml; on the node, `curl -v {place}` shows more",
                    place=place,
                ),
            )
        elif status == _LOGIN and not proxy.user:
            yield Obstacle(
                msg("the proxy {place} wants a user and a password", place=place),
                msg("set http://USER:PASSWORD@{place} in lab.yaml", place=place),
            )
        elif status == _LOGIN:
            yield Obstacle(
                msg(
                    "the proxy {place} refuses the password of {user}", place=place, user=proxy.user
                ),
                msg(
                    "correct http://USER:PASSWORD@{place} in lab.yaml; write special characters "
                    "as %XX, such as %40 for @",
                    place=place,
                ),
            )
        elif code in _BROKEN and status < 400:
            yield Obstacle(
                msg("{place} does not answer like an HTTP proxy", place=place),
                msg("set the HTTP proxy of the network in lab.yaml"),
            )
        elif scheme == "https" and status >= 400:
            yield Obstacle(
                msg(
                    "the proxy {place} does not let the node reach {url} ({status})",
                    place=place,
                    url=url,
                    status=status,
                ),
                msg("ask who runs the proxy, or set another source under sources in lab.yaml"),
            )


def _looked_up(host: str) -> str:
    """Return the address that this computer knows for a host; empty if it knows none."""
    try:
        return socket.gethostbyname(host)
    except OSError:
        return ""
