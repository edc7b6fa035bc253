"""/etc/hosts: the lab's nodes by name, and Docker Hub's hosts where their lookup is broken.

A name is pinned only where the node cannot reach it by its own resolver and another resolver gives
an answer that helps. Pinning registry-1.docker.io alone is not enough: tokens come from
auth.docker.io and layers from production.cloudflare.docker.com. Addresses change, so a pin is a
repair and no default; `labctl provision --refresh` measures anew, as if there were no pins yet: a
pin that works would make the lookup look healthy, and go for it.
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


# A name that is pinned is looked up in the rest of /etc/hosts, and then by the services that
# nsswitch.conf has besides that file: dns, as a rule, but some nodes have resolve, or sss. Where it
# has none, getent is not asked, for that of EL7 would go by nsswitch.conf then. A name without a
# pin takes the node's usual way. A cache on the node that reads /etc/hosts too, as dnsmasq may, is
# trusted.
_LOOKUP = """\
pinned=$(sed -n '/^# labctl pins: begin/,/^# labctl pins: end/p' /etc/hosts 2>/dev/null |
  tr '\\n' ' ')
services=$(sed -n '/^[[:space:]]*hosts:/ {
  s/#.*//; s/^[[:space:]]*hosts:/ /; s/[[:space:]]files\\([[:space:]]*\\[[^]]*\\]\\)*//g; p; q
}' /etc/nsswitch.conf 2>/dev/null | grep '[a-z]')
resolved() {
  case $pinned in
  *" $1 "*)
    lines=$(sed '/^# labctl pins: begin/,/^# labctl pins: end/d; s/#.*//' /etc/hosts |
      awk -v name="$1" '$1 !~ /:/ { for (i = 2; i <= NF; i++) if ($i == name) print $1 }')
    if [ -n "$lines" ]; then printf '%s\\n' "$lines"
    elif [ -n "$services" ]; then getent -s "hosts:$services" ahostsv4 "$1"; fi;;
  *) getent ahostsv4 "$1";;
  esac | cut -d' ' -f1 | sort -u
}
answers() {
  curl --silent --output /dev/null --connect-timeout 15 --max-time 30 \\
    ${2:+--resolve "$1:443:$2"} "https://$1/"
}
"""
"""Functions of sh: the IPv4 addresses that a name has but for its pin, one a line; and whether a
name answers over TLS as itself, at an address where one is given."""


def _reach(names: tuple[str, ...]) -> str:
    """Print a line for each name that does not answer over TLS as itself: its name."""
    return (
        f"{_LOOKUP}for name in {' '.join(map(quote, names))}; do\n"
        "  ( case $pinned in\n"
        '    *" $name "*)\n'
        '      for address in $(resolved "$name"); do\n'
        '        if answers "$name" "$address"; then exit 0; fi\n'
        "      done;;\n"
        '    *) if answers "$name"; then exit 0; fi;;\n'
        "    esac\n"
        '    echo "$name" ) &\n'
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
        f"{_LOOKUP}for name in {' '.join(map(quote, names))}; do\n"
        "  own=$(resolved \"$name\" | tr '\\n' ' ')\n"
        "  first=\n"
        f'  for address in $(dig +short +time=3 +tries=2 @{quote(resolver)} "$name" A); do\n'
        "    case $address in *[!0-9.]*) continue;; esac\n"
        # What the node's own resolver says too needs no pin; it was the network that failed.
        '    case " $own " in *" $address "*) continue;; esac\n'
        '    [ -n "$first" ] || first=$address\n'
        '    if answers "$name" "$address"; then echo "$name $address"; continue 2; fi\n'
        "  done\n"
        '  if [ -z "$own" ] && [ -n "$first" ]; then echo "$name $first"; fi\n'
        "done"
    )


def _pins(seen: Observed) -> dict[str, str]:
    pairs = [line.split() for line in seen.output.splitlines()]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
