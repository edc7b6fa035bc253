"""The stand-in web sites: one process that answers for every host, on ports 80 and 443.

Each host has a folder of its own; `/v2/` is passed on to docker-registry for the hosts that are
registries. Every request is appended to the access log under the name it was made for.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import io
import shutil
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.testbed.access_log import Request, to_line
from tests.testbed.names import HUB, MIRRORS

REGISTRY = ("127.0.0.1", 5000)
_PASSED = ("accept", "accept-encoding", "range", "user-agent", "if-none-match", "authorization")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    sites: Path
    log: Path
    status = 0

    @property
    def host(self) -> str:
        """The host name that the client asked for."""
        return str(self.headers.get("Host", "")).partition(":")[0].lower()

    def do_GET(self) -> None:
        """Answer, from the registry or the host's folder."""
        self._answer(super().do_GET)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._answer(super().do_HEAD)

    def _answer(self, from_files: Any) -> None:
        self.status = 0
        try:
            if self.path.startswith("/v2/") and self.host in (HUB, *MIRRORS):
                self._pass_on()
            else:
                from_files()
        finally:
            self._record()

    def translate_path(self, path: str) -> str:
        """The file in the asked host's folder; never one outside of the sites."""
        parts = [part for part in unquote(urlsplit(path).path).split("/") if part not in ("", "..")]
        return str(self.sites.joinpath(self.host or "-", *parts))

    def list_directory(self, path: Any) -> io.BytesIO | None:
        """The real sites' listings are nobody's interface."""
        self.send_error(404)
        return None

    def send_response(self, code: int, message: str | None = None) -> None:
        """Remember the status for the log."""
        self.status = code
        super().send_response(code, message)

    def log_message(self, format: str, *args: Any) -> None:
        """The access log is written once a request is answered."""

    def _pass_on(self) -> None:
        upstream = http.client.HTTPConnection(*REGISTRY)
        try:
            headers = {
                name: ", ".join(self.headers.get_all(name, []))
                for name in _PASSED
                if name in self.headers
            }
            upstream.request(self.command, self.path, headers={"Host": self.host, **headers})
            answer = upstream.getresponse()
        except OSError:
            self.send_error(502)
            return
        self.status = answer.status
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        if answer.getheader("Content-Length") is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            shutil.copyfileobj(answer, self.wfile, 1 << 18)
        upstream.close()

    def _record(self) -> None:
        client = str(self.client_address[0])
        request = Request(time.time(), self.host, self.command, self.path, client, self.status)
        with self.log.open("a") as log:
            log.write(to_line(request))


class Server(http.server.ThreadingHTTPServer):
    """Plain HTTP; with a context, TLS."""

    request_queue_size = 128
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread: a slow client must not block the others."""
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up or distrust the certificate are everyday here."""


def main() -> None:
    """Serve for ever."""
    parser = argparse.ArgumentParser()
    for name in ("sites", "log", "certificate", "key"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    chosen = parser.parse_args()
    Handler.sites, Handler.log = chosen.sites, chosen.log
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chosen.certificate, chosen.key)
    plain, secure = Server(("", 80), Handler), Server(("", 443), Handler)
    secure.context = context
    secure.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    secure.serve_forever()


if __name__ == "__main__":
    main()
