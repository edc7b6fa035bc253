"""The metadata of a yum repository: which packages it has, and what they need and provide."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, cast
from xml.etree import ElementTree

from labctl.errors import KitError
from labctl.kit import download
from labctl.messages import msg

REPO = "{http://linux.duke.edu/metadata/repo}"
COMMON = "{http://linux.duke.edu/metadata/common}"
RPM = "{http://linux.duke.edu/metadata/rpm}"
FILELISTS = "{http://linux.duke.edu/metadata/filelists}"
_MOST_BYTES = 1 << 30
"""Bytes of the largest metadata, unpacked; those of CentOS 7 have 300 MB."""
_UNPACKED = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


@dataclass(frozen=True, slots=True)
class Relation:
    """What a package needs or provides: a name, and perhaps a comparison with a version.

    Parameters:
        name: of a capability, or the path of a file.
        flag: ``EQ``, ``GE``, ``GT``, ``LE`` or ``LT``; empty: any version.
        evr: epoch, version, release; an empty release matches any.
    """

    name: str
    flag: str = ""
    evr: tuple[str, str, str] = ("0", "", "")


@dataclass(frozen=True, slots=True)
class Rpm:
    """A package of a repository.

    Parameters:
        repository: the repository's name in the kit.
        name, arch: of the package.
        evr: its epoch, version and release.
        location: its path in the repository.
        sha256: of the file; the other metadata name the package by it.
        requires, provides: its relations.
        files: the paths that the primary metadata list.
        element: its entry in the primary metadata, as text.
    """

    repository: str
    name: str
    arch: str
    evr: tuple[str, str, str]
    location: str
    sha256: str
    requires: tuple[Relation, ...] = field(repr=False)
    provides: tuple[Relation, ...] = field(repr=False)
    files: frozenset[str] = field(repr=False)
    element: str = field(repr=False)

    @property
    def nevra(self) -> str:
        return f"{self.name}-{self.evr[1]}-{self.evr[2]}.{self.arch}"


@dataclass(frozen=True, slots=True)
class Index:
    """The index of a repository.

    Parameters:
        baseurl: of the repository.
        data: path and digest of each kind of metadata.
        timestamp: of the newest metadata. yum refuses those that are older than what it has.
    """

    baseurl: str
    data: Mapping[str, tuple[str, str]]
    timestamp: int

    @classmethod
    def read(cls, baseurl: str) -> Index:
        """Return the index of the repository at a URL.

        Raises:
            KitError: there is none that can be used.
        """
        url = f"{baseurl.rstrip('/')}/repodata/repomd.xml"
        found, newest = {}, 0
        try:
            for data in ElementTree.fromstring(download.read(url, most=1 << 20)).iter(
                f"{REPO}data"
            ):
                location, checksum = data.find(f"{REPO}location"), data.find(f"{REPO}checksum")
                if location is not None and checksum is not None:
                    place = _inside(location.get("href", ""))
                    if checksum.get("type") == "sha256":
                        found[data.get("type", "")] = (place, (checksum.text or "").strip())
                newest = max(newest, int(float(data.findtext(f"{REPO}timestamp") or 0)))
            if "primary" not in found:
                raise ValueError("no primary metadata with a SHA-256")
        except (ElementTree.ParseError, ValueError) as error:
            raise _unusable(url, error) from error
        return cls(baseurl.rstrip("/"), found, newest)

    def open(self, kind: str) -> _Limited:
        """Download metadata, compare them with their digest, and return them unpacked."""
        place, digest = self.data[kind]
        url = f"{self.baseurl}/{place}"
        packed = download.read(url, most=1 << 28)
        if hashlib.sha256(packed).hexdigest() != digest:
            raise _unusable(url, ValueError("its digest is not the one of repomd.xml"))
        opened: Any = _UNPACKED.get(posixpath.splitext(place)[1], lambda stream: stream)
        return _Limited(opened(io.BytesIO(packed)))


class _Limited:
    """A stream that fails when it unpacks to more than metadata ever have."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = _MOST_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("too large")
        return data


def packages(index: Index, repository: str, architecture: str) -> Iterator[Rpm]:
    """Yield the packages of a repository that fit an architecture.

    Raises:
        KitError: the metadata cannot be downloaded or used.
    """
    # yum 3 knows tags by their prefixes.
    ElementTree.register_namespace("", COMMON.strip("{}"))
    ElementTree.register_namespace("rpm", RPM.strip("{}"))
    try:
        for _, element in ElementTree.iterparse(cast("IO[bytes]", index.open("primary"))):
            if element.tag == f"{COMMON}package":
                if _text(element, "arch") in (architecture, "noarch"):
                    yield _package(element, repository)
                element.clear()
    except (ElementTree.ParseError, ValueError, EOFError, OSError, lzma.LZMAError) as error:
        raise _unusable(f"{index.baseurl}/{index.data['primary'][0]}", error) from error


def owners(index: Index, paths: set[str]) -> dict[str, set[str]]:
    """Return, by the checksum of a package, which of `paths` it contains."""
    found: dict[str, set[str]] = {}
    if "filelists" not in index.data:
        return found
    try:
        for _, element in ElementTree.iterparse(cast("IO[bytes]", index.open("filelists"))):
            if element.tag == f"{FILELISTS}package":
                files = {file.text or "" for file in element.iter(f"{FILELISTS}file")}
                if mine := files & paths:
                    found[element.get("pkgid", "")] = mine
                element.clear()
    except (ElementTree.ParseError, ValueError, EOFError, OSError, lzma.LZMAError) as error:
        raise _unusable(f"{index.baseurl}/{index.data['filelists'][0]}", error) from error
    return found


def _package(element: ElementTree.Element, repository: str) -> Rpm:
    version, checksum = element.find(f"{COMMON}version"), element.find(f"{COMMON}checksum")
    location, form = element.find(f"{COMMON}location"), element.find(f"{COMMON}format")
    if version is None or checksum is None or location is None or form is None:
        raise ValueError("an entry is incomplete")
    if checksum.get("type") != "sha256":
        raise ValueError("a checksum is not a SHA-256")
    base = location.attrib.pop("{http://www.w3.org/XML/1998/namespace}base", "")
    if base:
        raise ValueError("packages of another server are not supported")
    place = _inside(location.get("href", ""))
    evr = (version.get("epoch", "0"), version.get("ver", ""), version.get("rel", ""))
    identity = (checksum.text or "").strip()
    return Rpm(
        repository,
        _text(element, "name"),
        _text(element, "arch"),
        evr,
        place,
        identity,
        tuple(_relations(form, "requires")),
        tuple(_relations(form, "provides")),
        frozenset(file.text or "" for file in form.iter(f"{COMMON}file")),
        ElementTree.tostring(element, "unicode"),
    )


def _relations(form: ElementTree.Element, kind: str) -> Iterator[Relation]:
    listed = form.find(f"{RPM}{kind}")
    for entry in () if listed is None else listed.iter(f"{RPM}entry"):
        evr = (entry.get("epoch") or "0", entry.get("ver") or "", entry.get("rel") or "")
        yield Relation(entry.get("name", ""), entry.get("flags", ""), evr)


def _text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(f"{COMMON}{name}") or "").strip()


def _inside(path: str) -> str:
    """Return a path of a repository that stays in it.

    Raises:
        ValueError: it does not.
    """
    normal = posixpath.normpath(path)
    if not path or normal.startswith(("/", "..")) or "\\" in normal or ":" in normal:
        raise ValueError(f"the path {path[:100]!r}")
    return normal


def _unusable(url: str, error: Exception) -> KitError:
    return KitError(
        msg("the metadata at {url} cannot be used: {error}", url=url, error=error),
        hint="name another mirror of the repository under sources in lab.yaml",
    )
