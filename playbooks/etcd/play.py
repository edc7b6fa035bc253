"""The store of overlay networks by etcd, as in the course: on the lab's first nodes, three at most.

The playbook overlay brings it along, in which an engine waits for a store that has its majority.
That takes several nodes, each of which comes through this playbook on its own; so it is one of its
own (ADR 7). Networks by Swarm do without: then what labctl started here is stopped.

The store has neither password nor TLS, as in the course: whoever is in the lab's network can write
to it.
"""

from collections.abc import Mapping

from labctl import services
from labctl.playbook import (
    Ask,
    Command,
    File,
    LoadedBy,
    Package,
    Packages,
    Play,
    Plays,
    Service,
    quote,
)

# Before a store is stopped here, mirrors has restarted the engine that is to do without it again.
NEEDS = ("mirrors",)
CHECKED_TOGETHER = True

CONFIG = "/etc/etcd/etcd.conf"
DATA = "/var/lib/etcd/labctl.etcd"
MARK = "# Written by labctl; what stood here before is in etcd.conf.before-labctl."


def play(play: Play) -> Plays:
    if services.overlay_mode(play.lab) != "etcd":
        yield _stopped()
        return
    members = services.etcd_members(play.lab)
    if play.node.name in members:
        yield from _member(play, members[play.node.name], members)


def _stopped() -> Command:
    ours = f"grep -qF {quote(MARK)} {CONFIG} 2>/dev/null"
    return Command(
        "stop etcd, which networks by swarm do without",
        check=f"! {ours} || ! systemctl is-active --quiet etcd",
        apply="systemctl disable --now etcd",
    )


def _member(play: Play, address: str, members: Mapping[str, str]) -> Plays:
    yield Packages((Package("etcd"),), name="etcd")
    client, peer = services.ETCD_PORT, services.ETCD_PEER_PORT
    cluster = ",".join(f"{name}=http://{one}:{peer}" for name, one in members.items())
    settings = {
        "ETCD_NAME": play.node.name,
        "ETCD_DATA_DIR": DATA,
        "ETCD_LISTEN_PEER_URLS": f"http://{address}:{peer}",
        "ETCD_LISTEN_CLIENT_URLS": f"http://{address}:{client},http://127.0.0.1:{client}",
        "ETCD_ADVERTISE_CLIENT_URLS": f"http://{address}:{client}",
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": f"http://{address}:{peer}",
        "ETCD_INITIAL_CLUSTER": cluster,
        "ETCD_INITIAL_CLUSTER_TOKEN": play.lab.name,
        # The engine speaks etcd's second API, which 3.4 and later have only if they are told to.
        "ETCD_ENABLE_V2": "true",
    }
    lines = [MARK, *(f'{key}="{value}"' for key, value in settings.items())]
    yield File(CONFIG, "\n".join(lines) + "\n", loaded_by=LoadedBy("etcd"), backup=True)
    # As "notify" it would only count as started when the other members are there too, which may be
    # provisioned after this one.
    yield File(
        "/etc/systemd/system/etcd.service.d/labctl.conf",
        "[Service]\nType=simple\nRestart=always\nRestartSec=2\n",
        loaded_by=LoadedBy("etcd"),
    )
    others = {name: one for name, one in members.items() if name != play.node.name}
    if others:
        yield _place_of_its_own(address, others)
    yield Service("etcd")


def _place_of_its_own(address: str, others: Mapping[str, str]) -> Command:
    """A member that was made anew: the others still have it as the one that it was, with its data.

    It is taken out and let in again, empty. Where there were but two, the other alone is no
    majority and can do neither; but half of the store is lost for good then, so that the other may
    go on alone, with all that it has.
    """
    peer_url = f"http://{address}:{services.ETCD_PEER_PORT}"
    helper, at = next(iter(others.items()))
    api = f"http://{at}:{services.ETCD_PORT}"
    healthy = services.etcd_healthy(at)
    if len(others) > 1:
        # Two of three are gone, or do not answer; which of them, somebody has to see.
        alone = f"{healthy} || {{ echo 'the store has lost its majority'; exit 1; }}"
    else:
        alone = "\n".join(
            [
                f"if {healthy}; then exit 0; fi",
                "systemctl set-environment ETCD_FORCE_NEW_CLUSTER=true && systemctl restart etcd",
                "systemctl unset-environment ETCD_FORCE_NEW_CLUSTER",
                "waited=0",
                f"until {healthy}; do",
                '  [ "$waited" -lt 15 ] || exit 1',
                "  sleep 1; waited=$((waited + 1))",
                "done",
            ]
        )
    # A member that never ran has no client's addresses yet.
    mine = (
        f"curl --silent --max-time 10 {api}/v2/members | tr '{{' '\\n' | grep -F {quote(peer_url)}"
    )
    ident = 'sed -n \'s/.*"id":"\\([0-9a-f]*\\)".*/\\1/p\''
    json = "--header 'Content-Type: application/json'"
    new = quote(f'{{"peerURLs": ["{peer_url}"]}}')
    return Command(
        "take its place in the store again",
        check=f'[ -d {DATA}/member ] || ! {mine} | grep -q \'"clientURLs":\\["\'',
        apply="\n".join(
            [
                "set -e",
                f"id=$({mine} | {ident})",
                f'[ -z "$id" ] || curl --silent --fail --request DELETE {api}/v2/members/"$id"',
                f"curl --silent --fail {json} --data {new} {api}/v2/members",
                "systemctl set-environment ETCD_INITIAL_CLUSTER_STATE=existing",
                "systemctl restart etcd && sleep 2 || :",
                "systemctl unset-environment ETCD_INITIAL_CLUSTER_STATE",
            ]
        ),
        ask=Ask(helper, "etcd", alone),
    )
