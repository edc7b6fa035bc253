"""The packages of a kit: a closure, and repositories that yum can read."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from labctl.errors import KitError
from labctl.kit import rpm_metadata, rpm_repository
from labctl.kit.folder import Kit
from labctl.kit.rpm_closure import closure, compare_evr, satisfies
from labctl.kit.rpm_metadata import Index, Relation, Rpm
from labctl.kit.rpm_repository import Repository
from labctl.kit.writer import KitWriter
from labctl.provision.resources.packages import Package
from tests.unit.kit.conftest import Site


def relation(text: str) -> Relation:
    """Return ``name``, or ``name >= epoch:version-release``."""
    name, *rest = text.split()
    if not rest:
        return Relation(name)
    flag = {"=": "EQ", ">=": "GE", ">": "GT", "<=": "LE", "<": "LT"}[rest[0]]
    epoch, _, version = rest[1].rpartition(":")
    version, _, release = version.partition("-")
    return Relation(name, flag, (epoch or "0", version, release))


def rpm(
    nevr: str, requires: str = "", provides: str = "", files: str = "", repository: str = "os"
) -> Rpm:
    """Return a package; relations are separated by commas."""
    name, version, release = nevr.rsplit("-", 2)

    def relations(text: str) -> tuple[Relation, ...]:
        return tuple(relation(part) for part in text.split(",") if part)

    own = Relation(name, "EQ", ("0", version, release))
    return Rpm(
        repository,
        name,
        "x86_64",
        ("0", version, release),
        f"Packages/{nevr}.rpm",
        nevr,
        relations(requires),
        (own, *relations(provides)),
        frozenset(files.split()),
        "",
    )


def found(wanted: str, *available: Rpm, lists: dict[str, set[str]] | None = None) -> set[str]:
    """Return the names and versions of a closure."""
    packages = [Package(*word.split("=")) for word in wanted.split()]
    asked = []

    def owners(paths: set[str]) -> dict[str, set[str]]:
        asked.append(paths)
        return {key: files & paths for key, files in (lists or {}).items() if files & paths}

    return set(closure(packages, available, owners).packages)


def test_everything_that_a_package_needs_comes_along() -> None:
    available = (
        rpm("docker-1-1", "libc.so.6,container-selinux >= 2"),
        rpm("glibc-2.17-1", "glibc-common = 2.17-1", "libc.so.6"),
        rpm("glibc-common-2.17-1"),
        rpm("container-selinux-2.119-1", "policy"),
        rpm("policy-3-1", "container-selinux"),  # a circle
        rpm("unrelated-1-1"),
    )
    assert found("docker", *available) == {
        *("docker-1-1", "glibc-2.17-1", "glibc-common-2.17-1"),
        *("container-selinux-2.119-1", "policy-3-1"),
    }


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("a", {"a-10-1"}),
        ("a=9", {"a-9-2"}),
        ("a=9-1", {"a-9-1"}),
        ("a=9-1 b", {"a-9-1", "b-1-1"}),  # b is satisfied by the pin
        ("b", {"a-10-1", "b-1-1"}),
    ],
)
def test_pins_count_and_the_newest_is_taken_otherwise(wanted: str, expected: set[str]) -> None:
    available = (rpm("a-9-1"), rpm("a-10-1"), rpm("a-9-2"), rpm("b-1-1", "a"))
    assert found(wanted, *available) == expected


def test_of_several_providers_one_is_taken_as_yum_does() -> None:
    available = (
        rpm("app-1-1", "mta"),
        rpm("postfix-1-1", provides="mta"),
        rpm("app-mta-1-1", provides="mta"),
    )
    assert found("app", *available) == {"app-1-1", "app-mta-1-1"}
    assert found("app postfix", *available) == {"app-1-1", "postfix-1-1"}


def test_files_are_looked_up_in_the_long_list_only_if_needed() -> None:
    available = (
        rpm("app-1-1", "/bin/sh,/usr/share/x,/no/such"),
        rpm("bash-4-1", files="/bin/sh"),
        rpm("data-1-1", "more"),
        rpm("more-1-1"),
    )
    result = closure([Package("app")], available, lambda paths: {"data-1-1": {"/usr/share/x"}})
    assert set(result.packages) == {"app-1-1", "bash-4-1", "data-1-1", "more-1-1"}
    assert result.files == {"data-1-1": {"/usr/share/x"}}
    assert result.unprovided == {"/no/such"}


def test_what_nobody_provides_is_told() -> None:
    result = closure([Package("a"), Package("none", "1")], [rpm("a-1-1", "gone,rpmlib(X) <= 3")],
                     lambda paths: {})  # fmt: skip
    assert (result.unprovided, [p.name for p in result.missing]) == ({"gone"}, ["none"])


@pytest.mark.parametrize(
    ("provided", "needed", "expected"),
    [
        ("a", "a", True),
        ("a", "a >= 2", True),
        ("a = 2-1", "a", True),
        ("a = 2-1", "a = 2", True),
        ("a = 2-1", "a = 2-1", True),
        ("a = 2-1", "a = 2-2", False),
        ("a = 2-1", "a >= 2-2", False),
        ("a = 2-10", "a >= 2-9", True),
        ("a = 1:1-1", "a > 2", True),
        ("a = 2-1", "a > 2-1", False),
        ("a = 2-1", "a < 3", True),
        ("a = 2-1", "a <= 1", False),
        ("a >= 2", "a = 3", True),
        ("a >= 2", "a = 1", False),
        ("a < 2", "a >= 2", False),
        ("a <= 2", "a >= 2", True),
    ],
)
def test_versions_are_compared_as_rpm_does(provided: str, needed: str, expected: bool) -> None:
    assert satisfies(relation(provided), relation(needed)) is expected


def test_epochs_come_first() -> None:
    assert compare_evr(("1", "1", "1"), ("0", "9", "9")) == 1
    assert compare_evr(("0", "1", ""), ("0", "1", "5")) == 0


# -- repositories

PRIMARY = """<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common"
  xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="2">
{packages}</metadata>
"""
PACKAGE = """<package type="rpm"><name>{name}</name><arch>{arch}</arch>
<version epoch="0" ver="1.0" rel="1.el7"/>
<checksum type="sha256" pkgid="YES">{sha256}</checksum>
<summary>a &amp; b</summary><location href="{location}"/>
<format><rpm:provides><rpm:entry name="{name}" flags="EQ" epoch="0" ver="1.0" rel="1.el7"/>
</rpm:provides><rpm:requires>{requires}</rpm:requires><file>/usr/bin/{name}</file></format>
</package>
"""
REPOMD = """<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>7</revision>
<data type="primary"><checksum type="sha256">{sha256}</checksum>
<location href="repodata/primary.xml.gz"/><timestamp>1234567890</timestamp></data></repomd>
"""


def publish(site: Site, *packages: tuple[str, str], location: str = "Packages/{}.rpm") -> None:
    """Publish a repository of (name, required name)."""
    entries = ""
    for name, requires in packages:
        content = name.encode() * 100
        site.pages[f"/repo/Packages/{name}.rpm"] = content
        entries += PACKAGE.format(
            name=name,
            arch="x86_64",
            sha256=hashlib.sha256(content).hexdigest(),
            location=location.format(name),
            requires=f'<rpm:entry name="{requires}"/>' if requires else "",
        )
    packed = gzip.compress(PRIMARY.format(packages=entries).encode())
    site.pages["/repo/repodata/primary.xml.gz"] = packed
    text = REPOMD.format(sha256=hashlib.sha256(packed).hexdigest())
    site.pages["/repo/repodata/repomd.xml"] = text.encode()


def collect(folder: Path, site: Site, *names: str) -> Kit:
    """Put packages of the repository into a kit."""
    with KitWriter(folder) as kit:
        rpm_repository.collect(
            kit, [Repository("docker", f"{site.url}/repo")], map(Package, names), "x86_64"
        )
        kit.finish("course", "0.1.0")
    return Kit.open(folder)


def test_a_repository_has_some_packages_and_their_own_index(site: Site, tmp_path: Path) -> None:
    publish(site, ("docker-ce", "libx"), ("libx", ""), ("other", ""))
    kit = collect(tmp_path / "kit", site, "docker-ce")
    rpms = [path for path in kit.manifest.files if path.endswith(".rpm")]
    assert rpms == [f"rpms/docker/Packages/{name}.rpm" for name in ("docker-ce", "libx")]
    # Its index can be read as that of any repository.
    for path in kit.manifest.files:
        site.pages["/" + path] = kit.read(path)
    index = Index.read(f"{site.url}/rpms/docker")
    assert set(index.data) == {"primary", "filelists", "other"}
    assert index.timestamp == 1234567890  # yum refuses older metadata than it has
    again = list(rpm_metadata.packages(index, "docker", "x86_64"))
    assert [package.name for package in again] == ["docker-ce", "libx"]
    assert again[0].requires == (Relation("libx"),)
    assert rpm_metadata.owners(index, {"/usr/bin/libx"}) == {again[1].sha256: {"/usr/bin/libx"}}
    # yum 3 knows tags by their prefixes.
    text = gzip.decompress(kit.read("rpms/docker/repodata/primary.xml.gz")).decode()
    assert "<rpm:entry" in text
    assert "<name>docker-ce</name>" in text


def test_a_package_that_no_repository_has_is_an_error(site: Site, tmp_path: Path) -> None:
    publish(site, ("docker-ce", ""))
    with pytest.raises(KitError, match="do not have nodocker"):
        collect(tmp_path / "kit", site, "docker-ce", "nodocker")


@pytest.mark.parametrize("location", ["../../{}.rpm", "/etc/{}", "https://example.org/{}", ""])
def test_a_package_outside_of_its_repository_is_refused(
    site: Site, tmp_path: Path, location: str
) -> None:
    publish(site, ("docker-ce", ""), location=location)
    with pytest.raises(KitError, match="metadata"):
        collect(tmp_path / "kit", site, "docker-ce")


def test_metadata_with_another_digest_are_refused(site: Site, tmp_path: Path) -> None:
    publish(site, ("docker-ce", ""))
    site.pages["/repo/repodata/primary.xml.gz"] = gzip.compress(b"<metadata/>")
    with pytest.raises(KitError, match="digest"):
        collect(tmp_path / "kit", site, "docker-ce")
    for content in (b"", b"<repomd/>", b"<!DOCTYPE x"):
        site.pages["/repo/repodata/repomd.xml"] = content
        with pytest.raises(KitError, match="metadata"):
            collect(tmp_path / "kit", site, "docker-ce")
