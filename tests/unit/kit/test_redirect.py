"""What a lab's own playbooks download comes from the kit, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.config.image_name import ImageName
from labctl.kit.folder import Kit
from labctl.kit.redirect import redirected
from labctl.kit.writer import KitWriter
from labctl.provision.loader import Playbook
from labctl.provision.resources.base import Resource
from labctl.provision.resources.download import Download
from labctl.provision.resources.file import File
from labctl.provision.resources.image import PublishedImage, Store
from labctl.provision.resources.repository import SigningKey

URL = "http://127.0.0.1:5580"
DIGEST = "a" * 64
STORE = Store("node1:5000", "user", "password")


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    with KitWriter(tmp_path / "kit") as writer:
        for path in ("keys/epel", "downloads/aa/tool 1", "rpms/other/4/repodata/repomd.xml"):
            writer.text(path, path)
        writer.downloads["https://example.org/KEY"] = "keys/epel"
        writer.downloads["https://example.org/tool"] = "downloads/aa/tool 1"
        writer.downloads["https://example.org/el7/$basearch/repodata/repomd.xml"] = (
            "rpms/other/4/repodata/repomd.xml"
        )
        writer.finish("course", "0.1.0")
    return Kit.open(tmp_path / "kit")


def repository(baseurl: str, path: str = "/etc/yum.repos.d/epel.repo") -> File:
    return File(path, f"[epel]\nname=epel\nbaseurl={baseurl}\ngpgcheck=1\n")


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (
            Download("https://example.org/tool", "/usr/bin/tool", DIGEST),
            Download(f"{URL}/downloads/aa/tool%201", "/usr/bin/tool", DIGEST),
        ),
        (
            Download("https://example.org/other", "/usr/bin/tool", DIGEST),
            Download("https://example.org/other", "/usr/bin/tool", DIGEST),
        ),
        (
            SigningKey("epel", "https://example.org/KEY", "F" * 40),
            SigningKey("epel", f"{URL}/keys/epel", "F" * 40),
        ),
        (
            SigningKey("centos", "file:///etc/pki/KEY", "F" * 40),
            SigningKey("centos", "file:///etc/pki/KEY", "F" * 40),
        ),
        (repository("https://example.org/el7/$basearch/"), repository(f"{URL}/rpms/other/4")),
        (repository("https://example.org/else"), repository("https://example.org/else")),
        (
            repository("https://example.org/el7/$basearch", "/etc/motd"),
            repository("https://example.org/el7/$basearch", "/etc/motd"),
        ),
        (
            PublishedImage(ImageName.parse("nginx:1.22"), STORE),
            PublishedImage(ImageName.parse("nginx:1.22"), STORE),
        ),
        (
            PublishedImage(ImageName.parse("quay.io/a/b:1"), STORE),
            PublishedImage(ImageName.parse("quay.io/a/b:1"), STORE, "127.0.0.1:5580/quay.io/a/b:1"),
        ),
        (
            PublishedImage(ImageName.parse(f"quay.io/a/b@sha256:{DIGEST}"), STORE),
            PublishedImage(
                ImageName.parse(f"quay.io/a/b@sha256:{DIGEST}"),
                STORE,
                f"127.0.0.1:5580/quay.io/a/b@sha256:{DIGEST}",
            ),
        ),
    ],
    ids=lambda resource: resource.id,
)
def test_resources(kit: Kit, resource: Resource, expected: Resource) -> None:
    playbook = Playbook("own", Path(), lambda _: [resource])
    play: object = None
    (one,) = redirected((playbook,), kit)
    assert list(one.play(play)) == [expected]  # type: ignore[arg-type]
    assert redirected((playbook,), None) == (playbook,)
