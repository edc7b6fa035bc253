"""Look for the lab's secrets in a disk before it becomes a box."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from labctl.machines.box import Progress

_CHUNK = 8 << 20
_LEAST = 10
"""Characters of a secret that is looked for; a shorter word is in many files anyway."""


def needles(folders: list[Path]) -> dict[str, bytes]:
    """Return what must not be on a disk, by the name of the file that it is from.

    Parameters:
        folders: with the lab's secrets: PEM files, and JSON files with passwords.
    """
    found: dict[str, bytes] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if not path.is_file() or path.is_symlink():
                continue
            text = path.read_text("utf-8", "replace")
            for index, secret in enumerate([*_of_pem(text), *_of_json(text)]):
                if len(secret) >= _LEAST:
                    found[f"{path.name}:{index}"] = secret.encode()
    return found


def found_in(disk: Path, secrets: dict[str, bytes], progress: Progress) -> list[str]:
    """Return the names of the secrets that a disk holds.

    Parameters:
        disk: an uncompressed image.
        secrets: from `needles`.
        progress: called with the bytes that were read.
    """
    longest = max(map(len, secrets.values()), default=0)
    size, done, tail = disk.stat().st_size, 0, b""
    found: dict[str, None] = {}
    with disk.open("rb") as file:
        while chunk := file.read(_CHUNK):
            data = tail + chunk
            found |= {name: None for name, secret in secrets.items() if secret in data}
            tail = data[-longest:] if longest else b""
            done += len(chunk)
            progress(done, size)
    return [*found]


def _of_pem(text: str) -> Iterator[str]:
    """Yield a line of each part of a PEM file: the last full one, which no other file has."""
    for part in text.split("-----BEGIN ")[1:]:
        lines = part.partition("-----END ")[0].splitlines()[1:]
        if lines:
            full = max(map(len, lines))
            yield [line for line in lines if len(line) == full][-1]


def _of_json(text: str) -> Iterator[str]:
    try:
        data = json.loads(text)
    except ValueError:
        return
    if isinstance(data, dict):
        yield from (data[key] for key in ("password", "hash") if isinstance(data.get(key), str))
