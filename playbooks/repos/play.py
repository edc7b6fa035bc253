"""Package repositories that answer.

CentOS 7 reached its end of life on 30 June 2024 and mirrorlist.centos.org left the DNS with it, so
on a fresh box every `yum install` fails. The packages are kept at vault.centos.org; they are signed
with the key that the box has had all along.
"""

from labctl.playbook import (
    Command,
    Observed,
    Play,
    Plays,
    RepositorySection,
    SigningKey,
    msg,
    quote,
    repository_file,
)

STAMP = "/var/lib/labctl/ca-certificates.updated"


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
    vault = play.lab.sources.vault
    key = SigningKey("labctl-centos-7", vault.key, vault.fingerprint)
    yield key
    yield repository_file(
        "CentOS-Base",
        tuple(
            RepositorySection(name, f"CentOS-7 - {name}", f"{vault.baseurl}/{folder}/$basearch/")
            for name, folder in (("base", "os"), ("updates", "updates"), ("extras", "extras"))
        ),
        key,
    )
    # The box is from 2020 and may not trust some of today's certificates.
    sites = (vault.baseurl, play.lab.sources.docker.baseurl, play.lab.sources.compose.url)
    if play.choose("repos.untrusted", _judge(sites), _untrusted):
        yield Command(
            "update ca-certificates",
            check=f"[ -e {STAMP} ]",
            apply=f"set -e; yum -y update ca-certificates; mkdir -p /var/lib/labctl; : >{STAMP}",
        )


def _judge(urls: tuple[str, ...]) -> str:
    """Return sh that prints the root of each URL whose certificate the node does not trust."""
    roots = {"/".join(url.split("/")[:3]) for url in urls if url.startswith("https://")}
    return (
        f"for url in {' '.join(map(quote, sorted(roots)))}; do\n"
        "  ( curl --silent --head --output /dev/null --connect-timeout 15 --max-time 30"
        ' "$url/"; [ $? != 60 ] || echo "$url" ) &\n'
        "done; wait"
    )


def _untrusted(seen: Observed) -> list[str]:
    return sorted(seen.output.split())
