"""The way out of a network that has a proxy: the key `proxy` of lab.yaml, and what follows from it.

The programs that use a proxy read its URL differently, so labctl accepts what all of them read in
the same way: an HTTP proxy with a port. Without a port, curl takes 1080 and Docker 80. For a
URL with https://, Docker talks TLS to the proxy, and curl 7.29 of CentOS 7 does not. User and
password are percent-encoded here, so that no writer has to quote them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from labctl.config import patterns
from labctl.config.faults import Refused
from labctl.config.patterns import Pattern, shown
from labctl.messages import msg

HIDDEN = "•••"
"""Replaces a password in messages."""
SCHEMES = ("http", "https")
VARIABLES = ("http_proxy", "https_proxy", "no_proxy")
"""Variables of the environment. Some programs read them in capitals, so each is set twice."""
ALWAYS_DIRECT = ("127.0.0.1", "localhost", "::1")

BYPASS = Pattern(
    rf"(\*?\.)?({patterns.HOST.pattern})|{patterns.IPV4.pattern}/([0-9]|[12][0-9]|3[0-2])",
    "a host name, a domain such as .school.example, an IP address or a network",
)
_URL = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(?:(.*)@)?([^@/?#]*?)(?::([0-9]*))?/?", re.DOTALL
)
_LOCAL_DOMAINS = (".local", ".lan", ".internal")


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """An HTTP proxy. `user` and `password` are plain text; an empty user means no login."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> ProxyAddress:
        """Return the proxy at a URL.

        Raises:
            Refused: labctl cannot use it. The message hides the password.
        """
        found = _URL.fullmatch(text)
        if found is None:
            raise Refused(msg("is not a proxy's URL"), msg("such as http://proxy.example:3128"))
        scheme, login, host, port = found.groups()
        scheme = (scheme or "http").lower()
        named = f"{scheme}://{host}:{port or ''}".rstrip(":")
        if scheme.startswith("socks"):
            raise Refused(
                msg("{proxy} is a SOCKS proxy, which image builds cannot use", proxy=named),
                msg("set the network's HTTP proxy, such as http://{host}:3128", host=host),
            )
        if scheme == "https":
            raise Refused(
                msg("the proxy itself is reached by http://, also for https addresses"),
                msg("write http://{host}:{port}", host=host, port=port or "3128"),
            )
        if scheme != "http":
            raise Refused(msg("must be an http URL, is {proxy}", proxy=shown(named)))
        host = host.removeprefix("[").removesuffix("]")
        if patterns.HOST.problem(host) is not None:
            raise Refused(
                msg("must be http://HOST:PORT; {host} is not a host", host=shown(host)),
                msg("write special characters of a password as %XX, such as %40 for @"),
            )
        if not port or not 0 < int(port[:6]) < 65536:
            raise Refused(
                msg("{proxy} has no valid port", proxy=named),
                msg("write it: http://{host}:3128", host=host),
            )
        user, _, password = (login or "").partition(":")
        user, password = unquote(user), unquote(password)
        if any(ord(character) < 32 or ord(character) == 127 for character in user + password):
            raise Refused(msg("user and password must not contain control characters"))
        return cls(host, int(port), user, password)

    @property
    def place(self) -> str:
        """HOST:PORT."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL with user and password, percent-encoded."""
        return self._with(quote(self.password, safe=""))

    @property
    def masked(self) -> str:
        """The URL for people: without the password."""
        return self._with(HIDDEN)

    def _with(self, password: str) -> str:
        if not self.user:
            return f"http://{self.place}"
        login = quote(self.user, safe="") + (f":{password}" if self.password else "")
        return f"http://{login}@{self.place}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The forms in which the password may appear in a text."""
        return tuple(dict.fromkeys((quote(self.password, safe=""), self.password)))

    @property
    def is_loopback(self) -> bool:
        """Whether the address means, on each machine, that machine itself."""
        if self.host.lower().rstrip(".") == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """The proxies of a lab.

    Parameters:
        http: for http addresses; None: none.
        https: for https addresses; None: none.
        no_proxy: hosts, domains and networks that are reached directly.
    """

    http: ProxyAddress | None = None
    https: ProxyAddress | None = None
    no_proxy: tuple[str, ...] = ()

    @property
    def proxies(self) -> dict[str, ProxyAddress]:
        """The proxies by the scheme of the addresses that they are for."""
        both = {"http": self.http, "https": self.https}
        return {scheme: proxy for scheme, proxy in both.items() if proxy is not None}

    @property
    def has_login(self) -> bool:
        """Whether a proxy wants a user and a password."""
        return any(proxy.user for proxy in self.proxies.values())

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every form of the passwords."""
        return tuple(text for p in self.proxies.values() if p.password for text in p.secrets)

    @property
    def described(self) -> str:
        """The proxies without passwords, in one text: one URL if they are the same.

        Measurements of the network are made again if it changes.
        """
        urls = {scheme: proxy.masked for scheme, proxy in self.proxies.items()}
        if len(urls) == len(SCHEMES) and len(set(urls.values())) == 1:
            return urls["http"]
        return " ".join(f"{scheme}={url}" for scheme, url in urls.items())

    @property
    def environment(self) -> dict[str, str]:
        """The variables for programs, with passwords."""
        values = {f"{scheme}_proxy": proxy.url for scheme, proxy in self.proxies.items()}
        values["no_proxy"] = ",".join(self.no_proxy)
        return values | {name.upper(): value for name, value in values.items()}

    def for_url(self, url: str) -> ProxyAddress | None:
        """Return the proxy for a URL; None if it is reached directly."""
        parts = urlsplit(url)
        proxy = self.proxies.get(parts.scheme)
        return None if proxy is None or self.bypasses(parts.hostname or "") else proxy

    def bypasses(self, host: str) -> bool:
        """Return True if `no_proxy` names a host."""
        host = host.lower().rstrip(".")
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            address = None
        for entry in map(str.lower, self.no_proxy):
            if address is not None and "/" in entry:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            elif host == entry.lstrip(".") or host.endswith("." + entry.lstrip(".")):
                return True
        return False

    def with_direct(self, hosts: Iterable[str]) -> ProxySettings:
        """Return these settings with more hosts that are reached directly."""
        return replace(self, no_proxy=tuple(dict.fromkeys((*self.no_proxy, *hosts))))


def entries(value: object) -> object:
    """Return the items of a `no_proxy`, which may be one text with commas."""
    if isinstance(value, str):
        return [item for item in re.split(r"[,\s]+", value) if item]
    return value


def from_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return what `proxy:` would say for an environment: ``http``, ``https`` and ``no_proxy``.

    As in most programs, names in small letters win, and ALL_PROXY is for both schemes. Entries of
    no_proxy that labctl does not know, such as ``*``, are left out.
    """

    def value(name: str) -> str:
        return (variables.get(name) or variables.get(name.upper()) or "").strip()

    found: dict[str, Any] = {}
    for scheme in SCHEMES:
        if url := value(f"{scheme}_proxy") or value("all_proxy"):
            found[scheme] = url
    if value("no_proxy").strip() == "*":
        return {}
    listed = entries(value("no_proxy"))
    assert isinstance(listed, list)
    found["no_proxy"] = [item for item in listed if BYPASS.problem(item) is None]
    return found if found.keys() & set(SCHEMES) else {}


def direct_hosts(urls: Iterable[str]) -> Iterator[str]:
    """Yield the hosts of URLs that are in a local network: private addresses and short names.

    Networks such as 10.0.0.0/8 are left out, because curl on CentOS 7 does not know them.
    """
    for url in urls:
        if "//" not in url and "/" in url:
            continue
        host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
        try:
            local = ipaddress.ip_address(host).is_private
        except ValueError:
            local = "." not in host or host.endswith(_LOCAL_DOMAINS)
        if host and local:
            yield host
