"""Networks that reach across nodes: by etcd as in the course, or by Swarm for newer engines.

Either way a container on one node reaches one on another by its name, over
`docker network create --driver overlay --attachable NAME`; with Swarm, networks are made on the
first node, which manages it. An engine that has an external store cannot be in a swarm, so each way
undoes the other: the playbook mirrors, which writes daemon.json, has left the swarm before it
writes `cluster-store`, or has restarted the engine without it before a swarm is begun here.

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
    SwarmManager,
    SwarmWorker,
    quote,
)

NEEDS = ("hosts", "mirrors")
CHECKED_TOGETHER = True

CONFIG = "/etc/etcd/etcd.conf"
DATA = "/var/lib/etcd/labctl.etcd"
MARK = "# Written by labctl; what stood here before is in etcd.conf.before-labctl."


def play(play: Play) -> Plays:
    if play.node.address is None:
        raise ValueError(f"{play.node.name} has no address in the lab; give it one in lab.yaml")
    if services.overlay_mode(play.lab) == "etcd":
        yield from _etcd(play, play.node.address)
    else:
        yield from _swarm(play, play.node.address)


def _etcd(play: Play, address: str) -> Plays:
    members = services.etcd_members(play.lab)
    if play.node.name in members:
        yield from _member(play, address, members)
    yield _neighbours(address if play.node.name in members else next(iter(members.values())))


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


def _neighbours(store: str) -> Command:
    """The engine hears from the others what containers they have, which it does over serf.

    It begins with that when it finds its store, for which it looks as it starts, and then three
    times a minute. But the playbook mirrors started it before there was a store, and of a container
    that joins a network meanwhile the other engines never hear. A restart finds the store at once;
    where a container runs that would end by it, the engine is waited for.
    """
    heard = f"ss --listening --tcp --numeric | grep -q ':{services.SERF_PORT} '"
    healthy = (
        f"curl --silent --max-time 5 http://{store}:{services.ETCD_PORT}/health"
        ' | grep -q \'"health": *"true"\''
    )
    return Command(
        "let the engine find its neighbours",
        check=f"systemctl is-active --quiet docker && {heard}",
        # Healthy it is when the other members are there too, which are provisioned meanwhile.
        apply="\n".join(
            [
                "until_true() {",
                '  waited=0; until eval "$1"; do',
                '    [ "$waited" -lt 120 ] || { echo "not within 120 s: $1"; exit 1; }',
                "    sleep 1; waited=$((waited + 1))",
                "  done",
                "}",
                f"until_true {quote(healthy)}",
                # Its unit allows three starts a minute, and these were two already.
                services.ENDED_BY_RESTART,
                'if [ -z "$(ended_by_restart)" ]; then',
                "  systemctl reset-failed docker; systemctl restart docker || exit 1",
                "fi",
                f"until_true {quote(heard)}",
            ]
        ),
    )


def _place_of_its_own(address: str, others: Mapping[str, str]) -> Command:
    """A member that was made anew: the others still have it as the one that it was, with its data.

    It is taken out and let in again, empty. Where there were but two, the other alone is no
    majority and can do neither; but half of the store is lost for good then, so that the other may
    go on alone, with all that it has.
    """
    peer_url = f"http://{address}:{services.ETCD_PEER_PORT}"
    helper, at = next(iter(others.items()))
    api = f"http://{at}:{services.ETCD_PORT}"
    healthy = f'curl --silent --max-time 10 {api}/health | grep -q \'"health": *"true"\''
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
        ask=Ask(helper, "overlay", alone),
    )


def _swarm(play: Play, address: str) -> Plays:
    ours = f"grep -qF {quote(MARK)} {CONFIG} 2>/dev/null"
    yield Command(
        "stop etcd, which networks by swarm do without",
        check=f"! {ours} || ! systemctl is-active --quiet etcd",
        apply="systemctl disable --now etcd",
    )
    manager = services.overlay_manager(play.lab)
    if play.node.name == manager:
        yield SwarmManager(address)
        return
    at = play.addresses.get(manager)
    if at is None:
        raise ValueError(f"{manager} has no address in the lab; give it one in lab.yaml")
    ask = Ask(manager, "overlay", "docker swarm join-token --quiet worker", secret=True)
    yield SwarmWorker(address, at, ask)
