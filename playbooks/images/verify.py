"""The images for class are on the node and equal those in the lab's registry."""

import json
from typing import Any

from testinfra.host import Host

from labctl.exercise import msg, on_failure

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@on_failure("images for the class are missing")
def test_images_are_here(host: Host, wanted: dict[str, Any]) -> None:
    """every image for class is on the node"""
    missing = [
        image["name"]
        for image in wanted["images"]
        if host.run("docker image inspect %s", image["name"]).rc != 0
    ]
    assert not missing, ", ".join(missing)


@on_failure("an image differs from the one in the lab's registry")
def test_images_are_the_same_on_every_node(host: Host, wanted: dict[str, Any]) -> None:
    """each image has the same id as in the lab's registry and on the node that pulled it"""
    registry = wanted["registry"]
    for image in wanted["images"]:
        here = host.check_output("docker image inspect -f '{{.Id}}' %s", image["name"])
        # The password is passed on stdin, because everybody on the node can read command lines.
        kept = host.run(
            "printf 'user = \"%%s:%%s\"' %s %s | curl --silent --show-error --fail --config -"
            " --header %s --cacert %s %s",
            registry["user"],
            registry["password"].replace("\\", "\\\\").replace('"', '\\"'),
            f"Accept: {MANIFEST}",
            f"/etc/docker/certs.d/{registry['address']}/ca.crt",
            f"https://{registry['address']}/v2/{image['path']}/manifests/{image['tag']}",
        )
        assert kept.rc == 0, kept.stderr
        assert json.loads(kept.stdout)["config"]["digest"] == here, msg(
            "{image} was pulled or built again", image=image["name"]
        )


@on_failure("an image differs from the digest in lab.yaml", because="it was pulled or built again")
def test_digests_are_those_of_the_lab(host: Host, wanted: dict[str, Any]) -> None:
    """images that lab.yaml lists by digest were pulled by digest"""
    if wanted["name"] != wanted["registry"]["node"]:
        return  # compared with that node's by id, above
    for image in wanted["images"]:
        if image["digest"]:
            seen = host.check_output("docker image inspect -f '{{.RepoDigests}}' %s", image["name"])
            assert image["digest"] in seen
