"""The private registry accepts the lab's password from this node, and nothing else."""

from typing import Any

import pytest
from testinfra.host import Host

from labctl.exercise import msg, on_failure

IMAGES = ("busybox",)
VOLUME = "labctl-registry:/var/lib/registry"


def _status(host: Host, wanted: dict[str, Any], *, password: bool, trusted: bool) -> str:
    """Query the registry with curl; return the HTTP status or curl's error."""
    registry = wanted["registry"]
    authority = f"--cacert /etc/docker/certs.d/{registry['address']}/ca.crt" if trusted else ""
    words = f"{registry['user']}:{registry['password']}".replace("\\", "\\\\").replace('"', '\\"')
    login = f'user = "{words}"' if password else ""
    # The password is passed on stdin, because everybody on the node can read command lines.
    result = host.run(
        f"printf %%s %s | curl --silent --show-error --config - --max-time 20 {authority}"
        " --output /dev/null --write-out '%%{http_code}' %s",
        login,
        f"https://{registry['address']}/v2/",
    )
    return str(result.stdout if result.rc == 0 else result.stderr)


@on_failure("the registry does not accept the lab's password")
def test_password_opens_it(host: Host, wanted: dict[str, Any]) -> None:
    """the registry accepts the lab's password over TLS with a certificate of the lab's CA"""
    seen = _status(host, wanted, password=True, trusted=True)
    assert seen == "200", msg("the registry answers {answer}", answer=seen.strip())


@on_failure("the registry does not ask for a password")
def test_nothing_without_password(host: Host, wanted: dict[str, Any]) -> None:
    """the registry refuses access without the password"""
    seen = _status(host, wanted, password=False, trusted=True)
    assert seen == "401", msg("the registry answers {answer}", answer=seen.strip())


@on_failure("the registry has a certificate of another authority")
def test_only_the_labs_own_ca_vouches_for_it(host: Host, wanted: dict[str, Any]) -> None:
    """clients without the lab's CA do not trust the registry"""
    seen = _status(host, wanted, password=True, trusted=False)
    assert "certificate" in seen, msg("the registry answers {answer}", answer=seen.strip())


@on_failure("an image cannot be pushed to the registry and pulled again")
def test_push_and_pull(host: Host, wanted: dict[str, Any]) -> None:
    """the lab's user can push an image and pull it again without another login"""
    name = f"{wanted['registry']['address']}/labctl/verify-{wanted['name']}"
    host.check_output("docker inspect busybox >/dev/null 2>&1 || docker pull --quiet busybox")
    host.check_output("docker tag busybox %s", name)
    try:
        push = host.run("docker push %s", name)
        assert push.rc == 0, push.stderr
        host.check_output("docker rmi %s", name)
        pull = host.run("docker pull --quiet %s", name)
        assert pull.rc == 0, pull.stderr
    finally:
        host.run("docker rmi %s", name)


@on_failure("the registry would lose its images", because="its container or its volume was changed")
def test_storage_outlives_the_container(host: Host, wanted: dict[str, Any]) -> None:
    """pushed images are in a named volume, and the container starts again after a reboot"""
    if wanted["name"] != wanted["registry"]["node"]:
        pytest.skip(msg("the registry runs on {node}", node=wanted["registry"]["node"]))
    seen = host.check_output(
        "docker inspect -f '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Binds}}'"
        " labctl-registry"
    )
    assert seen.startswith("always ")
    assert VOLUME in seen
