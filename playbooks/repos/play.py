"""Package repositories that answer.

CentOS 7 reached its end of life on 30 June 2024 and mirrorlist.centos.org left the DNS with it, so
on a fresh box every `yum install` fails. The packages are kept at vault.centos.org; they are signed
with the key that the box has had all along.
"""

from collections.abc import Iterator

from labctl.playbook import (
    OWN,
    Clock,
    Command,
    Observed,
    Play,
    Plays,
    Preflight,
    ProxySettings,
    RepositorySection,
    SigningKey,
    msg,
    quote,
    repository_file,
)

from .repositories import Repositories

FROM_OWN = f"--disablerepo='*' --enablerepo='{OWN}*'"
STAMP = "/var/lib/labctl/ca-certificates.updated"


def preflight(play: Play) -> Iterator[Preflight]:
    """Look at the distribution and at the repositories that are there."""
    yield Repositories(play.facts)


def play(play: Play) -> Plays:
    if (play.facts.distribution, play.facts.major) != ("centos", "7"):
        raise ValueError(
            msg(
                "this playbook supports CentOS 7 only; {node} runs {distribution} {version}",
                node=play.node.name,
                distribution=play.facts.distribution or msg("an unknown system"),
                version=play.facts.version,
            ).rstrip()
        )
    # A clock that is wrong by years makes every certificate untrusted.
    yield Clock()
    vault = play.lab.sources.vault
    key = SigningKey("labctl-centos-7", vault.key, vault.fingerprint)
    yield key
    folders = (("base", "os"), ("updates", "updates"), ("extras", "extras"))
    # The first file is for the users of the node. labctl installs from the second one, which no
    # other file can shadow, so neither a dead repository nor `gpgcheck=0` elsewhere matters.
    for file, prefix, enabled in (("CentOS-Base", "", True), ("labctl-centos", OWN, False)):
        yield repository_file(
            file,
            tuple(
                RepositorySection(
                    f"{prefix}{name}",
                    f"CentOS-7 - {name}",
                    f"{vault.baseurl}/{folder}/$basearch/",
                    enabled,
                )
                for name, folder in folders
            ),
            key,
        )
    # The box is from 2020 and may not trust some of today's certificates.
    sites = (vault.baseurl, play.lab.sources.docker.baseurl, play.lab.sources.compose.url)
    if play.choose("repos.untrusted", _judge(sites, play.proxy), _untrusted):
        yield Command(
            "update ca-certificates",
            check=f"[ -e {STAMP} ]",
            apply=f"set -e; yum -y {FROM_OWN} update ca-certificates; "
            f"mkdir -p /var/lib/labctl; : >{STAMP}",
        )


def _judge(urls: tuple[str, ...], proxies: ProxySettings | None) -> str:
    """Return sh that prints the root of each URL whose certificate the node does not trust."""
    # Another way out shows other certificates.
    way = f"# {proxies.described}\n" if proxies else ""
    roots = {"/".join(url.split("/")[:3]) for url in urls if url.startswith("https://")}
    return (
        f"{way}for url in {' '.join(map(quote, sorted(roots)))}; do\n"
        "  ( curl --silent --head --output /dev/null --connect-timeout 15 --max-time 30"
        ' "$url/"; [ $? != 60 ] || echo "$url" ) &\n'
        "done; wait"
    )


def _untrusted(seen: Observed) -> list[str]:
    return sorted(seen.output.split())
