"""Repairs: labctl's changes on the node so that pulls work.

If a node's resolver does not find Docker Hub, labctl pins addresses in /etc/hosts. If mirrors of
Docker Hub do not answer, it selects others. labctl measured both while it provisioned the node.
These exercises measure again, because the network changes.
"""

import pytest

from labctl.exercise import Sandbox, Wanted, msg, on_failure


@on_failure("Docker Hub does not answer", fix="labctl provision --refresh")
def test_docker_hub_answers(sandbox: Sandbox, wanted: Wanted) -> None:
    """the hosts of Docker Hub resolve, and answer with their own certificates"""
    pinned, lost, silent = pins(wanted), unreachable(wanted), []
    for name in wanted["sources"]["hub_hosts"]:
        if name in lost:
            continue
        found = addresses(sandbox, name)
        assert name not in pinned or found == {pinned[name]}, msg(
            "{name} resolves to {found} on {node}, because its pin to {pinned} is not "
            "in /etc/hosts",
            name=name,
            found=words(found, "no address"),
            node=sandbox.node,
            pinned=pinned[name],
        )
        if answers(sandbox, f"https://{name}/"):
            continue
        # A name that the node's resolver does not find is pinned even to an unreachable address.
        if name in pinned and not looked_up(sandbox, name):
            lost.append(name)
        else:
            silent.append(f"{name} ({words(found, 'no address')})")
    assert not silent, msg(
        "{silent} does not answer as itself on {node}, which uses the resolver {resolvers}",
        silent=words(silent),
        node=sandbox.node,
        resolvers=words(resolvers(sandbox)),
    )
    if lost:
        pytest.skip(
            msg(
                "no resolver has a working address of {lost}; pulls use a mirror, which "
                "the other exercises test",
                lost=words(lost),
            )
        )


@on_failure("the names of Docker Hub do not resolve as measured", fix="labctl provision --refresh")
def test_pins_replace_the_resolver(sandbox: Sandbox, wanted: Wanted) -> None:
    """if the node's own resolver fails, a pin in /etc/hosts replaces it"""
    pinned = pins(wanted)
    if not pinned:
        pytest.skip("the node's own resolver found Docker Hub; nothing had to be pinned")
    for name, address in pinned.items():
        found = addresses(sandbox, name)
        assert found == {address}, msg(
            "{name} resolves to {found}, but its pin is {address}",
            name=name,
            found=words(found, "no address"),
            address=address,
        )
    well = [name for name in pinned if resolved(sandbox, name)]
    if len(well) == len(pinned):
        pytest.skip(
            msg(
                "the node's own resolver finds {well} again; "
                "`labctl provision --refresh` measures again",
                well=words(well),
            )
        )


@on_failure(
    "a mirror of Docker Hub does not answer, which slows down each pull",
    fix="labctl provision --refresh",
)
def test_mirrors_answer(sandbox: Sandbox) -> None:
    """every mirror that the engine uses answers"""
    mirrors = sandbox.out(
        "docker info --format '{{range .RegistryConfig.Mirrors}}{{.}} {{end}}'"
    ).split()
    if not mirrors:
        pytest.skip("the engine uses no mirror; it pulls directly from Docker Hub")
    dead = [mirror for mirror in mirrors if not answers(sandbox, f"{mirror}v2/", "200", "401")]
    assert not dead, msg(
        "{dead} of the mirrors {mirrors} on {node} does not answer",
        dead=words(dead),
        mirrors=words(mirrors),
        node=sandbox.node,
    )


@on_failure("images cannot be pulled", fix="labctl provision --refresh")
def test_pull(sandbox: Sandbox) -> None:
    """an image is pulled and runs"""
    name = sandbox.image("hello")
    sandbox.pull(name)  # even if the node has it, this asks the registry
    output = sandbox.out("docker run --rm --label %s %s", sandbox.label, name)
    assert "Hello from Docker!" in output


def pins(wanted: Wanted) -> dict[str, str]:
    """Return the names that labctl pinned, with their addresses."""
    choices = wanted["choices"]
    return dict(choices.get("hosts.pins", {})) if choices.get("hosts.broken") else {}


def unreachable(wanted: Wanted) -> list[str]:
    """Return the names that did not answer and that no other resolver found."""
    return sorted(set(wanted["choices"].get("hosts.broken", ())) - pins(wanted).keys())


def addresses(sandbox: Sandbox, name: str) -> set[str]:
    """Return the addresses of a name on the node, from /etc/hosts first."""
    lines = sandbox.run("getent ahostsv4 %s", name, ok=False).stdout.splitlines()
    return {line.split()[0] for line in lines}


def resolvers(sandbox: Sandbox) -> list[str]:
    """Return the addresses of the node's own resolvers."""
    return sandbox.out("awk '/^nameserver/ {print $2}' /etc/resolv.conf").split()


def resolved(sandbox: Sandbox, name: str) -> bool:
    """Return True if the node's own resolvers find a working host, without /etc/hosts."""
    return any(
        answers(sandbox, f"https://{name}/", at=f"{name}:443:{address}")
        for address in looked_up(sandbox, name)
    )


def looked_up(sandbox: Sandbox, name: str) -> list[str]:
    """Return the addresses from the node's own resolvers, without /etc/hosts."""
    outputs = [
        sandbox.run("dig +short +time=3 +tries=1 @%s %s A", resolver, name, ok=False).stdout.split()
        for resolver in resolvers(sandbox)
    ]
    return [word for output in outputs for word in output if word.replace(".", "").isdigit()]


def answers(sandbox: Sandbox, url: str, *codes: str, at: str = "") -> bool:
    """Return True if a URL answers on the node, with one of `codes` if any are given.

    `at` has the form of curl's --resolve: name, port and address.
    """
    where = f"--resolve {at}" if at else ""
    result = sandbox.run(
        f"curl --silent --output /dev/null --connect-timeout 10 --max-time 20 {where}"
        " --write-out '%%{http_code}' %s",
        url,
        ok=False,
    )
    return bool(result.rc == 0 and (not codes or result.stdout.strip() in codes))


def words(things: object, empty: str = "none") -> str:
    """Return the items joined for a sentence."""
    assert isinstance(things, list | set)
    return ", ".join(sorted(things)) or empty
