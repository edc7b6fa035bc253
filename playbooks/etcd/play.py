"""The network store: etcd for overlay networks as in the course, on the lab's first nodes.

At most three nodes run it. The playbook overlay needs this one, because in overlay an engine waits
for a store that has its majority, and the store needs several nodes that have each finished this
playbook (ADR 7). Swarm networks need no store; then this playbook stops the etcd that it started.

A member's first start decides for good which store it belongs to. So etcd.conf never lets a member
without data start by itself, and the settings of the first start are written for that one time. The
first node creates a store of all members in the lab. Each further node waits until an earlier one
has finished this playbook, and then asks the store about itself. A member that the store already
lists only starts. A member that it doesn't list, because the lab has grown, is added with the
members' API and started at once: of two members, both are the majority. Because each node waits for
an earlier one, the store never lists more than one member that does not run. A run that dies in
between leaves a listed member without data, which the next run starts. Nodes that left the lab are
removed from the store, because it still counts them.

The store has neither password nor TLS, as in the course: everybody in the lab's network can write
to it.
"""

from collections.abc import Mapping
from typing import Any

from labctl.playbook import (
    Command,
    File,
    LabSpec,
    LoadedBy,
    Package,
    Packages,
    PeerQuery,
    Play,
    Plays,
    SecretStore,
    Service,
    msg,
    quote,
    shell_script,
)

from ..overlay.settings import mode
from . import store

# mirrors restarts an engine without the store before this playbook stops the store.
NEEDS = ("mirrors",)
CHECKED_TOGETHER = True

CONFIG = "/etc/etcd/etcd.conf"
DATA = "/var/lib/etcd/labctl.etcd"
WAL = f"{DATA}/member/wal"
"""A member's log of writes. It exists as soon as the member belongs to a store."""
FIRST_START = "/run/labctl-etcd.conf"
MARK = "# Written by labctl; what stood here before is in etcd.conf.before-labctl."


def play(play: Play) -> Plays:
    members = store.members(play.lab)
    if mode(play.lab) != "etcd":
        yield _stopped()
    elif play.node.name in members:
        yield from _member(play, members[play.node.name], members)
    elif play.node.address is not None:
        yield _left(play.node.address, members)


def expected(lab: LabSpec, _: SecretStore) -> dict[str, Any]:
    way = mode(lab)
    return {"mode": way, "members": store.members(lab) if way == "etcd" else {}}


def _stopped() -> Command:
    ours = f"grep -qF {quote(MARK)} {CONFIG} 2>/dev/null"
    return Command(
        "stop etcd, which swarm networks do not need",
        check=f"! {ours} || ! systemctl is-active --quiet etcd",
        apply="systemctl disable --now etcd",
    )


def _left(address: str, members: Mapping[str, str]) -> Command:
    """A node that was a member until other nodes came before it in lab.yaml."""
    check = shell_script(
        __file__,
        "store.sh",
        "check_left.sh",
        config=CONFIG,
        mark=MARK,
        own_url=_url(address),
        members=" ".join(members.values()),
    )
    apply = "systemctl disable --now etcd"
    return Command("stop etcd, which other nodes run now", check, apply)


def _member(play: Play, address: str, members: Mapping[str, str]) -> Plays:
    yield Packages((Package("etcd"),), name="etcd", repositories=play.repositories)
    client, peer = store.CLIENT_PORT, store.PEER_PORT
    settings = {
        "ETCD_NAME": play.node.name,
        "ETCD_DATA_DIR": DATA,
        "ETCD_LISTEN_PEER_URLS": f"http://{address}:{peer}",
        "ETCD_LISTEN_CLIENT_URLS": f"http://{address}:{client},http://127.0.0.1:{client}",
        "ETCD_ADVERTISE_CLIENT_URLS": f"http://{address}:{client}",
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": _url(address),
        # A member without data would create a store of its own. With this it looks for members to
        # join, finds none, and fails. A member with data ignores it, so no growth of the lab
        # changes this file and restarts the member.
        "ETCD_INITIAL_CLUSTER_STATE": "existing",
        "ETCD_INITIAL_CLUSTER_TOKEN": play.lab.name,
        # The engine uses etcd's API 2, which is off by default since 3.4.
        "ETCD_ENABLE_V2": "true",
    }
    lines = [MARK, *(f'{key}="{value}"' for key, value in settings.items())]
    yield File(CONFIG, "\n".join(lines) + "\n", loaded_by=LoadedBy("etcd"), backup=True)
    # With Type=notify, the unit would only count as started once the other members run, which may
    # be provisioned later. systemd reads EnvironmentFile lines in order; the last value wins.
    yield File(
        "/etc/systemd/system/etcd.service.d/labctl.conf",
        f"[Service]\nType=simple\nRestart=always\nRestartSec=2\nEnvironmentFile=-{FIRST_START}\n",
        loaded_by=LoadedBy("etcd"),
    )
    yield from _place(play.node.name, members)
    yield Service("etcd")
    yield _without_former_nodes(address, members)


def _url(address: str) -> str:
    return f"http://{address}:{store.PEER_PORT}"


def _place(node: str, members: Mapping[str, str]) -> Plays:
    """Yield the commands that make a member without data part of the store."""
    names = list(members)
    own = members[node]
    others = {name: address for name, address in members.items() if name != node}
    earlier = names[: names.index(node)]
    about_us = {
        "own": own,
        "own_url": _url(own),
        "others": " ".join(others.values()),
        "urls": " ".join(map(_url, members.values())),
        "wal": WAL,
    }
    is_placed = shell_script(__file__, "store.sh", "placed.sh", **about_us)
    cluster = ",".join(f"{name}={_url(address)}" for name, address in members.items())
    join = shell_script(
        __file__,
        *("store.sh", "placed.sh", "start.sh", "take_place.sh"),
        **about_us,
        node=node,
        data=DATA,
        first_start=FIRST_START,
        cluster=cluster,
    )
    name = msg("add this node to the network store")
    if earlier:
        # If no other node can answer, this one looks for the store in the network, and creates it
        # if there is none.
        query = PeerQuery(node, "mirrors")
        for other in earlier:
            script = _admission(own, members[other]) if len(others) == 1 else ""
            query = PeerQuery(other, "etcd", script, fallback=query)
        yield Command(name, f"{is_placed}placed", join, query)
        return
    if others:
        # The first node waits for no other, because the others wait for it. But it may have been
        # recreated, and then the others have the store.
        check = f"{is_placed}if placed; then exit 0; fi\n[ ! -d {WAL} ] && unknown_to_others"
        other = next(iter(others))
        helped = None
        if len(others) == 1:
            helped = PeerQuery(other, "etcd", _admission(own, others[other]))
        yield Command(name, check, join, helped)
    start = shell_script(__file__, "start.sh", wal=WAL, first_start=FIRST_START)
    create = f"{start}start {quote(cluster)} new"
    yield Command("create the network store", f"[ -d {WAL} ]", create)


def _admission(new: str, other: str) -> str:
    """Return sh for the only other member, which makes its store able to add `new`."""
    return shell_script(__file__, "store.sh", "admit.sh", own=other, new_url=_url(new))


def _without_former_nodes(address: str, members: Mapping[str, str]) -> Command:
    """The store lists no member that the lab does not have, by name or by address."""
    known = [f'"name":"{name}"' for name in members]
    known += [f'"{_url(one)}"' for one in members.values()]

    def script(name: str) -> str:
        files = ("store.sh", "former.sh", name)
        return shell_script(__file__, *files, own=address, known="\n".join(known))

    return Command(
        "remove nodes that left the lab from the network store",
        check=script("check_former.sh"),
        apply=script("remove_former.sh"),
    )
