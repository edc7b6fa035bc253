"""The engine runs containers, for the lab's user, at the versions of the toolchain."""

from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

from labctl.exercise import msg, on_failure

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
