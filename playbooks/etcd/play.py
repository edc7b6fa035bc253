"""The store of overlay networks by etcd, as in the course: on the lab's first nodes, three at most.

The playbook overlay brings it along, in which an engine waits for a store that has its majority.
That takes several nodes, each of which comes through this playbook on its own; so it is one of its
own (ADR 7). Networks by Swarm do without: then what labctl started here is stopped.

A member's first start decides to which store it belongs for good, so etcd.conf leaves a member
without data unable to start, and what it is to start with is written for that one time. The first
node begins a store of all members that the lab has; each further one hears of an earlier node how
it stands. One that the store has from its beginning just starts. One that it has not, for the lab
has grown, is let in by the members' API, and started at once: of two, both are the majority. So
each waits until the one before it has come through, and there is never more than one that the store
counts and that does not run. A run that dies in between leaves one that is listed and has no data,
which the next run starts. Who has left the lab is taken out, for the store counts it still.

The store has neither password nor TLS, as in the course: whoever is in the lab's network can write
to it.
"""

from collections.abc import Mapping

from labctl.playbook import (
    Command,
    File,
    LoadedBy,
    Package,
    Packages,
    PeerQuery,
    Play,
    Plays,
    Service,
    quote,
)
from labctl.provision import lab_services

# Before a store is stopped here, mirrors has restarted the engine that is to do without it again.
NEEDS = ("mirrors",)
CHECKED_TOGETHER = True

CONFIG = "/etc/etcd/etcd.conf"
DATA = "/var/lib/etcd/labctl.etcd"
WAL = f"{DATA}/member/wal"
"""Is there as soon as a member belongs to a store, and not while it only tries to."""
FIRST_START = "/run/labctl-etcd.conf"
MARK = "# Written by labctl; what stood here before is in etcd.conf.before-labctl."
LOST = "the store of networks has lost its majority"

# Who has no majority answers /members at the port for members still, and nothing else.
_LIBRARY = f"""\
healthy() {{ {lab_services.etcd_healthy('"$1"', seconds=4)}; }}
members() {{
  curl --silent --max-time 4 "http://$1:{lab_services.ETCD_PEER_PORT}/members" |
    tr '{{' '\\n' | grep '"id"'
}}
store() {{
  curl --silent --max-time 4 --output /dev/null --dump-header - \\
    "http://$1:{lab_services.ETCD_PEER_PORT}/members" |
    sed -n 's/^[Xx]-[Ee]tcd-[Cc]luster-[Ii][Dd]: *\\([0-9a-f]*\\).*/\\1/p'
}}
api() {{
  whom=$1; path=$2; shift 2
  curl --silent --fail --max-time 8 "$@" "http://$whom:{lab_services.ETCD_PORT}/v2/members$path"
}}
idents() {{
  api "$1" '' | tr '{{' '\\n' | grep '"id"' | grep -F "$2" "$3" |
    sed -n 's/.*"id":"\\([0-9a-f]*\\)".*/\\1/p'
}}
within() {{
  waited=0
  until eval "$2"; do
    [ "$waited" -lt "$1" ] || return 1
    sleep 1; waited=$((waited + 1))
  done
}}
alone() {{
  systemctl set-environment ETCD_FORCE_NEW_CLUSTER=true && systemctl restart etcd
  systemctl unset-environment ETCD_FORCE_NEW_CLUSTER
  within 15 "healthy $1"
}}
"""
"""Functions of sh about a store as one of its members, given by its address, tells of it."""


def play(play: Play) -> Plays:
    members = lab_services.etcd_members(play.lab)
    if lab_services.overlay_mode(play.lab) != "etcd":
        yield _stopped()
    elif play.node.name in members:
        yield from _member(play, members[play.node.name], members)
    elif play.node.address is not None:
        yield _left(play.node.address, members)


_OURS = f"grep -qF {quote(MARK)} {CONFIG} 2>/dev/null"


def _stopped() -> Command:
    return Command(
        "stop etcd, which networks by swarm do without",
        check=f"! {_OURS} || ! systemctl is-active --quiet etcd",
        apply="systemctl disable --now etcd",
    )


def _left(address: str, members: Mapping[str, str]) -> Command:
    """A node that keeps the store no more, for others come before it in lab.yaml now.

    While the members still count it, it goes on: it may be their majority.
    """
    listed = quote(f'"{_url(address)}"')
    return Command(
        "stop etcd, which other nodes keep now",
        check=(
            f"if ! {_OURS} || ! systemctl is-enabled --quiet etcd; then exit 0; fi\n"
            f"{_LIBRARY}"
            f"for at in {' '.join(members.values())}; do\n"
            f'  if healthy "$at" && ! members "$at" | grep -qF {listed}; then exit 1; fi\n'
            "done"
        ),
        apply="systemctl disable --now etcd",
    )


def _member(play: Play, address: str, members: Mapping[str, str]) -> Plays:
    yield Packages((Package("etcd"),), name="etcd")
    client, peer = lab_services.ETCD_PORT, lab_services.ETCD_PEER_PORT
    settings = {
        "ETCD_NAME": play.node.name,
        "ETCD_DATA_DIR": DATA,
        "ETCD_LISTEN_PEER_URLS": f"http://{address}:{peer}",
        "ETCD_LISTEN_CLIENT_URLS": f"http://{address}:{client},http://127.0.0.1:{client}",
        "ETCD_ADVERTISE_CLIENT_URLS": f"http://{address}:{client}",
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": _url(address),
        # Without data it would begin a store of its own; so it finds no members to join, and fails.
        # It has nothing to say once there is data, and so needs no restart when the lab grows.
        "ETCD_INITIAL_CLUSTER_STATE": "existing",
        "ETCD_INITIAL_CLUSTER_TOKEN": play.lab.name,
        # The engine speaks etcd's second API, which 3.4 and later have only if they are told to.
        "ETCD_ENABLE_V2": "true",
    }
    lines = [MARK, *(f'{key}="{value}"' for key, value in settings.items())]
    yield File(CONFIG, "\n".join(lines) + "\n", loaded_by=LoadedBy("etcd"), backup=True)
    # As "notify" it would only count as started when the other members are there too, which may be
    # provisioned after this one. Of two files that say the same thing, the later one counts.
    yield File(
        "/etc/systemd/system/etcd.service.d/labctl.conf",
        f"[Service]\nType=simple\nRestart=always\nRestartSec=2\nEnvironmentFile=-{FIRST_START}\n",
        loaded_by=LoadedBy("etcd"),
    )
    yield from _place(play.node.name, members)
    yield Service("etcd")
    yield _without_who_left(address, members)


def _url(address: str) -> str:
    return f"http://{address}:{lab_services.ETCD_PEER_PORT}"


def _place(node: str, members: Mapping[str, str]) -> Plays:
    """Yield what gives a member without data its place, be it at first or once more."""
    names = list(members)
    others = [name for name in names if name != node]
    earlier = names[: names.index(node)]
    placed = _placed(node, members)
    if earlier:
        # Who can be asked nothing finds out over the network; without any answer it begins.
        ask = PeerQuery(node, "mirrors")
        for other in earlier:
            script = _ready(members[node], members[other]) if len(others) == 1 else ""
            ask = PeerQuery(other, "etcd", script, instead=ask)
        yield Command(
            "take its place in the store", f"{placed}\nplaced", _taking(node, members), ask
        )
        return
    if others:
        # It waits for nobody, since the others wait for it; but it may have been there before.
        unknown = '[ -z "$(members "$at")" ] || exit 1'
        check = (
            f"{placed}\nif placed; then exit 0; fi\n[ ! -d {WAL} ] || exit 1\n"
            f"for at in $others; do {unknown}; done"
        )
        only = members[others[0]] if len(others) == 1 else None
        helped = None if only is None else PeerQuery(others[0], "etcd", _ready(members[node], only))
        yield Command("take its place in the store", check, _taking(node, members), helped)
    yield Command("begin the store", f"[ -d {WAL} ]", f"{_starting()}{_beginning(members)}")


def _placed(node: str, members: Mapping[str, str]) -> str:
    """Return sh with a function that tells whether this member has data, and of the lab's store.

    Where all is well it asks nobody but itself. Another store is one that works, and has another
    number, or does not know this member; the latter may be but an old address of one that works.
    """
    urls = " ".join(quote(f'"{_url(one)}"') for one in members.values())
    own = members[node]
    others = " ".join(one for name, one in members.items() if name != node)
    return f"""\
{_LIBRARY}
others={quote(others)}
whole() {{
  seen=$(members {own}) || return 1
  for url in {urls}; do case $seen in *"$url"*) ;; *) return 1;; esac; done
}}
placed() {{
  [ -d {WAL} ] || return 1
  works=; if healthy {own}; then works=1; whole && return 0; fi
  for at in $others; do  # who is left in $at is the one of whom it is another
    healthy "$at" || continue
    there=$(store "$at"); here=$(store {own})
    if [ -n "$here" ] && [ -n "$there" ] && [ "$here" != "$there" ]; then return 1; fi
    [ -n "$works" ] || members "$at" | grep -qF {quote(f'"{_url(own)}"')} || return 1
  done
}}"""


def _starting() -> str:
    """Return sh with a function that starts a member, which has no data, with a store's members."""
    return f"""\
start() {{
  printf 'ETCD_INITIAL_CLUSTER="%s"\\nETCD_INITIAL_CLUSTER_STATE="%s"\\n' "$1" "$2" >{FIRST_START}
  systemctl daemon-reload
  systemctl reset-failed etcd 2>/dev/null || :
  systemctl restart etcd || :
  waited=0
  until [ -d {WAL} ]; do
    if [ "$waited" -ge 30 ]; then
      rm -f {FIRST_START}
      systemctl status --no-pager --full --lines=15 etcd
      exit 1
    fi
    sleep 1; waited=$((waited + 1))
  done
  rm -f {FIRST_START}
}}
"""


def _beginning(members: Mapping[str, str]) -> str:
    cluster = ",".join(f"{name}={_url(one)}" for name, one in members.items())
    return f"start {quote(cluster)} new"


def _taking(node: str, members: Mapping[str, str]) -> str:
    """Return sh by which a member takes its place in the store that the others keep, or begins one.

    One that is listed without ever having run has a name if it is of the store's beginning, and
    then starts as that; else it was let in by a run that went no further. One that has run was made
    anew, and is taken out and let in again: with the data it has lost what it promised to others.

    Data of a store that does not work, and is not the lab's, is moved aside and not removed. Where
    both work, somebody has to see which of them counts.
    """
    own = members[node]
    url = quote(f'"{_url(own)}"')
    new = quote(f'{{"peerURLs": ["{_url(own)}"]}}')
    named = 's/.*"peerURLs":\\["\\([^"]*\\)"\\].*"name":"\\([^"]*\\)".*/\\2=\\1/p'
    unnamed = 's/.*"peerURLs":\\["\\([^"]*\\)"\\].*/unnamed=\\1/p'
    mine = f"s|^unnamed={_url(own)}$|{node}={_url(own)}|"
    return f"""\
{_placed(node, members)}
{_starting()}
if placed; then exit 0; fi
from=
for one in $others; do if healthy "$one"; then from=$one; break; fi; done
if [ -z "$from" ]; then
  for one in $others; do if [ -n "$(members "$one")" ]; then from=$one; break; fi; done
fi
if [ -z "$from" ]; then {_beginning(members)}; exit; fi
if [ -d {WAL} ]; then
  if healthy {own}; then
    echo "this node keeps one store of networks, and $at another; only one of them can be the lab's"
    echo "where that of $at is, run on this node: systemctl stop etcd; mv {DATA} {DATA}.old"
    exit 1
  fi
  systemctl stop etcd
  mv {DATA} "{DATA}.$(date +%Y%m%d-%H%M%S)" || exit 1
fi
listed() {{ members "$from" | grep -F {url}; }}
taken_out() {{
  for id in $(idents "$from" -e {url}); do api "$from" "/$id" --request DELETE || :; done
  ! listed >/dev/null
}}
let_in() {{
  listed >/dev/null && return
  api "$from" '' --header 'Content-Type: application/json' --data {new} >/dev/null || :
  listed >/dev/null
}}
state=existing
case $(listed) in
  *'"clientURLs":["'*) within 30 taken_out || {{ echo {quote(LOST)}; exit 1; }};;
  *'"name":"'*) state=new;;
esac
within 30 let_in || {{ echo {quote(LOST)}; exit 1; }}
cluster=$(members "$from" | sed -n -e {quote(named)} -e t -e {quote(unnamed)} |
  sed {quote(mine)} | paste -s -d , -)
start "$cluster" "$state"
[ "$state" = new ] || within 60 'healthy {own}' || {{
  systemctl status --no-pager --full --lines=15 etcd
  exit 1
}}"""


def _ready(address: str, at: str) -> str:
    """Return sh for the only other member, by which its store can take this one in.

    Where there were but two, and one was made anew, the other alone is no majority and can neither
    take it out nor let it in; but half of the store is lost for good then, so that the other may go
    on alone, with all that it has.
    """
    return f"""\
{_LIBRARY}
if healthy {at}; then exit 0; fi
members {at} | grep -F {quote(f'"{_url(address)}"')} | grep -q '"clientURLs":\\["' || exit 0
alone {at}"""


def _without_who_left(address: str, members: Mapping[str, str]) -> Command:
    """Nobody in the store who is not in the lab, neither by name nor by address.

    If nobody else is left of the store, and it has lost its majority with those who left, then this
    member goes on alone. If others are left, the majority may come with them.
    """
    words = [f'"name":"{name}"' for name in members]
    words += [f'"{_url(one)}"' for one in members.values()]
    patterns = quote("\n".join(words))
    gone = f"gone() {{ members {address} | grep -vF {patterns}; }}"
    alone = f"""[ "$(members {address} | wc -l)" -eq "$(($(gone | wc -l) + 1))" ]"""
    return Command(
        "take out of the store who has left the lab",
        check=f"""\
{_LIBRARY}{gone}
if ! gone >/dev/null; then exit 0; fi
if healthy {address} || {alone}; then gone; exit 1; fi""",
        apply=f"""\
{_LIBRARY}{gone}
if ! within 15 'healthy {address}' && {alone}; then alone {address} || exit 1; fi
removed() {{
  for id in $(idents {address} -v {patterns}); do
    api {address} "/$id" --request DELETE || :
  done
  ! gone >/dev/null
}}
within 30 removed""",
    )
