"""Packages with everything that they need, down to the C library.

Nobody knows what is installed on a machine that exists already. So a kit assumes nothing: it has
the whole closure of the wanted packages. yum takes from it what the machine lacks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import takewhile

from labctl.kit.rpm_metadata import Relation, Rpm
from labctl.provision.resources.packages import Package
from labctl.provision.resources.rpm_version import compare

Evr = tuple[str, str, str]
FindOwners = Callable[[set[str]], Mapping[str, set[str]]]
"""Returns which of some paths a package contains, by the package's checksum."""


@dataclass(slots=True)
class Closure:
    """Packages and all that they need.

    Attributes:
        packages: the packages, by their checksums.
        missing: wanted packages that no repository has.
        unprovided: what packages need and no repository provides.
        files: by checksum, files that others need and that the primary metadata do not list.
    """

    packages: dict[str, Rpm] = field(default_factory=dict)
    missing: list[Package] = field(default_factory=list)
    unprovided: set[str] = field(default_factory=set)
    files: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def closure(wanted: Iterable[Package], available: Iterable[Rpm], owners: FindOwners) -> Closure:
    """Return packages with everything that they need.

    Parameters:
        wanted: the packages.
        available: all packages of the repositories.
        owners: finds the packages of files that the primary metadata do not list.
    """
    shelf = _Shelf(available)
    found = Closure()
    for package in wanted:
        fitting = [rpm for rpm in shelf.named[package.name] if _matches(package, rpm)]
        if fitting:
            newest = max(fitting, key=_AGE)
            found.packages[newest.sha256] = newest
        else:
            found.missing.append(package)
    pending = list(found.packages.values())
    while pending:
        known = set(found.packages)
        paths: set[str] = set()
        for rpm in pending:
            for needed in rpm.requires:
                provider = shelf.provider(needed, rpm, found.packages)
                if provider is not None:
                    found.packages[provider.sha256] = provider
                elif needed.name.startswith("/"):
                    paths.add(needed.name)
                elif not needed.name.startswith("rpmlib("):
                    found.unprovided.add(needed.name)
        for checksum, contained in owners(paths).items() if paths else ():
            rpm = shelf.by_checksum[checksum]
            shelf.add_files(rpm, contained)
        for path in sorted(paths):
            provider = shelf.provider(Relation(path), None, found.packages)
            if provider is None:
                found.unprovided.add(path)
            else:
                found.packages[provider.sha256] = provider
                found.files[provider.sha256].add(path)
        pending = [rpm for checksum, rpm in found.packages.items() if checksum not in known]
    return found


class _Shelf:
    """The packages of all repositories, by what they are asked for."""

    def __init__(self, available: Iterable[Rpm]) -> None:
        self.by_checksum: dict[str, Rpm] = {}
        self.named: dict[str, list[Rpm]] = defaultdict(list)
        self._providers: dict[str, list[tuple[Relation, Rpm]]] = defaultdict(list)
        for rpm in available:
            self.by_checksum[rpm.sha256] = rpm
            self.named[rpm.name].append(rpm)
            for relation in rpm.provides:
                self._providers[relation.name].append((relation, rpm))
            self.add_files(rpm, rpm.files)

    def add_files(self, rpm: Rpm, paths: Iterable[str]) -> None:
        for path in paths:
            self._providers[path].append((Relation(path), rpm))

    def provider(
        self, needed: Relation, needing: Rpm | None, chosen: Mapping[str, Rpm]
    ) -> Rpm | None:
        """Return the package for a requirement: a chosen one, else as yum would choose."""
        fitting = [
            rpm
            for provided, rpm in self._providers.get(needed.name, ())
            if satisfies(provided, needed)
        ]
        for rpm in fitting:
            if rpm.sha256 in chosen:
                return rpm
        by = needing.name if needing else ""

        def rank(rpm: Rpm) -> tuple[object, ...]:
            alike = takewhile(lambda pair: pair[0] == pair[1], zip(rpm.name, by, strict=False))
            likeness = sum(1 for _ in alike)
            return (rpm.name == needed.name, likeness, -len(rpm.name), _AGE(rpm))

        return max(fitting, key=rank, default=None)


def _matches(package: Package, rpm: Rpm) -> bool:
    return package.matches(f"{rpm.evr[1]}-{rpm.evr[2]}")


def satisfies(provided: Relation, needed: Relation) -> bool:
    """Return whether a provided capability satisfies a requirement of the same name."""
    if not needed.flag or not provided.flag:
        return True
    order = compare_evr(provided.evr, needed.evr)
    if order == 0:
        both = {"EQ": "=", "GE": ">=", "GT": ">", "LE": "<=", "LT": "<"}
        return not set(both[provided.flag]).isdisjoint(both[needed.flag])
    below, above = (("LT", "LE"), ("GT", "GE"))
    if order < 0:
        return needed.flag in below or provided.flag in above
    return needed.flag in above or provided.flag in below


def compare_evr(left: Evr, right: Evr) -> int:
    """Return -1, 0 or 1 if `left` is older than, equal to or newer than `right`.

    An empty release equals any.
    """
    for number, (a, b) in enumerate(zip(left, right, strict=True)):
        if number == 2 and not (a and b):
            return 0
        if order := compare(a, b):
            return order
    return 0


def _compared(left: Rpm, right: Rpm) -> int:
    return compare_evr(left.evr, right.evr)


_AGE = cmp_to_key(_compared)
