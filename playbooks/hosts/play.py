"""/etc/hosts: the lab's nodes by name, and Docker Hub's hosts where their lookup is broken.

A name is pinned only where the node cannot reach it by its own resolver and another resolver gives
an answer that helps. Pinning registry-1.docker.io alone is not enough: tokens come from
auth.docker.io and layers from production.cloudflare.docker.com. Addresses change, so a pin is a
repair and no default; `labctl provision --refresh` measures anew.
"""

from labctl.playbook import Block, Observed, Package, Packages, Play, Plays, quote


def play(play: Play) -> Plays:
    lines = [f"{address} {name}" for name, address in play.addresses.items()]
    yield Block("/etc/hosts", "nodes", tuple(lines))

    names = play.lab.sources.hub_hosts
    broken: list[str] = play.choose("hosts.broken", _reach(names), _broken)
    pins: dict[str, str] = {}
    if broken:
        yield Packages((Package("bind-utils"),))
        pins = play.choose("hosts.pins", _dig(broken, play.lab.sources.resolver), _pins)
    yield Block("/etc/hosts", "pins", tuple(f"{pins[name]} {name}" for name in sorted(pins)))


def _reach(names: tuple[str, ...]) -> str:
    """Print a line for each name that does not answer over TLS as itself: its name."""
    return (
        f"for name in {' '.join(map(quote, names))}; do\n"
        '  ( curl --silent --output /dev/null --connect-timeout 15 --max-time 30 "https://$name/"'
        ' || echo "$name" ) &\n'
        "done; wait"
    )


def _broken(seen: Observed) -> list[str]:
    return sorted(seen.output.split())


def _dig(names: list[str], resolver: str) -> str:
    """Print "name address" where the other resolver has another address that answers over TLS.

    Where the node's own resolver has no address at all, the other's first is printed even if it
    does not answer: the network may come later, the name will not.
    """
    return (
        f"for name in {' '.join(map(quote, names))}; do\n"
        f"  own=$(getent ahostsv4 \"$name\" | cut -d' ' -f1 | sort -u | tr '\\n' ' ')\n"
        "  first=\n"
        f'  for address in $(dig +short +time=3 +tries=2 @{quote(resolver)} "$name" A); do\n'
        "    case $address in *[!0-9.]*) continue;; esac\n"
        # What the node's own resolver says too needs no pin; it was the network that failed.
        '    case " $own " in *" $address "*) continue;; esac\n'
        '    [ -n "$first" ] || first=$address\n'
        "    if curl --silent --output /dev/null --connect-timeout 15 --max-time 30"
        ' --resolve "$name:443:$address" "https://$name/"; then\n'
        '      echo "$name $address"; continue 2\n'
        "    fi\n"
        "  done\n"
        '  if [ -z "$own" ] && [ -n "$first" ]; then echo "$name $first"; fi\n'
        "done"
    )


def _pins(seen: Observed) -> dict[str, str]:
    pairs = [line.split() for line in seen.output.splitlines()]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
