"""A kit answers with its own verified files, and with nothing else."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from labctl.errors import KitError
from labctl.kit import images
from labctl.kit.folder import Kit
from labctl.kit.server import handler
from labctl.kit.writer import KitWriter

SINGLE = "application/vnd.docker.distribution.manifest.v2+json"
CONTENT = bytes(n % 251 for n in range(10_000))
LAYER = b"a layer"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


MANIFEST = json.dumps({"mediaType": SINGLE, "layers": [{"digest": digest(LAYER)}]}).encode()


class Client:
    """Asks a server that runs a kit's handler."""

    def __init__(self, folder: Path) -> None:
        self.problems: list[KitError] = []
        self.kit = Kit.open(folder)
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), handler(self.kit, self.problems.append)
        )
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()

    def ask(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.server_port, timeout=5)
        try:
            connection.putrequest(method, path, skip_host=False)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A server with a kit of files and an image."""
    with KitWriter(tmp_path / "kit", limit=4096) as kit:
        kit.text("rpms/docker/a.rpm", CONTENT)
        kit.text("wheels/labctl-1.0.whl", b"wheel")
        kit.text("files/说明 1.txt", b"read me")
        for content in (MANIFEST, LAYER):
            kit.text(images.blob(digest(content)), content)
        kit.images["docker.io/library/nginx:1.22"] = digest(MANIFEST)
        kit.images["quay.io/a/b:1"] = digest(MANIFEST)
        kit.finish("course", "0.1.0")
    (tmp_path / "secret").write_text("outside")
    client = Client(tmp_path / "kit")
    yield client
    client.close()


def test_it_is_a_registry(client: Client) -> None:
    assert client.ask("/v2/")[0] == 200
    for reference in ("1.22", digest(MANIFEST)):
        path = f"/v2/library/nginx/manifests/{reference}"
        status, headers, content = client.ask(path)
        assert (status, headers["Content-Type"], content) == (200, SINGLE, MANIFEST)
        assert headers["Docker-Content-Digest"] == digest(MANIFEST)
        status, headers, content = client.ask(path, "HEAD")
        assert (status, headers["Content-Length"], content) == (200, str(len(MANIFEST)), b"")
    assert client.ask("/v2/quay.io/a/b/manifests/1")[2] == MANIFEST
    assert client.ask(f"/v2/library/nginx/blobs/{digest(LAYER)}")[2] == LAYER


@pytest.mark.parametrize(
    "path",
    [
        "/v2/library/nginx/manifests/9",
        "/v2/library/redis/manifests/1.22",
        f"/v2/library/nginx/manifests/{digest(LAYER)}",
        f"/v2/library/nginx/blobs/{digest(b'other')}",
        "/v2/library/nginx/blobs/sha256:..%2f..%2fkit.json",
        "/v2/library/nginx/tags/list",
        "/v2/../../etc/passwd",
    ],
)
def test_what_the_registry_lacks_is_a_404(client: Client, path: str) -> None:
    status, _, content = client.ask(path)
    assert status == 404
    assert json.loads(content)["errors"]


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret", "/%2e%2e/secret", "/rpms/../../secret", "//etc/passwd", "/kit.json/x"),
        *("/wheels/none.whl", "/.labctl", "/rpms/docker/a.rpm.004"),
    ],
)
def test_nothing_outside_of_the_kit_is_served(client: Client, path: str) -> None:
    assert client.ask(path)[0] in (400, 404)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, 9999),
        ("bytes=0-0", 0, 0),
        ("bytes=4000-5000", 4000, 5000),
        ("bytes=4095-4096", 4095, 4096),
        ("bytes=9999-20000", 9999, 9999),
    ],
)
def test_ranges(client: Client, asked: str, first: int, last: int) -> None:
    status, headers, content = client.ask("/rpms/docker/a.rpm", Range=asked)
    assert content == CONTENT[first : last + 1]
    whole = (first, last) == (0, 9999)
    assert status == (200 if whole else 206)
    if not whole:
        assert headers["Content-Range"] == f"bytes {first}-{last}/10000"


@pytest.mark.parametrize("asked", ["bytes=20000-", "bytes=-5", "items=0-1", "bytes=a-b"])
def test_ranges_that_mean_nothing_are_ignored(client: Client, asked: str) -> None:
    status, _, content = client.ask("/rpms/docker/a.rpm", Range=asked)
    assert (status, content) == (200, CONTENT)


def test_pip_and_people_find_the_files_by_links(client: Client) -> None:
    page = client.ask("/wheels/")[2].decode()
    assert '<a href="labctl-1.0.whl">' in page
    assert client.ask("/wheels")[0] == 301
    page = client.ask("/")[2].decode()
    assert '<a href="wheels/">' in page
    assert "%E8%AF%B4%E6%98%8E%201.txt" in client.ask("/files/")[2].decode()
    assert client.ask("/files/%E8%AF%B4%E6%98%8E%201.txt")[2] == b"read me"
    assert client.ask("/digest")[2].decode().strip() == client.kit.digest


def test_a_damaged_file_is_reported_and_not_sent(client: Client) -> None:
    for path, url in (
        (images.blob(digest(LAYER)), f"/v2/library/nginx/blobs/{digest(LAYER)}"),
        (images.blob(digest(MANIFEST)), "/v2/library/nginx/manifests/1.22"),
        ("rpms/docker/a.rpm.001", "/rpms/docker/a.rpm"),
    ):
        file = client.kit.folder / path
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        status, _, content = client.ask(url)
        assert status == 500
        assert b"cannot be used" in content
        assert path in client.problems[-1].message


def test_a_file_with_a_damaged_second_part_is_cut_off(client: Client) -> None:
    file = client.kit.folder / "rpms/docker/a.rpm.002"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(http.client.IncompleteRead):
        client.ask("/rpms/docker/a.rpm")
    assert "a.rpm.002" in client.problems[-1].message
