"""The engine runs containers, for the lab's user, at the versions of the toolchain."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

from labctl.exercise import msg, on_failure
from labctl.playbook import engine_start_probe, engine_start_problems

IMAGES = ("busybox",)
PACKAGES = {"containerd.io": "containerd", "docker-ce": "docker", "docker-ce-cli": "docker_cli"}


@on_failure("Docker is not running, or does not start at boot")
def test_engine_starts_at_boot_and_runs(host: Host) -> None:
    """the engine is enabled and running"""
    docker = host.service("docker")
    assert docker.is_running, msg("the service docker is stopped")
    assert docker.is_enabled, msg("the service docker is disabled")


@on_failure("the lab's user cannot use Docker without sudo")
def test_user_reaches_the_engine_without_sudo(
    host: Host, record_property: Callable[[str, object], None]
) -> None:
    """the lab's user reaches the daemon without sudo"""
    result = host.run("docker version --format '{{.Server.Version}}'")
    assert result.rc == 0, result.stderr
    record_property("engine", result.stdout.strip())


@pytest.fixture(scope="module")
def packages(host: Host) -> dict[str, tuple[str, str]]:
    """Version and signature of each of PACKAGES; one query, because rpm is slow to start."""
    query = "%{NAME}|%{VERSION}-%{RELEASE}|%{RSAHEADER:pgpsig} %{SIGPGP:pgpsig}\\n"
    lines = host.run("rpm -q --qf %s " + " ".join(PACKAGES), query).stdout.splitlines()
    rows = [line.split("|") for line in lines]
    return {row[0]: (row[1], row[2].lower()) for row in rows if len(row) == 3}


@pytest.mark.parametrize("package", PACKAGES)
@on_failure("a package has another version than the toolchain", needs_engine=False)
def test_package_is_at_its_version(
    packages: dict[str, tuple[str, str]], wanted: dict[str, Any], package: str
) -> None:
    """the package has the toolchain's version"""
    seen, _ = packages.get(package, ("not installed", ""))
    pin = wanted["toolchain"][PACKAGES[package]]
    assert package in packages, msg("{package} is not installed", package=package)
    assert seen == pin or seen.startswith(f"{pin}-"), msg(
        "{package} is {seen} instead of {pin}", package=package, seen=seen, pin=pin
    )


@pytest.mark.parametrize("package", PACKAGES)
@on_failure(
    "a package does not have Docker's signature",
    because="it was installed from another source",
    needs_engine=False,
)
def test_package_is_signed(
    packages: dict[str, tuple[str, str]], wanted: dict[str, Any], package: str
) -> None:
    """the package carries the signature of Docker's key"""
    _, signature = packages.get(package, ("", "not installed"))
    assert wanted["sources"]["docker"]["fingerprint"][-16:].lower() in signature


@on_failure("a container cannot run")
def test_container_runs(host: Host) -> None:
    """a container runs and returns its exit code"""
    result = host.run("docker run --rm busybox sh -c 'echo from the container; exit 7'")
    assert (result.rc, result.stdout) == (7, "from the container\n"), result.stderr or msg(
        "the container printed {output} and ended with {code}",
        output=repr(result.stdout),
        code=result.rc,
    )


@on_failure("Docker would not start again after a reboot", needs_engine=False)
def test_engine_would_start_again(host: Host, wanted: dict[str, Any]) -> None:
    """the engine would start again after a reboot, with its unit and its daemon.json"""
    with host.sudo():
        seen = host.run(engine_start_probe())
        assert seen.rc == 0, seen.stderr
        problems, validation = engine_start_problems(seen.stdout, _major(wanted))
        if validation:
            done = host.run(validation)
            if done.rc:
                problems.append(done.stderr.strip())
    assert not problems, "; ".join(problems)


@on_failure("another Docker engine runs than the one that is installed")
def test_running_engine_is_the_pinned_one(host: Host, wanted: dict[str, Any]) -> None:
    """the running engine has the toolchain's version and belongs to the package"""
    pin = wanted["toolchain"]["docker"].partition("-")[0]
    seen = host.run("docker version --format '{{.Server.Version}}'").stdout.strip()
    with host.sudo():
        pid = host.run("systemctl show -p MainPID docker").stdout.strip().partition("=")[2]
        program = host.run("readlink /proc/%s/exe", pid).stdout.strip()
    # A distribution's own build may have a suffix.
    same = (seen.partition("+")[0], program) == (pin, "/usr/bin/dockerd")
    assert same, msg(
        "engine {seen} runs as {program}; {pin} of docker-ce is wanted",
        seen=seen,
        program=program,
        pin=pin,
    )


NAME = "labctl-verify-network"
SERVER = "while :; do echo reached | nc -l -p 8080; done"
# The server may not listen yet, and between two connections it does not.
CLIENT = (
    "for i in 1 2 3 4 5; do said=$(nc -w 2 %s %s </dev/null);"
    ' [ -z "$said" ] || break; sleep 1; done; echo "$said"'
)


@on_failure("containers are cut off from the network")
def test_container_is_reached_and_reaches_out(host: Host, wanted: dict[str, Any]) -> None:
    """a container is reached through a published port, and reaches hosts beyond the node"""
    host.run("docker rm -f %s", NAME)
    try:
        host.check_output("docker run -d --name %s -p 8080 busybox sh -c %s", NAME, SERVER)
        port = host.check_output("docker port %s 8080", NAME).splitlines()[0].rpartition(":")[2]
        address = wanted["address"] or host.check_output("hostname -I").split()[0]
        said = host.run("docker exec %s sh -c %s", NAME, CLIENT % (address, port))
        assert said.stdout == "reached\n", msg(
            "{address}:{port} does not answer a container", address=address, port=port
        )
        lines = dict(_targets(host, wanted))
        reached = any(
            answer in host.run(f"docker exec {NAME} {line} 2>&1").stdout
            for line, answer in lines.items()
        )
        assert reached, msg(
            "a container cannot reach other hosts (net.ipv4.ip_forward is {forward}; "
            "tried: {tried})",
            forward=host.run("cat /proc/sys/net/ipv4/ip_forward").stdout.strip(),
            tried=", ".join(lines),
        )
    finally:
        host.run("docker rm -f %s", NAME)


def _targets(host: Host, wanted: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield commands for a container that need another host's answer, with a part of the answer."""
    name = [*wanted["sources"]["hub_hosts"], wanted["name"]][0]
    for line in host.check_output("cat /etc/resolv.conf").splitlines():
        word, _, server = line.partition(" ")
        if word == "nameserver" and not server.strip().startswith(("127.", "::1")):
            # An answer that there is no such name is an answer too.
            yield f"nslookup {name} {server.strip()}", name
    for peer, address in wanted["nodes"].items():
        if peer != wanted["name"]:
            yield f"sh -c 'nc -w 5 {address} 22 </dev/null'", "SSH-"
    for word in [host.run("ip -4 route show default").stdout.split()]:
        if word[1:2] == ["via"]:
            yield f"ping -c 1 -w 5 {word[2]}", " 0% packet loss"


def _major(wanted: dict[str, Any]) -> int:
    return int(wanted["toolchain"]["docker"].partition(".")[0])
