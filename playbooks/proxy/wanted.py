"""What the nodes should be told of the proxy."""

from collections.abc import Iterable, Mapping

from labctl.playbook import Play, ProxySettings, direct_hosts

from ..hub_cache.settings import Settings as HubCacheSettings

MARK = "LABCTL_PROXY"


def proxies(play: Play) -> ProxySettings | None:
    """Return the lab's proxies; None if it has none."""
    cache = play.lab.settings(HubCacheSettings).hub_cache.url
    found = play.proxy
    return found.with_direct(direct_hosts([cache] if cache else ())) if found else None


def content(environment: Mapping[str, str]) -> str:
    """Return the file of the variables, for systemd and for `read` in a shell."""
    lines = [f"{name}={value}\n" for name, value in environment.items()]
    return f"# Written by labctl: the proxy of lab.yaml.\n{MARK}=1\n{''.join(lines)}"


def masked(proxies: ProxySettings) -> dict[str, str]:
    """Return the variables without passwords."""
    urls = {f"{scheme}_proxy": proxy.masked for scheme, proxy in proxies.proxies.items()}
    known = urls | {name.upper(): value for name, value in urls.items()}
    return {name: known.get(name, value) for name, value in proxies.environment.items()}


def tried(proxies: ProxySettings, urls: Iterable[str]) -> dict[str, str]:
    """Return, by scheme, the server to reach through each proxy: the first of `urls` that fits."""
    found: dict[str, str] = {}
    for url in urls:
        scheme, _, rest = url.partition("://")
        if proxies.for_url(url) is not None:
            found.setdefault(scheme, f"{scheme}://{rest.partition('/')[0]}/")
    return found
