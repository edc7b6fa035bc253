"""A web page that counts its visitors in redis. It uses Python's standard library only."""

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer


def count() -> int:
    """Add a visit in redis and return the number of visits, which redis sends after a colon."""
    with socket.create_connection(("redis", 6379), timeout=5) as redis:
        redis.sendall(b"INCR hits\r\n")
        answer = redis.makefile("rb").readline()
    return int(answer.lstrip(b":"))


class Page(BaseHTTPRequestHandler):
    """The one page."""

    def do_GET(self) -> None:
        """Answer with the count, or with what went wrong."""
        try:
            status, text = 200, f"I have been seen {count()} times.\n"
        except (OSError, ValueError) as error:
            status, text = 503, f"redis does not count: {error}\n"
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    HTTPServer(("", 5000), Page).serve_forever()
