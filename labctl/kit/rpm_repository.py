"""Repositories of a kit: some packages of each of the lab's repositories, with an index of them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from labctl.errors import KitError
from labctl.kit import download, rpm_metadata
from labctl.kit.rpm_closure import Closure, closure
from labctl.kit.rpm_metadata import Index, Rpm
from labctl.kit.writer import KitWriter
from labctl.messages import msg
from labctl.provision.resources.packages import Package

FOLDER = "rpms"
_REPOMD = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of the lab.

    Parameters:
        path: its folder in the kit, below `FOLDER`.
        baseurl: where it is, without yum's variables.
    """

    path: str
    baseurl: str


def collect(
    kit: KitWriter,
    repositories: Iterable[Repository],
    wanted: Iterable[Package],
    architecture: str,
    progress: Callable[[str], object] = lambda name: None,
) -> Closure:
    """Put packages with all that they need into a kit, in repositories that yum can use.

    Parameters:
        kit: takes them.
        repositories: where to look.
        wanted: the packages.
        architecture: of the nodes.
        progress: called with the URL or name of each thing that is downloaded.

    Returns:
        What was found, and what was not.

    Raises:
        KitError: a wanted package is in no repository, or something cannot be downloaded.
    """
    indexes: dict[str, Index] = {}
    available: list[Rpm] = []
    for repository in repositories:
        progress(repository.baseurl)
        indexes[repository.path] = index = Index.read(repository.baseurl)
        available += rpm_metadata.packages(index, repository.path, architecture)

    def owners(paths: set[str]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for index in indexes.values():
            found |= rpm_metadata.owners(index, paths)
        fitting = {rpm.sha256 for rpm in available}
        return {checksum: files for checksum, files in found.items() if checksum in fitting}

    found = closure(wanted, available, owners)
    if found.missing:
        raise KitError(
            msg(
                "the lab's repositories do not have {names}",
                names=", ".join(package.nevr for package in found.missing),
            ),
            hint="check toolchain and sources in lab.yaml",
        )
    for path, index in indexes.items():
        chosen = sorted(
            (rpm for rpm in found.packages.values() if rpm.repository == path),
            key=lambda rpm: rpm.nevra,
        )
        for rpm in chosen:
            place = f"{FOLDER}/{path}/{rpm.location}"
            if not kit.keep(place, rpm.sha256):
                progress(rpm.nevra)
                download.fetch(kit, place, f"{index.baseurl}/{rpm.location}", rpm.sha256)
        _write_index(kit, f"{FOLDER}/{path}", chosen, found.files, index.timestamp)
    return found


def _write_index(
    kit: KitWriter,
    folder: str,
    packages: Iterable[Rpm],
    files: Mapping[str, set[str]],
    timestamp: int,
) -> None:
    """Write the metadata of a repository. The same packages give the same bytes."""
    packages = list(packages)
    count = f'packages="{len(packages)}"'
    common, rpm_, lists = (
        tag.strip("{}") for tag in (rpm_metadata.COMMON, rpm_metadata.RPM, rpm_metadata.FILELISTS)
    )
    entries = "".join(
        f'<package pkgid="{rpm.sha256}" name={quoteattr(rpm.name)} arch={quoteattr(rpm.arch)}>'
        + "<version epoch={} ver={} rel={}/>".format(*map(quoteattr, rpm.evr))
        + "".join(
            f"<file>{escape(path)}</file>"
            for path in sorted(rpm.files | frozenset(files.get(rpm.sha256, ())))
        )
        + "</package>\n"
        for rpm in packages
    )
    texts = {
        "primary": f'<metadata xmlns="{common}" xmlns:rpm="{rpm_}" {count}>\n'
        + "".join(rpm.element.strip() + "\n" for rpm in packages)
        + "</metadata>\n",
        "filelists": f'<filelists xmlns="{lists}" {count}>\n{entries}</filelists>\n',
        "other": f'<otherdata xmlns="{lists.replace("filelists", "other")}" {count}>\n'
        + "".join(
            f'<package pkgid="{rpm.sha256}" name={quoteattr(rpm.name)} arch={quoteattr(rpm.arch)}>'
            + "<version epoch={} ver={} rel={}/>".format(*map(quoteattr, rpm.evr))
            + "</package>\n"
            for rpm in packages
        )
        + "</otherdata>\n",
    }
    listed = []
    for kind, text in texts.items():
        content = (_REPOMD + text).encode()
        packed = gzip.compress(content, mtime=0)
        kit.text(f"{folder}/repodata/{kind}.xml.gz", packed)
        listed.append(
            f'<data type="{kind}">'
            f'<checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum>'
            f'<open-checksum type="sha256">{hashlib.sha256(content).hexdigest()}</open-checksum>'
            f'<location href="repodata/{kind}.xml.gz"/><timestamp>{timestamp}</timestamp>'
            f"<size>{len(packed)}</size><open-size>{len(content)}</open-size></data>\n"
        )
    repo = rpm_metadata.REPO.strip("{}")
    body = f'<repomd xmlns="{repo}"><revision>{timestamp}</revision>\n{"".join(listed)}</repomd>\n'
    kit.text(f"{folder}/repodata/repomd.xml", _REPOMD + body)
