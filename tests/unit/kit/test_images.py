"""Images keep their digests, from their registry through a kit to a node."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from labctl.config.image_name import ImageName
from labctl.errors import KitError
from labctl.kit import images
from labctl.kit.folder import Kit
from labctl.kit.writer import KitWriter
from tests.unit.kit.conftest import Site

LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SINGLE = "application/vnd.docker.distribution.manifest.v2+json"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Hub:
    """A registry on a `Site`, which demands a token."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.blobs: dict[str, bytes] = {}

    def blob(self, repository: str, content: bytes) -> dict[str, Any]:
        site, name = self.site, digest(content)
        site.pages[f"/v2/{repository}/blobs/{name}"] = content
        return {"digest": name, "size": len(content), "mediaType": "application/octet-stream"}

    def manifest(self, repository: str, data: dict[str, Any], *tags: str) -> str:
        content = json.dumps(data).encode()
        name = digest(content)

        def answer(_: object) -> tuple[int, dict[str, str], bytes]:
            return 200, {"Docker-Content-Digest": name}, content

        for reference in (name, *tags):
            self.site.pages[f"/v2/{repository}/manifests/{reference}"] = answer
        return name

    def image(self, repository: str, word: bytes, *tags: str) -> str:
        config = self.blob(repository, b'{"os": "linux", "word": "' + word + b'"}')
        layer = self.blob(repository, b"layer of " + word)
        data = {"schemaVersion": 2, "mediaType": SINGLE, "config": config, "layers": [layer]}
        return self.manifest(repository, data, *tags)


@pytest.fixture
def hub(site: Site, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A registry in the place of Docker Hub."""
    monkeypatch.setattr(images, "HUB_URL", site.url)
    return Hub(site)


def pull(folder: Path, *names: str, mirrors: tuple[str, ...] = ()) -> Kit:
    """Pull images into a kit and open it."""
    with KitWriter(folder) as kit:
        images.pull(kit, map(ImageName.parse, names), mirrors)
        kit.finish("course", "0.1.0")
    return Kit.open(folder)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("nginx", ("docker.io", "library/nginx")),
        ("polinux/stress:1", ("docker.io", "polinux/stress")),
        ("quay.io/a/b:1", ("quay.io", "a/b")),
        ("room:5000/nginx", ("room:5000", "nginx")),
        ("localhost/nginx", ("localhost", "nginx")),
    ],
)
def test_places(name: str, place: tuple[str, str]) -> None:
    assert images.place(ImageName.parse(name)) == place


def test_an_image_keeps_its_digest_and_is_pulled_once(hub: Hub, tmp_path: Path) -> None:
    name = hub.image("library/nginx", b"nginx", "1.22")
    kit = pull(tmp_path / "kit", "nginx:1.22")
    assert kit.manifest.images == {"docker.io/library/nginx:1.22": name}
    assert digest(kit.read(images.blob(name))) == name
    assert kit.check() == []
    hub.site.requests.clear()
    assert pull(tmp_path / "kit", "nginx:1.22").digest == kit.digest
    assert [method for method, _ in hub.site.requests] == ["HEAD"]


def test_of_an_image_for_many_platforms_one_is_taken(hub: Hub, tmp_path: Path) -> None:
    ours = hub.image("library/busybox", b"amd64")
    theirs = hub.image("library/busybox", b"arm64")
    listed = [
        {"digest": theirs, "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": ours, "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    data = {"schemaVersion": 2, "mediaType": LIST, "manifests": listed}
    whole = hub.manifest("library/busybox", data, "latest")
    kit = pull(tmp_path / "kit", "busybox", f"busybox:pinned@{whole}")
    assert kit.manifest.images == {
        "docker.io/library/busybox:latest": whole,
        "docker.io/library/busybox:pinned": whole,
        f"docker.io/library/busybox@{whole}": whole,
    }
    assert kit.manifest.parts(images.blob(ours))
    assert not kit.manifest.parts(images.blob(theirs))
    index = json.loads(kit.read("images/index.json"))
    assert [entry["mediaType"] for entry in index["manifests"]] == [LIST, LIST]


def test_a_mirror_is_used_if_the_hub_is_dead(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "HUB_URL", "http://127.0.0.1:1")
    name = hub.image("library/nginx", b"nginx", "1.22")
    kit = pull(tmp_path / "kit", "nginx:1.22", mirrors=(hub.site.url,))
    assert kit.manifest.images["docker.io/library/nginx:1.22"] == name


def test_a_registry_that_lies_about_a_digest_is_refused(hub: Hub, tmp_path: Path) -> None:
    asked = "sha256:" + "1" * 64
    name = hub.image("library/nginx", b"nginx")
    hub.site.pages[f"/v2/library/nginx/manifests/{asked}"] = hub.site.pages[
        f"/v2/library/nginx/manifests/{name}"
    ]
    with pytest.raises(KitError, match="cannot be pulled"):
        pull(tmp_path / "kit", f"nginx@{asked}")
    layer = digest(b"layer of nginx")
    hub.site.pages[f"/v2/library/nginx/blobs/{layer}"] = b"another layer"
    with pytest.raises(KitError, match="another digest"):
        pull(tmp_path / "kit", f"nginx@{name}")
    assert not (tmp_path / "kit" / images.blob(layer)).exists()


@pytest.mark.parametrize(
    "data",
    [
        {"schemaVersion": 1, "fsLayers": []},
        {"schemaVersion": 2, "mediaType": SINGLE, "config": {}, "layers": []},
        {"schemaVersion": 2, "mediaType": SINGLE, "config": {"digest": "../../x"}, "layers": []},
        {"schemaVersion": 2, "mediaType": SINGLE, "config": 1, "layers": None},
        {"schemaVersion": 2, "mediaType": LIST, "manifests": []},
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_error(
    hub: Hub, tmp_path: Path, data: dict[str, Any]
) -> None:
    hub.manifest("library/nginx", data, "latest")
    with pytest.raises(KitError, match=r"docker\.io/library/nginx"):
        pull(tmp_path / "kit", "nginx")
