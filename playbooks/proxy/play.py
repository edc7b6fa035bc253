"""The proxy of lab.yaml, for the shells of the node's users, yum, the engine, and image builds.

It runs by itself, before all others, in labs with the key `proxy`, and from then on in each run:
without the key, it removes what earlier runs have set.

One file has the variables, and with them the password: labctl's own commands, the engine's unit and
a script for shells read it. yum and curl take the variables from the environment. /etc/yum.conf
stays as it is, because its `proxy` applies to every repository, also to one in the lab's network.
"""

from collections.abc import Iterator
from typing import Any

from labctl.playbook import (
    PROXY_FILE,
    PROXY_VARIABLES,
    Absent,
    ClientProxy,
    EngineProxy,
    File,
    GroupMember,
    LabSpec,
    LoadedBy,
    Play,
    Plays,
    Preflight,
    SecretStore,
    proxy_settings,
)

from . import wanted
from .answers import ProxyAnswers

PROFILE = "/etc/profile.d/labctl-proxy.sh"
SUDOERS = "/etc/sudoers.d/labctl-proxy"
_PROFILE = f"""\
# {{described}}
# Written by labctl: the proxy of lab.yaml, as variables of every shell.
if [ -r {PROXY_FILE} ]; then
  while IFS= read -r labctl_line; do
    case $labctl_line in [A-Za-z]*=*) export "$labctl_line" ;; esac
  done <{PROXY_FILE}
  unset labctl_line
fi
"""
_SUDOERS = f"""\
# Written by labctl: sudo keeps the variables of the proxy, so that `sudo yum` works.
Defaults env_keep += "{" ".join(PROXY_VARIABLES)}"
"""
ENGINE = frozenset({"engine", "mirrors"})
"""Playbooks that restart the engine if its files have changed."""


def play(play: Play) -> Plays:
    proxies = wanted.proxies(play)
    engine = LoadedBy("docker") if ENGINE & set(play.playbooks) else None
    if proxies is None:
        yield from (Absent(path) for path in (PROFILE, SUDOERS))
        yield EngineProxy(wanted=False)
        yield Absent(PROXY_FILE, loaded_by=engine)
        yield ClientProxy(())
        return
    users = tuple(dict.fromkeys((play.user, "root", *play.lab.docker.users)))
    if proxies.has_login:
        # Members of docker can read the engine's own environment, and so the password.
        yield from (GroupMember(user, "docker") for user in users if user != "root")
    yield File(
        PROXY_FILE,
        wanted.content(proxies.environment),
        mode="0640" if proxies.has_login else "0644",
        owner="root:docker" if proxies.has_login else "root:root",
        loaded_by=engine,
        secret=proxies.has_login,
        masked=wanted.content(wanted.masked(proxies)),
    )
    yield File(PROFILE, _PROFILE.format(described=proxies.described))
    yield File(SUDOERS, _SUDOERS, mode="0440", check='visudo -cqf "$new"')
    yield EngineProxy(wanted=engine is not None)
    setting = play.lab.proxy
    yield ClientProxy(users, proxies if setting is not None and setting.containers else None)


def preflight(play: Play) -> Iterator[Preflight]:
    """Try the proxy before anything is changed, and find settings of others that win over it."""
    proxies = wanted.proxies(play)
    if proxies is not None:
        sources = play.lab.sources
        yield ProxyAnswers(
            proxies, (sources.vault.baseurl, sources.docker.baseurl, sources.compose.url)
        )


def expected(lab: LabSpec, secrets: SecretStore) -> dict[str, Any] | None:
    proxies = proxy_settings(lab, secrets)
    if proxies is None:
        return None
    return {
        "places": {scheme: proxy.place for scheme, proxy in proxies.proxies.items()},
        "passwords": list(proxies.secrets),
        "tried": wanted.tried(proxies, (lab.sources.vault.baseurl, lab.sources.docker.baseurl)),
    }
