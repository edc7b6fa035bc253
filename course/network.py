"""Networks: who can reach a container, under which name, and from where.

Docker gives a container a network of its own (a namespace) and joins it to others by a bridge on
the node, by a port of the node, or by an overlay that spans nodes. Each of these is tried from the
place that it is for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from testinfra.host import Host

from labctl.exercise import Desk, astray

SLEEP = "sleep 1d"
"""A container lives as long as its first process."""


def test_default_bridge(desk: Desk) -> None:
    """on the default bridge containers reach each other by address, and have no names"""
    one = desk.container("one", desk.image("busybox"), SLEEP)
    two = desk.container("two", desk.image("busybox"), SLEEP)
    address = address_of(desk, two, "bridge")
    ping(desk, one, address)
    by_name = desk.run("docker exec %s ping -c 1 -W 2 %s", one, two, ok=False)
    assert address not in by_name.stdout, f"the default bridge knows the name {two}"


def test_own_network(desk: Desk) -> None:
    """on a network of one's own containers find each other by name and by alias"""
    net = desk.network("net")
    one = desk.container("one", desk.image("busybox"), SLEEP, f"--network {net}")
    two = desk.container(
        "two", desk.image("busybox"), SLEEP, f"--network {net} --network-alias store"
    )
    ping(desk, one, two)
    ping(desk, one, "store")
    seen = desk.out("docker exec %s cat /etc/resolv.conf", one)
    assert "nameserver 127.0.0.11" in seen, f"not the engine answers for names, but: {seen}"


def test_connect(desk: Desk) -> None:
    """a running container joins a second network, and leaves it again"""
    net = desk.network("net")
    inside = desk.container("inside", desk.image("busybox"), SLEEP, f"--network {net}")
    guest = desk.container("guest", desk.image("busybox"), SLEEP)
    assert networks_of(desk, guest) == {"bridge"}
    desk.run("docker network connect %s %s", net, guest)
    assert networks_of(desk, guest) == {"bridge", net}
    ping(desk, guest, inside)
    desk.run("docker network disconnect %s %s", net, guest)
    assert networks_of(desk, guest) == {"bridge"}
    gone = desk.run("docker exec %s ping -c 1 -W 1 %s", guest, inside, ok=False)
    assert gone.rc != 0, f"{guest} left {net} and still reaches {inside}"


def test_link(desk: Desk) -> None:
    """--link gives a container of the default bridge a name, and the other's variables"""
    options = "--env COLOUR=green --expose 80"
    shop = desk.container("shop", desk.image("busybox"), SLEEP, options)
    guest = desk.container("guest", desk.image("busybox"), SLEEP, f"--link {shop}:web")
    ping(desk, guest, "web")
    variables = desk.out("docker exec %s env", guest).splitlines()
    assert "WEB_ENV_COLOUR=green" in variables
    assert f"WEB_PORT_80_TCP_ADDR={address_of(desk, shop, 'bridge')}" in variables


def test_environment(desk: Desk) -> None:
    """variables reach a container from -e, from the caller's shell, and from a file"""
    folder = desk.folder({"settings.env": "SIZE=large\n# a comment\n"})
    said = desk.out(
        "FROM_SHELL=passed docker run --rm --label %s -e COLOUR='two words' -e FROM_SHELL"
        " --env-file %s/settings.env %s env",
        *(desk.label, folder, desk.image("busybox")),
    )
    wanted = {"COLOUR=two words", "FROM_SHELL=passed", "SIZE=large"}
    missing = wanted - set(said.splitlines())
    assert not missing, f"not among the container's variables: {', '.join(sorted(missing))}"


def test_published_port_on_the_node(desk: Desk, wanted: dict[str, Any]) -> None:
    """a published port answers on the node, under 127.0.0.1 and under the node's address"""
    port = web_server(desk)
    for address in ("127.0.0.1", wanted["address"]):
        if address:
            asked = desk.wait(page(address, port), until=desk.token)
            assert desk.token in asked


def test_published_port_from_another_node(
    desk: Desk, neighbour: Desk, wanted: dict[str, Any]
) -> None:
    """a published port answers to another node of the lab"""
    port = web_server(desk)
    desk.wait(page("127.0.0.1", port), until=desk.token)
    address = wanted["address"] or desk.node
    with hinting(
        f"port {port} of {desk.node} answers on the node itself, but not to {neighbour.node}",
        *(desk, neighbour),
    ):
        neighbour.wait(page(address, port), until=desk.token, seconds=20)


def test_namespaces(desk: Desk) -> None:
    """two network namespaces, joined by a pair of virtual interfaces, reach each other"""
    left, right = desk.name("left"), desk.name("right")
    # The name of an interface has fifteen characters at most.
    plug, socket = f"rh{desk.token}l", f"rh{desk.token}r"
    with desk.host.sudo():
        sweep_namespaces(desk)
        try:
            for space in (left, right):
                desk.run("ip netns add %s", space)
            empty = desk.out("ip -n %s -o link", left)
            assert "docker0" not in empty, f"the namespace has interfaces of the node: {empty}"
            desk.run("ip link add %s type veth peer name %s", plug, socket)
            for space, device, address in ((left, plug, 1), (right, socket, 2)):
                desk.run("ip link set %s netns %s", device, space)
                desk.run("ip -n %s addr add 192.0.2.%s/24 dev %s", space, address, device)
                desk.run("ip -n %s link set %s up", space, device)
            desk.run("ip netns exec %s ping -c 1 -W 10 192.0.2.2", left)
        finally:
            sweep_namespaces(desk)
            desk.run("ip link del %s", plug, ok=False)  # where it was not yet in a namespace


def test_overlay_by_name(desk: Desk, neighbour: Desk, overlay: str) -> None:
    """containers on two nodes reach each other by name and by address over an overlay network"""
    here = joined(desk, "here", overlay)
    there = joined(neighbour, "there", overlay)
    for one, mine, other, its in (
        (desk, here, neighbour, there),
        (neighbour, there, desk, here),
    ):
        over(one, mine, its, other)
        over(one, mine, address_of(other, its, overlay), other)


def test_overlay_gives_no_address_twice(desk: Desk, neighbour: Desk, overlay: str) -> None:
    """an overlay network gives no address twice, on whichever node its containers are"""
    places = (("one", desk), ("two", neighbour), ("three", desk))
    addresses = [address_of(at, joined(at, word, overlay), overlay) for word, at in places]
    assert len(set(addresses)) == len(addresses), f"an address was given twice: {addresses}"


@pytest.fixture
def overlay(
    request: pytest.FixtureRequest,
    desk: Desk,
    neighbour: Desk,
    wanted: dict[str, Any],
    peers: Mapping[str, Host],
) -> str:
    """An overlay network of this exercise, on the lab's nodes; its name."""
    mode = overlay_mode(wanted)
    if mode == "etcd":  # it puts the engines out of step, and pulls fail on them from then on
        tokens = wanted.get("rehearsal", {}).get("tokens", {})
        if neighbour.node in tokens:
            neighbour.pulls.await_end(tokens[neighbour.node])
    # A swarm may know the name of a network for a while after it was removed.
    word = request.function.__name__.removeprefix("test_").replace("_", "-")
    for where in (desk, neighbour):
        where.engine_network(GATEWAY)
    if mode == "etcd":
        net = persistently(
            lambda: desk.network(word, "--driver overlay"),
            lambda: desk.run("docker network rm %s", desk.name(word), ok=False),
        )
        neighbour.wait("docker network ls --format '{{.Name}}'", until=net, seconds=20)
        return net
    return manager(desk, peers).network(word, "--driver overlay --attachable")


GATEWAY = "docker_gwbridge"
"""The bridge that the engine makes for the first container on an overlay network, and keeps."""


def overlay_mode(wanted: dict[str, Any]) -> str:
    """Return what keeps the lab's overlay networks, etcd or swarm; not applicable without."""
    mode = str(wanted.get("overlay", {}).get("mode", ""))
    if not mode:
        pytest.skip("the lab does without the playbook overlay")
    engine = wanted["toolchain"]["docker"]
    if mode == "etcd" and int(engine.partition(".")[0]) >= 23:
        pytest.skip(f"engine {engine} has no overlay networks by etcd: they were taken out in 23.0")
    return mode


def manager(desk: Desk, peers: Mapping[str, Host]) -> Desk:
    """Return the desk on a node that manages the swarm: only these make overlay networks."""
    states = []
    for node in (desk.node, *sorted(peers)):
        where = desk if node == desk.node else desk.on(node)
        state = where.out(
            "docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}'"
        )
        if state == "active true":
            return where
        states.append(f"{node} is {state.split(' ', maxsplit=1)[0]}")
    raise AssertionError(
        f"no node manages a swarm ({', '.join(states)}); `labctl provision --only overlay` makes it"
    )


DEADLINE = "context deadline exceeded"
NO_ADDRESS = "and got no address on"
TRIES = 10
"""How often something is made on an overlay network. It takes several calls of the engine to its
store, and each of the engine's threads may be astray."""


def joined(desk: Desk, word: str, network: str) -> str:
    """Start a container on an overlay network, where it has an address then; return its name."""
    image, option = desk.image("busybox"), f"--network {network}"

    def start() -> str:
        name = desk.container(word, image, SLEEP, option)
        found = address_of(desk, name, network)
        assert found, f"{name} runs on {desk.node}, and got no address on {network}"
        return name

    return persistently(start, lambda: desk.run("docker rm --force %s", desk.name(word), ok=False))


def persistently(make: Callable[[], str], undo: Callable[[], object]) -> str:
    """Make something of an overlay network, where engines fail now and then for no fault of theirs.

    The manager of a swarm has 20 s to give a worker a network, which may be too short just after
    others were made and removed (moby#41841). And an engine that an earlier exercise left astray
    may not find its store (moby#39372); it starts a container all the same then, now and then, but
    on no network. Who tries again gets it.

    Parameters:
        make: makes it and returns its name.
        undo: removes what an attempt that failed may have left.
    """
    for _ in range(TRIES - 1):
        try:
            return make()
        except AssertionError as error:
            said = str(error)
            if not astray(said) and not any(w in said for w in (DEADLINE, NO_ADDRESS)):
                raise
        undo()
    return make()


def over(desk: Desk, container: str, target: str, other: Desk) -> None:
    """Reach a container on another node, or tell what may be in the way."""
    with hinting(
        f"{container} on {desk.node} does not reach {target} on {other.node}; overlay networks"
        " need udp 4789 (the containers' traffic) and 7946 (who is where) between the nodes",
        *(desk, other),
    ):
        # A new container is known on the other node a moment later.
        command = "docker exec %s ping -c 1 -W 2 %s"
        desk.wait(command, container, target, until=" 0% packet loss", seconds=30)


def ping(desk: Desk, container: str, target: str) -> None:
    """Reach a name or an address from a container on the same node."""
    with hinting(f"{container} does not reach {target} on {desk.node}", desk):
        desk.run("docker exec %s ping -c 1 -W 10 %s", container, target)


def web_server(desk: Desk) -> str:
    """Start a web server with a page that nobody else has; return the port that it got."""
    pages = desk.folder({"index.html": f"{desk.token}\n"})
    image = desk.image("nginx")
    web = desk.container("web", image, "", f"-p 80 -v {pages}:/usr/share/nginx/html:ro")
    return desk.out("docker port %s 80/tcp", web).splitlines()[0].rpartition(":")[2]


def page(address: str, port: str) -> str:
    """Return the command that asks for the page."""
    return f"curl --silent --show-error --noproxy '*' --max-time 5 http://{address}:{port}/"


def address_of(desk: Desk, container: str, network: str) -> str:
    """Return the address that a container has on a network."""
    form = '{{(index .NetworkSettings.Networks "' + network + '").IPAddress}}'
    return desk.out("docker inspect --format %s %s", form, container)


def networks_of(desk: Desk, container: str) -> set[str]:
    """Return the names of a container's networks."""
    form = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
    return set(desk.out("docker inspect --format %s %s", form, container).split())


def sweep_namespaces(desk: Desk) -> None:
    """Remove namespaces that this or a killed rehearsal of the node made, with what is in them."""
    for line in desk.out("ip netns list").splitlines():
        if line.startswith("rehearse-"):
            desk.run("ip netns del %s", line.split()[0])


@contextmanager
def hinting(problem: str, *desks: Desk) -> Iterator[None]:
    """Put what is wrong, and the firewall rules that may be why, before an error's own words."""
    try:
        yield
    except AssertionError as error:
        rules = [f"{desk.node}: {rule}" for desk in desks for rule in dropping(desk)]
        why = f"rules that drop packets: {'; '.join(rules)}" if rules else "no rule drops packets"
        raise AssertionError(f"{problem} ({why}). {error}") from error


def dropping(desk: Desk) -> list[str]:
    """Return a node's firewall rules that drop or refuse packets, without the engine's own."""
    with desk.host.sudo():
        rules = desk.run("iptables --wait -S", ok=False).stdout.splitlines()
    return [
        rule
        for rule in rules
        if ("-j DROP" in rule or "-j REJECT" in rule or rule in ("-P INPUT DROP", "-P OUTPUT DROP"))
        and (" DOCKER" not in rule or " DOCKER-USER " in rule)
        and GATEWAY not in rule
    ]
