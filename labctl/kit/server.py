"""What a kit answers over HTTP: its files, and its images as a registry that can only be read.

The same handler answers to nodes through their ssh connections, and to a whole room over TLS.
"""

from __future__ import annotations

import html
import json
import re
import ssl
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from labctl.errors import KitError
from labctl.kit.folder import Kit
from labctl.kit.images import HUB, blob, media_type
from labctl.kit.manifest import NAME

PORT = 5580
"""Port on a node's loopback address that leads to the kit. It is part of daemon.json and of the
repository files, so it stays the same."""
HOST = f"127.0.0.1:{PORT}"
URL = f"http://{HOST}"
DIGEST_PATH = "/digest"
"""Answers with the kit's digest."""

_API = re.compile(r"/v2/(?P<repository>[a-z0-9._/:-]+)/(?P<kind>manifests|blobs)/(?P<name>[^/]+)")
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{0,15})")


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection, which may be a socket or a paramiko channel.

    Subclasses of `handler` set `kit` and `report`.
    """

    protocol_version = "HTTP/1.1"
    server_version = "labctl"
    sys_version = ""
    timeout = 60
    kit: Kit
    report: Callable[[KitError], object]

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are nobody's business; problems go to `report`."""

    def _answer(self, *, body: bool) -> None:
        path = urllib.parse.urlsplit(self.path).path
        try:
            if path in ("/v2", "/v2/"):
                self._text("{}", "application/json", body)
            elif path.startswith("/v2/"):
                self._registry(path, body)
            elif path == f"/{NAME}":
                self._text(self.kit.content.decode(), "application/json", body)
            elif path == DIGEST_PATH:
                self._text(f"{self.kit.digest}\n", "text/plain", body)
            else:
                self._file(urllib.parse.unquote(path).lstrip("/"), body)
        except KitError as error:
            self.report(error)
            self.close_connection = True
            if not self._begun:
                self._text(f"{error.message}\n", "text/plain", body, 500)

    _begun = False

    def handle_one_request(self) -> None:
        self._begun = False
        super().handle_one_request()

    def _registry(self, path: str, body: bool) -> None:
        asked = _API.fullmatch(path)
        if asked is None:
            self._missing("UNSUPPORTED", body)
            return
        repository, kind, name = asked["repository"], asked["kind"], asked["name"]
        manifests = set(self.kit.manifest.images.values())
        if kind == "blobs":
            if not self._known(name) or name in manifests:
                self._missing("BLOB_UNKNOWN", body)
            else:
                self._content(blob(name), "application/octet-stream", body, digest=name)
            return
        if not name.startswith("sha256:"):
            images = self.kit.manifest.images
            # An engine asks a mirror of Docker Hub for names without the registry's.
            name = images.get(f"{HUB}/{repository}:{name}") or images.get(
                f"{repository}:{name}", ""
            )
        if not self._known(name):
            self._missing("MANIFEST_UNKNOWN", body)
            return
        if self.kit.size(blob(name)) > 1 << 22:  # a layer
            self._missing("MANIFEST_UNKNOWN", body)
            return
        try:
            kind = media_type(self.kit.read(blob(name)))
        except (ValueError, AttributeError, TypeError):
            self._missing("MANIFEST_UNKNOWN", body)
            return
        self._content(blob(name), kind, body, digest=name)

    def _known(self, digest: str) -> bool:
        return bool(digest) and bool(self.kit.manifest.parts(blob(digest)))

    def _file(self, path: str, body: bool) -> None:
        if path and self.kit.manifest.parts(path):
            self._content(path, "application/octet-stream", body)
            return
        names = self._below(path.rstrip("/"))
        if not names:
            self._text("not in this kit\n", "text/plain", body, 404)
        elif path and not path.endswith("/"):
            self.send_response(301)
            self.send_header("Location", f"/{urllib.parse.quote(path)}/")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            lines = "".join(
                f'<a href="{html.escape(urllib.parse.quote(name))}">{html.escape(name)}</a><br>\n'
                for name in names
            )
            title = html.escape(f"{self.kit.manifest.lab}/{path}")
            page = f"<!DOCTYPE html><meta charset=utf-8><title>{title}</title>\n{lines}"
            self._text(page, "text/html; charset=utf-8", body)

    def _below(self, folder: str) -> list[str]:
        """Return the names in a folder of the kit, folders with a slash."""
        above = f"{folder}/" if folder else ""
        listed = (*self.kit.manifest.files, *self.kit.manifest.split)
        rest = [path[len(above) :] for path in listed if path.startswith(above)]
        return sorted({name.partition("/")[0] + "/" * ("/" in name) for name in rest})

    def _content(self, path: str, kind: str, body: bool, digest: str = "") -> None:
        size, start = self.kit.size(path), 0
        end = size - 1
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        if asked and int(asked[1]) < size:
            start, end = int(asked[1]), min(int(asked[2] or end), end)
        chunks = self.kit.chunks(path, start)
        # The first chunk comes before the status: a damaged file is never half an answer.
        first = next(chunks, b"") if body else b""
        partial = asked is not None and (start or end < size - 1)
        self._begun = True
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self._headers(kind, max(0, end - start + 1))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
            self.send_header("ETag", f'"{digest}"')
        self.end_headers()
        left = end - start + 1
        while body and first and left > 0:
            self.wfile.write(first[:left])
            left -= len(first)
            first = next(chunks, b"")

    def _missing(self, code: str, body: bool) -> None:
        text = json.dumps({"errors": [{"code": code, "message": "not in this kit"}]})
        self._text(text, "application/json", body, 404)

    def _text(self, text: str, kind: str, body: bool, status: int = 200) -> None:
        data = text.encode()
        self.send_response(status)
        self._headers(kind, len(data))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _headers(self, kind: str, size: int) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")


def handler(kit: Kit, report: Callable[[KitError], object]) -> type[Handler]:
    """Return the handler that answers from a kit.

    Parameters:
        kit: what is served.
        report: called with the error if a file of it is damaged.
    """
    return type("KitHandler", (Handler,), {"kit": kit, "report": staticmethod(report)})


class RoomServer(ThreadingHTTPServer):
    """Serves a kit over TLS to everybody who reaches this computer.

    Parameters:
        address: where it listens.
        answers: the handler.
        context: with the certificate.
    """

    daemon_threads = True
    request_queue_size = 64
    _MOST = 64
    """Connections that are answered at once; further ones wait."""

    def __init__(
        self, address: tuple[str, int], answers: type[Handler], context: ssl.SSLContext
    ) -> None:
        super().__init__(address, answers)
        self._context = context
        self._room = threading.BoundedSemaphore(self._MOST)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._room:
            super().process_request_thread(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread, so that a slow client does not block the others.
        request.settimeout(Handler.timeout)
        with self._context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up, or do not trust the certificate, are no problem of the server."""
