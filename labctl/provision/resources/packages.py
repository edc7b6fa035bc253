"""RPM packages, brought to their versions in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.messages import joined, msg
from labctl.provision.resources.base import Change, Observed, quote
from labctl.provision.resources.rpm_version import older

# Without these, yum 3 installs the rest when one of several names does not exist, and exits with 0.
_STRICT = "--setopt=skip_missing_names_on_install=False --setopt=skip_missing_names_on_update=False"


@dataclass(frozen=True, slots=True)
class Package:
    """A package by name. `version` is VERSION or VERSION-RELEASE without epoch; empty: any."""

    name: str
    version: str = ""

    def matches(self, installed: str) -> bool:
        """Return True if the installed VERSION-RELEASE is the wanted one."""
        return self.version in ("", installed) or installed.startswith(f"{self.version}-")

    @property
    def nevr(self) -> str:
        """Its name for yum: NAME or NAME-VERSION[-RELEASE]."""
        return f"{self.name}-{self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True)
class Packages:
    """Packages that are installed, each at its version, in one transaction.

    Another version than the installed one is reached by an upgrade or a downgrade. Signatures are
    checked as the repository files require (see `repository_file`).

    Parameters:
        wanted: the packages; one transaction changes all that differ.
        name: of the group of packages; default: their names.
        repositories: ids or patterns of the repositories to install from. A dead repository of
            somebody else then does not matter. Default: all that are enabled.
        replaced: names of packages that are removed in the same transaction, if they are installed.
        kept: files that stay as they are, even if they belong to a package that is removed. rpm
            would remove them, or rename those that somebody edited.
    """

    wanted: tuple[Package, ...]
    name: str = ""
    repositories: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"packages:{self.name or '+'.join(package.name for package in self.wanted)}"

    def probe(self) -> str:
        every = (*(package.name for package in self.wanted), *self.replaced)
        names = " ".join(map(quote, every))
        return f"rpm -q --qf '%{{NAME}} %{{VERSION}}-%{{RELEASE}}\\n' {names}"

    def plan(self, observed: Observed) -> Change | None:
        installed: dict[str, str] = {}
        for line in observed.output.splitlines():
            name, _, version = line.partition(" ")
            if " " not in version:
                installed[name] = version
        install: list[Package] = []
        downgrade: list[Package] = []
        diff: list[str] = []
        for package in self.wanted:
            seen = installed.get(package.name)
            if seen is not None and package.matches(seen):
                continue
            if seen is not None:
                diff.append(f"-{package.name} {seen}")
            diff.append(f"+{package.name} {package.version}".rstrip())
            back = seen is not None and older(package.version, seen)
            (downgrade if back else install).append(package)
        remove = [name for name in self.replaced if name in installed]
        diff += [f"-{name} {installed[name]}" for name in remove]
        if not diff:
            return None
        words = [msg("remove {names}", names=", ".join(remove))] if remove else []
        words += [msg("install {names}", names=_names(install))] if install else []
        words += [msg("downgrade {names}", names=_names(downgrade))] if downgrade else []
        script = self._transaction(install, downgrade, remove)
        return Change(
            joined(words, "{first}, {then}"),
            self._keeping(script) if remove else script,
            "\n".join(diff),
        )

    def _transaction(
        self, install: list[Package], downgrade: list[Package], remove: list[str]
    ) -> str:
        """Return sh that runs one yum transaction and fails if a package cannot be installed."""
        verbs = {
            "remove": remove,
            "install": [package.nevr for package in install],
            "downgrade": [package.nevr for package in downgrade],
        }
        steps = [(verb, names) for verb, names in verbs.items() if names]
        yum = f"yum -y {_STRICT}{self._sources}"
        if len(steps) > 1:
            lines = [*(f"{verb} {' '.join(names)}" for verb, names in steps), "run"]
            return f"printf '%s\\n' {' '.join(map(quote, lines))} | {yum} shell"
        verb, names = steps[0]
        return f"{yum} {verb} {' '.join(map(quote, names))}"

    def _keeping(self, script: str) -> str:
        """Return sh that runs a transaction and puts the kept files back that it took away."""
        files = [(quote(path), quote(f"{path}.labctl-kept")) for path in self.kept]
        return "\n".join(
            (
                *(f"[ ! -e {file} ] || cp -p {file} {copy} || exit" for file, copy in files),
                f"{script}\ncode=$?",
                *(
                    f"[ ! -e {copy} ] || if [ -e {file} ]; then rm {copy}; "
                    f"else mkdir -p {quote(path.rpartition('/')[0])} && mv {copy} {file}; fi"
                    for path, (file, copy) in zip(self.kept, files, strict=True)
                ),
                "exit $code",
            )
        )

    @property
    def _sources(self) -> str:
        if not self.repositories:
            return ""
        return f" --disablerepo='*' --enablerepo={quote(','.join(self.repositories))}"


def _names(packages: list[Package]) -> str:
    return ", ".join(f"{package.name} {package.version}".rstrip() for package in packages)
