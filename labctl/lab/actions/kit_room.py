"""Serve a kit to a room over TLS, and fetch one from there."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import socket
import ssl
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

from labctl.errors import KitError, UsageError
from labctl.events import Emit, Notice
from labctl.kit import download, manifest
from labctl.kit.folder import Kit
from labctl.kit.server import RoomServer, handler
from labctl.kit.writer import KitWriter
from labctl.lab.lab import Lab
from labctl.messages import msg
from labctl.parallel import each
from labctl.provision import certificates

PORT = 5443
LEAST_DIGITS = 32
"""Hexadecimal digits of a digest that must be given, so that nobody finds another kit for them."""


def is_digest_of(text: str, digest: str) -> bool:
    """Return whether a text is a digest, or a beginning of it that is long enough."""
    wanted = "".join(text.split()).lower()
    return len(wanted) >= LEAST_DIGITS and digest.startswith(wanted)


@contextlib.contextmanager
def serving(kit: Kit, port: int, report: Callable[[KitError], object]) -> Iterator[str]:
    """Serve a kit to everybody who reaches this computer, until the block ends.

    The certificate is made for this run. Whoever fetches the kit compares the kit's digest.

    Parameters:
        kit: the kit.
        port: where to listen; 0: any free port.
        report: called with the error if a file is damaged.

    Yields:
        The URL, with this computer's name.

    Raises:
        UsageError: the port is in use.
    """
    now = datetime.datetime.now(datetime.UTC)
    name = socket.gethostname() or "localhost"
    host = name if name.isascii() and name.replace("-", "").replace(".", "").isalnum() else "kit"
    issued = certificates.leaf(
        certificates.authority("labctl kit", now), [host, "localhost"], ["127.0.0.1"], now
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # ssl reads keys from files only
        file = Path(folder) / "kit.pem"
        file.touch(mode=0o600)
        file.write_text(issued.pem)
        context.load_cert_chain(file)
    try:
        server = RoomServer(("", port), handler(kit, report), context)
    except OSError as error:
        raise UsageError(
            msg("port {port} of this computer cannot be used: {error}", port=port, error=error),
            hint="choose another one with --port",
        ) from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://{name}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def serve_nodes(lab: Lab) -> list[str]:
    """Let the lab's nodes reach its kit, and return the names of those that do.

    `lab.supply` must be open; it ends with it.

    Raises:
        UsageError: the lab uses no kit.
        LabctlError: no node can be reached.
    """
    if lab.kit is None:
        raise UsageError(
            "this lab uses no kit",
            hint="name a kit to serve it to the room, or use one with `labctl up --kit FOLDER`",
        )
    results = each(list(lab.node_names), lab.supply.reach, cap=lab.parallel, stop=lab.stop)
    for result in results:
        if result.error is not None:
            lab.emit(Notice(result.node, result.error.message))
    errors = [result.error for result in results if result.error is not None]
    if len(errors) == len(results):
        raise errors[0]
    return [result.node for result in results if result.ok]


def fetch(url: str, folder: Path, digest: str, emit: Emit) -> Kit:
    """Copy a kit from a server into a folder; files that are there already stay.

    The certificate is not checked, because every file is compared with the digest.

    Parameters:
        url: of the server.
        folder: new, empty, or of an earlier kit.
        digest: of the kit, or its beginning.
        emit: takes notices about the progress.

    Raises:
        UsageError: the URL or the digest is invalid.
        KitError: the server has another kit, or a file cannot be downloaded or written.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(
            msg("{url!r} is not the URL of a kit", url=url), hint="such as https://teacher:5443"
        )
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    base = f"https://{parts.netloc}"
    content = download.read(f"{base}/{manifest.NAME}", most=manifest.MOST_BYTES, context=context)
    if not is_digest_of(digest, hashlib.sha256(content).hexdigest()):
        raise KitError(
            msg("{url} has a kit with another digest", url=base),
            hint=msg(
                "compare the digest with the one that `labctl kit serve` printed; at least "
                "{count} digits are needed",
                count=LEAST_DIGITS,
            ),
        )
    listed = manifest.parse(content, url)
    with KitWriter(folder) as kit:
        for path, entry in listed.files.items():
            if not kit.fits(entry.size):
                raise KitError(
                    msg("{path} is too large for the file system of {folder}", path=path,
                        folder=folder),
                    hint="take a disk with another file system, or have the kit made with --split",
                )  # fmt: skip
            if not kit.keep(path, entry.sha256):
                emit(Notice("", msg("file: {name}", name=path)))
                place = f"{base}/{urllib.parse.quote(path)}"
                download.fetch(kit, path, place, entry.sha256, context=context)
        kit.finish_as(content)
    return Kit.open(folder)
