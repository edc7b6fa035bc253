"""The manifest of a kit: kit.json, which lists every other file with its size and digest.

A kit comes from a stranger, on a stick or from a server. So its manifest is parsed into values at
once, with limits, and no path in it can leave the kit's folder. The digest of kit.json stands for
the whole kit: whoever compares it has compared every file.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labctl.errors import KitError
from labctl.messages import msg

NAME = "kit.json"
FORMAT = 1
MOST_BYTES = 32 << 20
"""Bytes of the largest manifest that is read; a kit of ten thousand files has a tenth of it."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
# What Windows refuses in a name. A kit is carried on file systems that Windows reads, too.
_FORBIDDEN = frozenset('<>:"\\|?*')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_MOST_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a kit: its size in bytes and the SHA-256 of its content."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Box:
    """A Vagrant box of a kit.

    Parameters:
        name: as lab.yaml names it.
        version: that Vagrant has it under; empty: it has none.
        provider: that it is for.
        path: of the box file.
    """

    name: str
    version: str
    provider: str
    path: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a kit contains.

    Parameters:
        lab: name of the lab that it was made for.
        made_by: version of labctl that made it.
        files: each file by its path, with slashes.
        split: the parts of each file that was split, by the path of the whole.
        images: digest of each image's manifest, by its full name: ``docker.io/library/nginx:1.22``.
        boxes: Vagrant boxes.
        downloads: path of each file that nodes download, by the URL that it came from.
    """

    lab: str
    made_by: str
    files: Mapping[str, Entry]
    split: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    boxes: tuple[Box, ...] = ()
    downloads: Mapping[str, str] = field(default_factory=dict)

    def parts(self, path: str) -> tuple[str, ...]:
        """Return the files that hold `path`, in order; none if the kit does not have it."""
        if path in self.files:
            return (path,)
        return tuple(self.split.get(path, ()))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files.values())

    def text(self) -> str:
        """Return the content of kit.json. Equal kits have equal texts."""
        data = {
            "format": FORMAT,
            "lab": self.lab,
            "made_by": self.made_by,
            "files": {
                path: {"size": entry.size, "sha256": entry.sha256}
                for path, entry in self.files.items()
            },
            "split": {path: list(parts) for path, parts in self.split.items()},
            "images": dict(self.images),
            "boxes": [
                {
                    "name": box.name,
                    "version": box.version,
                    "provider": box.provider,
                    "path": box.path,
                }
                for box in self.boxes
            ],
            "downloads": dict(self.downloads),
        }
        return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def digest(content: bytes) -> str:
    """Return the digest of a kit from the content of its kit.json."""
    return hashlib.sha256(content).hexdigest()


def path_problem(path: str) -> str:
    """Return why `path` cannot be the path of a file in a kit; empty if it can."""
    parts = path.split("/")
    if len(path.encode("utf-8", "replace")) > 240 or len(parts) > _MOST_DEPTH:
        return msg("it is too long")
    for part in parts:
        if part in ("", ".", ".."):
            return msg("it is not a plain relative path")
        if not part.isprintable() or not _FORBIDDEN.isdisjoint(part):
            return msg("it has a character that not every system allows in names")
        if part != part.strip() or part.endswith("."):
            return msg("a name in it begins or ends with a space, or ends with a dot")
        if _DEVICES.fullmatch(part):
            return msg("{part} is the name of a device on Windows", part=part)
    return ""


def folded(path: str) -> str:
    """Return what two paths have in common that some file systems take for the same."""
    return unicodedata.normalize("NFC", path).casefold()


def parse(content: bytes, source: str) -> Manifest:
    """Return the manifest with that content.

    Parameters:
        content: of kit.json.
        source: where it is, for messages.

    Raises:
        KitError: it is not a manifest that this labctl can use.
    """
    try:
        data = json.loads(content)
        if not isinstance(data, dict):
            raise ValueError("not a mapping")
        if data.get("format") != FORMAT:
            raise ValueError(msg("its format is {value}", value=str(data.get("format"))[:20]))
        return _manifest(data)
    except (ValueError, RecursionError) as error:
        raise KitError(
            msg("{path} is not a manifest that this labctl can use: {why}", path=source, why=error),
            hint="copy the kit again, or make it again with this version of labctl",
        ) from error


def _manifest(data: Mapping[str, Any]) -> Manifest:
    unknown = data.keys() - {"format", *Manifest.__dataclass_fields__}
    if unknown:
        raise ValueError(msg("unknown key {key!r}", key=sorted(unknown)[0][:40]))
    files = {
        path: Entry(_size(entry), _sha256(entry.get("sha256")))
        for path, entry in _mapping(data, "files", dict).items()
    }
    split = {path: _parts(parts) for path, parts in _mapping(data, "split", list).items()}
    every = [*files, *split, NAME]
    for path in every:
        if problem := path_problem(path):
            raise ValueError(msg("the path {path!r}: {why}", path=path[:100], why=problem))
    _expect_distinct(every)
    for whole, parts in split.items():
        for part in parts:
            if part not in files:
                raise ValueError(msg("{path}: part {part} is missing", path=whole, part=part[:100]))
    boxes = tuple(map(_box, _list(data, "boxes")))
    downloads = _mapping(data, "downloads", str)
    for path in (*(box.path for box in boxes), *downloads.values()):
        if path not in files and path not in split:
            raise ValueError(msg("{path} is not among its files", path=path[:100]))
    images = _mapping(data, "images", str)
    for name, value in images.items():
        if not value.startswith("sha256:") or not _SHA256.fullmatch(value[7:]):
            raise ValueError(msg("the digest of {name} is invalid", name=name[:100]))
    lab, made_by = data.get("lab"), data.get("made_by")
    if not isinstance(lab, str) or not isinstance(made_by, str) or len(lab + made_by) > 200:
        raise ValueError(msg("the lab's name is missing"))
    return Manifest(lab, made_by, files, split, images, boxes, downloads)


def _expect_distinct(paths: Iterable[str]) -> None:
    """Check that no two paths are one on a file system that ignores case."""
    seen: dict[str, str] = {}
    for path in paths:
        if folded(path) in seen:
            raise ValueError(msg("{path} is listed twice", path=path[:100]))
        seen[folded(path)] = path
    folders = {folded(path.rsplit("/", count)[0]) for path in seen.values()
               for count in range(1, path.count("/") + 1)}  # fmt: skip
    both = folders & seen.keys()
    if both:
        raise ValueError(msg("{path} is a file and a folder", path=sorted(both)[0][:100]))


def _mapping(data: Mapping[str, Any], key: str, kind: type) -> dict[str, Any]:
    found = data.get(key, {})
    if not isinstance(found, dict) or not all(isinstance(value, kind) for value in found.values()):
        raise ValueError(msg("{key}: wrong type", key=key))
    return found


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    found = data.get(key, [])
    if not isinstance(found, list):
        raise ValueError(msg("{key}: wrong type", key=key))
    return found


def _size(entry: Mapping[str, Any]) -> int:
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 50:
        raise ValueError(msg("{key}: wrong type", key="size"))
    return size


def _sha256(value: object) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError(msg("{key}: wrong type", key="sha256"))
    return value


def _parts(parts: Iterable[Any]) -> tuple[str, ...]:
    found = tuple(parts)
    if not found or not all(isinstance(part, str) for part in found):
        raise ValueError(msg("{key}: wrong type", key="split"))
    return found


def _box(data: Any) -> Box:
    names = ("name", "version", "provider", "path")
    if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in names):
        raise ValueError(msg("{key}: wrong type", key="boxes"))
    return Box(*(data[name] for name in names))
