"""Downloads over HTTP on the instructor's computer, checked against a digest and resumed."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from labctl import __version__
from labctl.errors import KitError
from labctl.kit.writer import KitWriter, failed
from labctl.messages import msg

TIMEOUT = 60.0
"""Seconds that a server may be silent."""
ATTEMPTS = 4
_PAUSE = 1.0
MOST_BYTES = 1 << 28
"""Bytes of the largest answer that is kept in memory."""


def request(
    url: str,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    context: ssl.SSLContext | None = None,
) -> Any:
    """Open a URL and return the response; a context manager.

    Parameters:
        url: http or https.
        headers: of the request.
        method: of HTTP.
        context: how a certificate is checked; None: by the authorities of this computer.

    Raises:
        urllib.error.HTTPError: the answer is an error.
        KitError: nothing answers.
    """
    asked = urllib.request.Request(url, method=method)
    for name, value in {"User-Agent": f"labctl/{__version__}", **(headers or {})}.items():
        # A server that a registry redirects to must not get the registry's token.
        add = asked.add_unredirected_header if name == "Authorization" else asked.add_header
        add(name, value)
    for attempt in range(ATTEMPTS):
        try:
            return urllib.request.urlopen(asked, timeout=TIMEOUT, context=context)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 500, 502, 503, 504) or attempt + 1 == ATTEMPTS:
                raise
        except (OSError, http.client.HTTPException) as error:
            if attempt + 1 == ATTEMPTS or "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise no_answer(url, error) from error
        time.sleep(_PAUSE * 2**attempt)
    raise AssertionError


def no_answer(url: str, error: Exception) -> KitError:
    """Return the error for a URL that could not be read."""
    if isinstance(error, urllib.error.HTTPError):
        reason: object = f"HTTP {error.code}"
    else:
        reason = getattr(error, "reason", "") or error or type(error).__name__
    return KitError(
        msg("{url} cannot be downloaded: {reason}", url=url, reason=reason),
        hint="check this computer's network, or name another server under sources in lab.yaml; "
        "then run the same command again, which resumes",
    )


def read(
    url: str,
    headers: Mapping[str, str] | None = None,
    most: int = MOST_BYTES,
    context: ssl.SSLContext | None = None,
) -> bytes:
    """Return the content of a URL, at most `most` bytes.

    Raises:
        KitError: it cannot be downloaded, or is larger.
    """
    try:
        with request(url, headers, context=context) as response:
            data: bytes = response.read(most + 1)
    except (OSError, http.client.HTTPException) as error:
        raise no_answer(url, error) from error
    if len(data) > most:
        raise KitError(msg("{url} is larger than expected", url=url))
    return data


def fetch(
    kit: KitWriter,
    path: str,
    url: str,
    sha256: str = "",
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> str:
    """Download a file into a kit, unless it is there; a partial download is resumed.

    Parameters:
        kit: takes it.
        path: in the kit.
        url: where it is.
        sha256: of its content; empty: unknown, so it is downloaded again.
        headers: of the request.
        context: as for `request`.

    Returns:
        The SHA-256 of its content.

    Raises:
        KitError: it cannot be downloaded or written, or has another digest.
    """
    if sha256 and kit.keep(path, sha256):
        return sha256
    part = kit.partial(f"{path} {url} {sha256}")
    for attempt in range(ATTEMPTS):
        try:
            whole = _download(kit, part, path, url, dict(headers or {}), context)
        except urllib.error.HTTPError as error:
            raise no_answer(url, error) from error
        except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
            if attempt + 1 == ATTEMPTS:
                raise no_answer(url, error) from error
            continue
        if not whole:
            return kit.put(path, _stream(url, headers, context), sha256)
        digest = kit.adopt(path, part, sha256)
        if digest or attempt + 1 == ATTEMPTS:
            break
    if not digest:
        raise KitError(
            msg("{url} has another digest than expected", url=url),
            hint="the server, or something on the way, sends another file; name another server "
            "under sources in lab.yaml",
        )
    return digest


def _download(
    kit: KitWriter,
    part: Path,
    path: str,
    url: str,
    headers: dict[str, str],
    context: ssl.SSLContext | None,
) -> bool:
    """Download the rest of a partial file; return False if it must be split."""
    kept = part.stat().st_size if part.exists() else 0
    if kept:
        headers["Range"] = f"bytes={kept}-"
    try:
        response = request(url, headers, context=context)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # the partial file is complete, or too long
            raise
        return True
    with response:
        if response.status != 206:
            kept = 0
        size = response.headers.get("Content-Length")
        if size is not None and not kit.fits(kept + int(size)):
            return False
        try:
            with part.open("ab" if kept else "wb") as file:
                _receive(response, file, size)
        except _Disk as error:
            raise failed(kit.folder / path, error.reason) from error
    return True


def _receive(response: Any, file: IO[bytes], size: str | None) -> None:
    left = None if size is None else int(size)
    while data := response.read(1 << 18):
        try:
            file.write(data)
        except OSError as error:
            raise _Disk(error) from error
        if left is not None:
            left -= len(data)
    if left:
        raise http.client.IncompleteRead(b"", left)


class _Disk(Exception):
    """The file cannot be written; not to be taken for an error of the network."""

    def __init__(self, reason: OSError) -> None:
        super().__init__()
        self.reason = reason


def _stream(
    url: str, headers: Mapping[str, str] | None, context: ssl.SSLContext | None
) -> Iterator[bytes]:
    """Yield a content that is too large to be kept as one partial file."""
    try:
        with request(url, headers, context=context) as response:
            while data := response.read(1 << 18):
                yield data
    except (OSError, http.client.HTTPException) as error:
        raise no_answer(url, error) from error
