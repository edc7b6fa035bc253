"""kit.json comes from a stranger: whatever it says, no path leaves the kit's folder."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labctl.errors import KitError
from labctl.kit import manifest
from labctl.kit.manifest import Entry, Manifest

DIGEST = "0" * 64
FILE = {"size": 1, "sha256": DIGEST}


def text(**changes: Any) -> bytes:
    """Return the content of a kit.json with changes."""
    data = {"format": 1, "lab": "course", "made_by": "0.1.0", "files": {"a": FILE}, **changes}
    return json.dumps({key: value for key, value in data.items() if value is not None}).encode()


def test_a_manifest_is_read_as_it_was_written() -> None:
    made = Manifest(
        "course",
        "0.1.0",
        {"a.001": Entry(4, DIGEST), "a.002": Entry(2, DIGEST), "b": Entry(0, DIGEST)},
        {"a": ("a.001", "a.002")},
        {"docker.io/library/nginx:1.22": f"sha256:{DIGEST}"},
        (manifest.Box("centos/7", "2004.01", "libvirt", "a"),),
        {"https://example.org/b": "b"},
    )
    assert manifest.parse(made.text().encode(), "kit.json") == made
    assert made.parts("a") == ("a.001", "a.002")
    assert made.parts("b") == ("b",)
    assert made.parts("c") == ()
    assert made.size == 6


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "../a", "a/../../b", "a//b", "./a", "", "a/", "a\\b", "C:/a", "a:b"),
        *("a\0b", "a\nb", "a\u202eb", "con", "lib/NUL.txt", "com1", " a", "a ", "a.", "a/..", "*"),
        *("x" * 300, "/".join("a" * 40)),
    ],
)
def test_no_path_leaves_the_folder_or_is_impossible_somewhere(path: str) -> None:
    assert manifest.path_problem(path)
    with pytest.raises(KitError, match="manifest"):
        manifest.parse(text(files={path: FILE}), "kit.json")


@pytest.mark.parametrize(
    "path",
    [
        "rpms/centos/os/x86_64/Packages/libstdc++-4.8.5-44.el7.x86_64.rpm",
        "files/说明 1.txt",
        "lab/app/.env",
        "wheels/cryptography-48.0.1-cp311-abi3-manylinux_2_28_x86_64.whl",
        "console.txt",
    ],
)
def test_usual_paths_are_accepted(path: str) -> None:
    assert manifest.path_problem(path) == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"[]",
        b"[" * 100_000,
        text(format=2),
        text(format=None),
        text(files=[]),
        text(files={"a": {"size": -1, "sha256": DIGEST}}),
        text(files={"a": {"size": True, "sha256": DIGEST}}),
        text(files={"a": {"size": 1 << 60, "sha256": DIGEST}}),
        text(files={"a": {"size": 1, "sha256": "x"}}),
        text(files={"a": {"size": 1}}),
        text(files={"a": 1}),
        text(files={"a": FILE, "A": FILE}),
        text(files={"caf\u00e9": FILE, "cafe\u0301": FILE}),
        text(files={"a": FILE, "a/b": FILE}),
        text(files={"kit.json": FILE}),
        text(split={"b": ["c"]}),
        text(split={"b": []}),
        text(split={"b": [1]}),
        text(split={"a": ["a"]}),
        text(split={"../b": ["a"]}),
        text(images={"nginx": "latest"}),
        text(boxes=[{"name": "centos/7"}]),
        text(boxes=[{"name": "x", "version": "1", "provider": "libvirt", "path": "c"}]),
        text(boxes={}),
        text(downloads={"https://example.org": "/etc/passwd"}),
        text(lab=None),
        text(lab=1),
        text(lab="x" * 300),
        text(more=1),
    ],
)
def test_a_wrong_manifest_is_one_error(content: bytes) -> None:
    with pytest.raises(KitError, match="not a manifest that this labctl can use"):
        manifest.parse(content, "kit.json")
