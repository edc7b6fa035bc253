"""Networks: from where and by which name a container is reachable.

Docker gives each container a network namespace and connects it by a bridge on the node, by a port
of the node, or by an overlay network that spans nodes.
"""

from collections.abc import Callable

import pytest

from labctl.exercise import (
    GATEWAY,
    HEAL,
    Peers,
    Sandbox,
    Wanted,
    firewall_hint,
    is_namespace_leak,
    msg,
    on_failure,
)

SLEEP = "sleep 1d"
"""A container runs as long as its first process."""


@on_failure("containers do not reach each other on the default bridge", fix=HEAL)
def test_default_bridge(sandbox: Sandbox) -> None:
    """on the default bridge, containers reach each other by address but not by name"""
    one = sandbox.container("one", sandbox.image("busybox"), SLEEP)
    two = sandbox.container("two", sandbox.image("busybox"), SLEEP)
    address = address_of(sandbox, two, "bridge")
    ping(sandbox, one, address)
    by_name = sandbox.run("docker exec %s ping -c 1 -W 2 %s", one, two, ok=False)
    assert address not in by_name.stdout, msg(
        "the default bridge resolves the name {name}", name=two
    )


@on_failure("containers do not find each other by name", fix=HEAL)
def test_own_network(sandbox: Sandbox) -> None:
    """on a user-defined network, containers find each other by name and by alias"""
    net = sandbox.network("net")
    one = sandbox.container("one", sandbox.image("busybox"), SLEEP, f"--network {net}")
    two = sandbox.container(
        "two", sandbox.image("busybox"), SLEEP, f"--network {net} --network-alias store"
    )
    ping(sandbox, one, two)
    ping(sandbox, one, "store")
    seen = sandbox.out("docker exec %s cat /etc/resolv.conf", one)
    assert "nameserver 127.0.0.11" in seen, msg(
        "the engine does not answer DNS queries; resolv.conf: {seen}", seen=seen
    )


@on_failure("a container cannot join a second network", fix=HEAL)
def test_connect(sandbox: Sandbox) -> None:
    """a running container joins a second network and leaves it again"""
    net = sandbox.network("net")
    inside = sandbox.container("inside", sandbox.image("busybox"), SLEEP, f"--network {net}")
    guest = sandbox.container("guest", sandbox.image("busybox"), SLEEP)
    assert networks_of(sandbox, guest) == {"bridge"}
    sandbox.run("docker network connect %s %s", net, guest)
    assert networks_of(sandbox, guest) == {"bridge", net}
    ping(sandbox, guest, inside)
    sandbox.run("docker network disconnect %s %s", net, guest)
    assert networks_of(sandbox, guest) == {"bridge"}
    gone = sandbox.run("docker exec %s ping -c 1 -W 1 %s", guest, inside, ok=False)
    assert gone.rc != 0, msg(
        "{guest} left {net} and still reaches {inside}", guest=guest, net=net, inside=inside
    )


@on_failure("--link has no effect", fix=HEAL)
def test_link(sandbox: Sandbox) -> None:
    """--link gives a container the name and the variables of another one"""
    options = "--env COLOUR=green --expose 80"
    shop = sandbox.container("shop", sandbox.image("busybox"), SLEEP, options)
    guest = sandbox.container("guest", sandbox.image("busybox"), SLEEP, f"--link {shop}:web")
    ping(sandbox, guest, "web")
    variables = sandbox.out("docker exec %s env", guest).splitlines()
    assert "WEB_ENV_COLOUR=green" in variables
    assert f"WEB_PORT_80_TCP_ADDR={address_of(sandbox, shop, 'bridge')}" in variables


@on_failure("containers do not get their variables", fix=HEAL)
def test_environment(sandbox: Sandbox) -> None:
    """a container gets variables from -e, from the caller's shell and from a file"""
    folder = sandbox.folder({"settings.env": "SIZE=large\n# a comment\n"})
    printed = sandbox.out(
        "FROM_SHELL=passed docker run --rm --label %s -e COLOUR='two words' -e FROM_SHELL"
        " --env-file %s/settings.env %s env",
        *(sandbox.label, folder, sandbox.image("busybox")),
    )
    wanted = {"COLOUR=two words", "FROM_SHELL=passed", "SIZE=large"}
    missing = wanted - set(printed.splitlines())
    assert not missing, msg(
        "not among the container's variables: {missing}", missing=", ".join(sorted(missing))
    )


@on_failure("a published port does not answer on its own node", fix=HEAL)
def test_published_port_on_the_node(sandbox: Sandbox, wanted: Wanted) -> None:
    """a published port answers on the node, at 127.0.0.1 and at the node's address"""
    port = web_server(sandbox)
    for address in ("127.0.0.1", wanted["address"]):
        if address:
            answer = sandbox.wait(page(address, port), until=sandbox.token)
            assert sandbox.token in answer


@on_failure("a published port does not answer other nodes", fix=HEAL)
def test_published_port_from_another_node(
    sandbox: Sandbox, peer_sandbox: Sandbox, wanted: Wanted
) -> None:
    """a published port answers another node of the lab"""
    port = web_server(sandbox)
    sandbox.wait(page("127.0.0.1", port), until=sandbox.token)
    address = wanted["address"] or sandbox.node
    problem = msg(
        "port {port} of {node} answers on the node itself, but not to {other}",
        port=port,
        node=sandbox.node,
        other=peer_sandbox.node,
    )
    with firewall_hint(problem, sandbox, peer_sandbox):
        peer_sandbox.wait(page(address, port), until=sandbox.token, seconds=20)


@on_failure("network namespaces do not work", fix=HEAL)
def test_namespaces(sandbox: Sandbox) -> None:
    """two network namespaces reach each other through a veth pair"""
    left, right = sandbox.name("left"), sandbox.name("right")
    # The name of an interface has at most fifteen characters.
    plug, socket = f"rh{sandbox.token}l", f"rh{sandbox.token}r"
    with sandbox.host.sudo():
        remove_namespaces(sandbox)
        try:
            for space in (left, right):
                sandbox.run("ip netns add %s", space)
            empty = sandbox.out("ip -n %s -o link", left)
            assert "docker0" not in empty, msg(
                "the namespace has interfaces of the node: {empty}", empty=empty
            )
            sandbox.run("ip link add %s type veth peer name %s", plug, socket)
            for space, device, address in ((left, plug, 1), (right, socket, 2)):
                sandbox.run("ip link set %s netns %s", device, space)
                sandbox.run("ip -n %s addr add 192.0.2.%s/24 dev %s", space, address, device)
                sandbox.run("ip -n %s link set %s up", space, device)
            sandbox.run("ip netns exec %s ping -c 1 -W 10 192.0.2.2", left)
        finally:
            remove_namespaces(sandbox)
            sandbox.run("ip link del %s", plug, ok=False)  # if it was not in a namespace yet


@on_failure("containers on two nodes do not reach each other")
def test_overlay_by_name(sandbox: Sandbox, peer_sandbox: Sandbox, overlay: str) -> None:
    """containers on two nodes reach each other by name and by address over an overlay network"""
    here = joined(sandbox, "here", overlay)
    there = joined(peer_sandbox, "there", overlay)
    for one, mine, other, its in (
        (sandbox, here, peer_sandbox, there),
        (peer_sandbox, there, sandbox, here),
    ):
        over(one, mine, its, other)
        over(one, mine, address_of(other, its, overlay), other)


@on_failure("an overlay network gives an address to two containers")
def test_overlay_gives_no_address_twice(
    sandbox: Sandbox, peer_sandbox: Sandbox, overlay: str
) -> None:
    """an overlay network gives each container its own address, across nodes"""
    places = (("one", sandbox), ("two", peer_sandbox), ("three", sandbox))
    addresses = [address_of(at, joined(at, word, overlay), overlay) for word, at in places]
    assert len(set(addresses)) == len(addresses), msg(
        "an address was given twice: {addresses}", addresses=addresses
    )


@pytest.fixture
def overlay(
    request: pytest.FixtureRequest,
    sandbox: Sandbox,
    peer_sandbox: Sandbox,
    wanted: Wanted,
    peers: Peers,
) -> str:
    """The name of an overlay network on the lab's nodes."""
    mode = overlay_mode(wanted)
    if mode == "etcd":  # afterwards, pulls may fail on both engines (moby#39372)
        tokens = wanted.get("rehearsal", {}).get("tokens", {})
        if peer_sandbox.node in tokens:
            peer_sandbox.lease.wait_for_pulls(tokens[peer_sandbox.node])
    # A swarm keeps the name of a removed network for a while, so each exercise uses another name.
    word = request.function.__name__.removeprefix("test_").replace("_", "-")
    for where in (sandbox, peer_sandbox):
        where.engine_network(GATEWAY)
    if mode == "etcd":
        net = persistently(
            lambda: sandbox.network(word, "--driver overlay"),
            lambda: sandbox.run("docker network rm %s", sandbox.name(word), ok=False),
        )
        peer_sandbox.wait("docker network ls --format '{{.Name}}'", until=net, seconds=20)
        return net
    return manager(sandbox, peers).network(word, "--driver overlay --attachable")


def overlay_mode(wanted: Wanted) -> str:
    """Return the store of the lab's overlay networks, etcd or swarm; skip without one."""
    mode = str(wanted.get("overlay", {}).get("mode", ""))
    if not mode:
        pytest.skip("the lab does not use the playbook overlay")
    engine = wanted["toolchain"]["docker"]
    if mode == "etcd" and int(engine.partition(".")[0]) >= 23:
        pytest.skip(
            msg(
                "engine {engine} has no overlay networks with etcd: they were removed in 23.0",
                engine=engine,
            )
        )
    return mode


def manager(sandbox: Sandbox, peers: Peers) -> Sandbox:
    """Return the sandbox on a manager of the swarm; only managers create overlay networks."""
    states = []
    for node in (sandbox.node, *sorted(peers)):
        where = sandbox if node == sandbox.node else sandbox.on(node)
        state = where.out(
            "docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}'"
        )
        if state == "active true":
            return where
        states.append(f"{node} is {state.split(' ', maxsplit=1)[0]}")
    raise AssertionError(
        msg(
            "no node manages a swarm ({states}); `labctl provision --only overlay` creates one",
            states=", ".join(states),
        )
    )


DEADLINE = "context deadline exceeded"
NO_ADDRESS = "but got no address on"
TRIES = 10
"""Attempts. In each one the engine sends several requests to its store; any can fail."""


def joined(sandbox: Sandbox, word: str, network: str) -> str:
    """Start a container on an overlay network, wait for its address, and return its name."""
    image, option = sandbox.image("busybox"), f"--network {network}"

    def start() -> str:
        name = sandbox.container(word, image, SLEEP, option)
        found = address_of(sandbox, name, network)
        assert found, msg(
            "{name} runs on {node} but got no address on {network}",
            name=name, node=sandbox.node, network=network,
        )  # fmt: skip
        return name

    def undo() -> None:
        # An engine with a store may keep the endpoint of a container that could not start.
        for command in (f"docker network disconnect --force {network}", "docker rm --force"):
            sandbox.run(f"{command} %s", sandbox.name(word), ok=False)

    return persistently(start, undo)


def persistently(make: Callable[[], str], undo: Callable[[], object]) -> str:
    """Create something on an overlay network; retry because of two known defects of the engine.

    A swarm's manager gives a network to a worker within 20 s, or fails (moby#41841). After an
    exercise on overlay networks, an engine may not reach its store, and then it may start a
    container without a network (moby#39372).

    Parameters:
        make: creates it and returns its name.
        undo: removes what a failed attempt left.
    """
    for _ in range(TRIES - 1):
        try:
            return make()
        except AssertionError as error:
            text = str(error)
            if not is_namespace_leak(text) and not any(w in text for w in (DEADLINE, NO_ADDRESS)):
                raise
        undo()
    return make()


def over(sandbox: Sandbox, container: str, target: str, other: Sandbox) -> None:
    """Reach a container on another node, or fail with the likely reasons."""
    problem = msg(
        "{container} on {node} does not reach {target} on {other}; overlay networks need UDP ports "
        "4789 (the containers' traffic) and 7946 (their addresses) between the nodes",
        container=container,
        node=sandbox.node,
        target=target,
        other=other.node,
    )
    with firewall_hint(problem, sandbox, other):
        # The other node learns of a new container after a moment. With a store, it learns of a
        # restarted engine from that engine's next message, sent every 20 s; one may be missed.
        command = "docker exec %s ping -c 1 -W 2 %s"
        sandbox.wait(command, container, target, until=" 0% packet loss", seconds=45)


def ping(sandbox: Sandbox, container: str, target: str) -> None:
    """Reach a name or an address from a container on the same node."""
    problem = msg(
        "{container} does not reach {target} on {node}",
        container=container,
        target=target,
        node=sandbox.node,
    )
    with firewall_hint(problem, sandbox):
        sandbox.run("docker exec %s ping -c 1 -W 10 %s", container, target)


def web_server(sandbox: Sandbox) -> str:
    """Start a web server with a unique page and return its port."""
    pages = sandbox.folder({"index.html": f"{sandbox.token}\n"})
    image = sandbox.image("nginx")
    web = sandbox.container("web", image, "", f"-p 80 -v {pages}:/usr/share/nginx/html:ro")
    return sandbox.out("docker port %s 80/tcp", web).splitlines()[0].rpartition(":")[2]


def page(address: str, port: str) -> str:
    """Return the command that requests the page."""
    return f"curl --silent --show-error --noproxy '*' --max-time 5 http://{address}:{port}/"


def address_of(sandbox: Sandbox, container: str, network: str) -> str:
    """Return the address of a container on a network."""
    form = '{{(index .NetworkSettings.Networks "' + network + '").IPAddress}}'
    return sandbox.out("docker inspect --format %s %s", form, container)


def networks_of(sandbox: Sandbox, container: str) -> set[str]:
    """Return the names of a container's networks."""
    form = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
    return set(sandbox.out("docker inspect --format %s %s", form, container).split())


def remove_namespaces(sandbox: Sandbox) -> None:
    """Remove the namespaces of this rehearsal and of killed ones."""
    for line in sandbox.out("ip netns list").splitlines():
        if line.startswith("rehearse-"):
            sandbox.run("ip netns del %s", line.split()[0])
