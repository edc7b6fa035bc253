"""Small kits, and a web server for what a kit is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from labctl.kit import download
from labctl.kit.folder import Kit
from labctl.kit.writer import KitWriter

FILES = {
    "README.md": b"read me\n",
    "lab/lab.yaml": b"nodes: 1\n",
    "rpms/docker/Packages/docker-ce.rpm": bytes(range(256)) * 40,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a finished kit with `FILES`."""
    with KitWriter(tmp_path / "kit") as writer:
        for path, content in FILES.items():
            writer.text(path, content)
        writer.finish("course", "0.1.0")
    return tmp_path / "kit"


@pytest.fixture
def kit(folder: Path) -> Kit:
    """That kit, open."""
    return Kit.open(folder)


class Site:
    """A web server on the loopback address.

    Attributes:
        pages: content by path; a function is called with the request's headers and returns
            (status, headers, content).
        requests: method and path of each request, in order.
        cut: a path whose first answer ends after half of its content.
    """

    def __init__(self) -> None:
        self.pages: dict[str, bytes | Callable[..., tuple[int, dict[str, str], bytes]]] = {}
        self.requests: list[tuple[str, str]] = []
        self.cut = ""
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.requests.append((self.command, self.path))
                page = site.pages.get(self.path.partition("?")[0])
                status, content = 404, b""
                headers: dict[str, str] = {}
                if isinstance(page, bytes):
                    status, content = 200, page
                elif page is not None:
                    status, headers, content = page(self.headers)
                start = self.headers.get("Range", "")
                if status == 200 and start:
                    first = int(start.removeprefix("bytes=").partition("-")[0])
                    status, content = (206, content[first:]) if first < len(content) else (416, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command == "HEAD":
                    return
                if self.path == site.cut:
                    site.cut = ""
                    content = content[: len(content) // 2]
                    self.close_connection = True
                self.wfile.write(content)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server, and downloads that do not wait before they try again."""
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    site = Site()
    yield site
    site.close()
