"""Packages become RPMs: spec text from data, rpmbuild, and the signature."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.testbed import keys
from tests.testbed.buildroot import Buildroot
from tests.testbed.packages import PACKAGES, Package
from tests.testbed.seeds import seeds

# Which key signs a repository's packages.
SIGNER = {"docker": "docker", "os": "centos", "updates": "centos", "extras": "centos"}
_MACROS = {
    "__os_install_post": "%{nil}",
    "debug_package": "%{nil}",
    "_build_id_links": "none",
    "_binary_payload": "w3.zstdio",
    "_buildhost": "testbed.invalid",
    "_rpmfilename": "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
}


def spec(package: Package, files: Mapping[str, str]) -> str:
    """Spec text of a package whose `files` (path, and its mode in octal) are in its build root."""
    summary = package.summary or f"{package.name} (stand-in)"
    head = [
        f"Name: {package.name}",
        f"Version: {package.version}",
        f"Release: {package.release}",
        f"Summary: {summary}",
        "License: Public Domain",
        "Vendor: labctl testbed",
        "AutoReqProv: no",
    ]
    if package.epoch:
        head.append(f"Epoch: {package.epoch}")
    if package.noarch:
        head.append("BuildArch: noarch")
    head += [f"Provides: {name}" for name in package.provides]
    head += [f"Requires: {name}" for name in package.requires]
    head += [f"Conflicts: {name}" for name in package.conflicts]
    head += [f"Obsoletes: {name}" for name in package.obsoletes]
    head += ["", "%description", "Stand-in made of Debian's programs, for labctl's tests.", ""]
    for name, text in package.scripts.items():
        head += [f"%{name}", text, ""]
    head.append("%files")
    for path, mode in files.items():
        config = "%config(noreplace) " if path in package.config else ""
        attributes = f"%attr({mode},root,root) " if mode else ""
        head.append(f'{config}{attributes}"{path}"')
    return "\n".join(head) + "\n"


def build(target: Path, finished: Mapping[str, Path]) -> None:
    """All of PACKAGES, signed, in `target`/<repository>/."""
    buildroot = Buildroot.of(finished)
    _build_all(PACKAGES, target, buildroot, finished["compose"])
    for signer in sorted(set(SIGNER.values())):
        signed = [p for p in PACKAGES if p.signed and SIGNER[p.repository] == signer]
        files = [target / p.repository / p.file_name for p in signed]
        _sign(buildroot, files, signer, finished["keys"])


def build_seeds(target: Path, finished: Mapping[str, Path]) -> None:
    """The rpm database of a fresh box, as packages in `target`."""
    packages = seeds(finished["keys"] / "centos.public")
    _build_all(packages, target, Buildroot.of(finished), target)
    for package in (target / "seed").iterdir():
        package.rename(target / package.name)
    (target / "seed").rmdir()


def _build_all(
    packages: Iterable[Package], target: Path, buildroot: Buildroot, compose: Path
) -> None:
    work = target / "work"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(_build_one, package, target, work, buildroot, compose)
            for package in packages
        ]
        for job in jobs:
            job.result()
    shutil.rmtree(work)


def _build_one(
    package: Package, target: Path, work: Path, buildroot: Buildroot, compose: Path
) -> None:
    folder = work / package.file_name
    root = folder / "root"
    root.mkdir(parents=True)
    files = _fill(package, root, buildroot, compose)
    spec_file = folder / "package.spec"
    spec_file.write_text(spec(package, files))
    finished = target / package.repository
    finished.mkdir(parents=True, exist_ok=True)  # two rpmbuilds at once stumble over each other's
    macros = {**_MACROS, "_topdir": str(folder), "_rpmdir": str(finished),
              "_dbpath": str(folder / "db")}  # fmt: skip
    defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    buildroot.run("rpmbuild", "-bb", "--quiet", "--nodeps", "--target", package.arch,
        "--buildroot", root, *defines, spec_file)  # fmt: skip
    shutil.rmtree(folder)


def _fill(package: Package, root: Path, buildroot: Buildroot, compose: Path) -> dict[str, str]:
    """Put a package's files below `root`; their paths and modes ("" for a link)."""
    files: dict[str, str] = {}

    def place(path: str) -> Path:
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    for path, source in package.programs.items():
        made = compose / source
        shutil.copyfile(made if made.exists() else buildroot.file(source), place(path))
        files[path] = "0755"
    if package.with_libraries:
        for source in package.programs.values():
            for file, name in buildroot.libraries(source):
                # The C library itself has to be the guest's own.
                if not name.startswith(("ld-linux", "libc.so", "libm.so", "libpthread", "libdl")):
                    path = f"{package.with_libraries}/{name}"
                    shutil.copyfile(file, place(path))
                    files[path] = "0755"
    for path, text in package.texts.items():
        place(path).write_text(text)
        files[path] = "0755" if text.startswith("#!") else "0644"
    for path, goal in package.links.items():
        place(path).symlink_to(goal)
        files[path] = ""
    return files


def _sign(buildroot: Buildroot, packages: list[Path], signer: str, key_folder: Path) -> None:
    with keys.gnupg_home(buildroot) as env:
        buildroot.run("gpg", "--batch", "--import", key_folder / f"{signer}.secret", env=env)
        defines = ("__gpg /usr/bin/gpg", f"_gpg_name {keys.SIGNERS[signer]}",
                   "_gpg_digest_algo sha256")  # fmt: skip
        options = [word for define in defines for word in ("--define", define)]
        buildroot.run("rpmsign", "--addsign", *options, *packages, env=env)
