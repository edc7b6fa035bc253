"""The cache of Docker Hub answers, and the engine uses it first."""

from typing import Any

import pytest
from testinfra.host import Host

from labctl.exercise import msg, on_failure


@on_failure("Docker does not use the lab's cache of Docker Hub first")
def test_cache_is_the_first_mirror(host: Host, wanted: dict[str, Any]) -> None:
    """the engine uses the cache before all other mirrors"""
    if wanted["name"] == wanted["hub_cache"]["node"]:
        pytest.skip("this node runs the cache and pulls without it")
    seen = host.check_output(
        "docker info --format '{{range .RegistryConfig.Mirrors}}{{.}} {{end}}'"
    )
    assert seen.split()[:1] == [f"{wanted['hub_cache']['url']}/"]


@on_failure("the lab's cache of Docker Hub does not answer")
def test_cache_has_an_image_of_the_hub(host: Host, wanted: dict[str, Any]) -> None:
    """the cache serves an image of Docker Hub to this node, with a certificate of the lab's CA"""
    url = wanted["hub_cache"]["url"]
    place = url.partition("://")[2]
    trust = f"--cacert /etc/docker/certs.d/{place}/ca.crt" if wanted["hub_cache"]["node"] else ""
    result = host.run(
        f"curl --silent --show-error --max-time 60 {trust} --output /dev/null --write-out"
        " '%%{http_code}' %s",
        f"{url}/v2/library/busybox/manifests/latest",
    )
    assert result.stdout == "200", result.stderr or msg("HTTP status {code}", code=result.stdout)
