"""The node reaches the Internet through the proxy of lab.yaml, and the lab's nodes without it."""

from typing import Any

import pytest
from testinfra.host import Host

from labctl.exercise import msg, on_failure


def _place(url: str) -> str:
    """Return HOST:PORT of a proxy's URL, which may have a password in it."""
    return url.strip().rpartition("@")[2].removeprefix("http://").rstrip("/")


@on_failure(
    "the shells of the node do not use the proxy",
    because="/etc/profile.d/labctl-proxy.sh was changed",
    needs_engine=False,
)
def test_shells_use_the_proxy(host: Host, wanted: dict[str, Any]) -> None:
    """a login shell has the variables of the proxy, and the lab's nodes are reached without it"""
    shown = host.check_output(
        """sh -lc 'printf "%s\\n" "$http_proxy" "$https_proxy" "$no_proxy"\'"""
    )
    http, https, direct = [*shown.split("\n"), "", "", ""][:3]
    places = wanted["proxy"]["places"]
    assert {"http": _place(http), "https": _place(https)} == {
        scheme: places.get(scheme, "") for scheme in ("http", "https")
    }
    missing = {*wanted["nodes"], *wanted["nodes"].values()} - set(direct.split(","))
    assert not missing, msg("not in no_proxy: {missing}", missing=", ".join(sorted(missing)))


@on_failure(
    "a server cannot be reached through the proxy", fix="labctl provision", needs_engine=False
)
def test_servers_answer_through_the_proxy(host: Host, wanted: dict[str, Any]) -> None:
    """a login shell reaches the servers of the lab's packages through the proxy"""
    for url in wanted["proxy"]["tried"].values():
        result = host.run(
            f"sh -lc 'curl --silent --show-error --head --output /dev/null --max-time 30 {url}'"
        )
        assert result.rc == 0, result.stderr


@on_failure(
    "Docker does not use the proxy", because="its unit was changed, or it was not restarted"
)
def test_engine_uses_the_proxy(host: Host, wanted: dict[str, Any]) -> None:
    """the running engine pulls through the proxy"""
    if not host.file("/etc/systemd/system/docker.service.d/labctl-proxy.conf").exists:
        pytest.skip("the unit of this node's engine names a proxy of its own, or labctl has none")
    shown = host.check_output("docker info --format '{{.HTTPProxy}}|{{.HTTPSProxy}}'")
    http, _, https = shown.partition("|")
    places = wanted["proxy"]["places"]
    assert (_place(http), _place(https)) == (places.get("http", ""), places.get("https", ""))
