"""labctl and the libraries that it needs, as wheels for other computers and Pythons.

pip chooses wheels for another system, but it evaluates conditions such as ``sys_platform ==
"win32"`` for its own one (pypa/pip#11664). So the wheels' own metadata are read afterwards, and
what they need on that system besides is downloaded, too.
"""

from __future__ import annotations

import email.parser
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from labctl.errors import KitError
from labctl.kit.own_wheel import own_wheel
from labctl.messages import msg

FOLDER = "wheels"
PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = ("linux", "macos", "windows")
_AT_ONCE = 3
"""Runs of pip side by side."""


@dataclass(frozen=True, slots=True)
class Platform:
    """A system that labctl is installed on.

    Parameters:
        tags: of wheels that run there, as pip's ``--platform`` takes them.
        markers: what conditions of requirements see there.
    """

    tags: tuple[str, ...]
    markers: dict[str, str]


def _markers(system: str, platform: str, name: str, machine: str) -> dict[str, str]:
    return {
        "os_name": name,
        "sys_platform": platform,
        "platform_system": system,
        "platform_machine": machine,
        "platform_release": "",
        "platform_version": "",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


_GLIBC = (28, 27, 26, 24, 17, 12, 5)
PLATFORMS: dict[str, tuple[Platform, ...]] = {
    "linux": (
        Platform(
            (
                *(f"manylinux_2_{minor}_x86_64" for minor in _GLIBC),
                *(f"manylinux{year}_x86_64" for year in (2014, 2010, 1)),
                "linux_x86_64",
            ),
            _markers("Linux", "linux", "posix", "x86_64"),
        ),
    ),
    "macos": (
        Platform(("macosx_12_0_arm64",), _markers("Darwin", "darwin", "posix", "arm64")),
        Platform(("macosx_12_0_x86_64",), _markers("Darwin", "darwin", "posix", "x86_64")),
    ),
    "windows": (Platform(("win_amd64",), _markers("Windows", "win32", "nt", "AMD64")),),
}
"""By the names that people use."""


def collect(
    target: Path,
    kept: Path,
    systems: Iterable[str],
    pythons: Iterable[str],
    progress: Callable[[str], object] = lambda name: None,
) -> None:
    """Put labctl's wheel and those that it needs into a folder.

    Parameters:
        target: an empty folder.
        kept: a folder with wheels of an earlier run, which are taken as long as they suffice.
        systems: of `PLATFORMS`.
        pythons: versions such as ``3.12``.
        progress: called with each system that is looked after.

    Raises:
        KitError: pip is missing, or a wheel cannot be had.
    """
    own = own_wheel(target)
    goals = [
        (platform, python)
        for system in systems
        for platform in PLATFORMS[system]
        for python in pythons
    ]

    def work(goal: tuple[Platform, str]) -> None:
        platform, python = goal
        progress(f"{platform.markers['platform_system']} "
                 f"{platform.markers['platform_machine']}, Python {python}")  # fmt: skip
        with tempfile.TemporaryDirectory() as found:
            _closure(Path(found), own, kept, platform, python)
            for file in Path(found).glob("*.whl"):
                if not (target / file.name).exists():
                    shutil.copyfile(file, target / file.name)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(work, goals))


def _closure(target: Path, own: Path, kept: Path, platform: Platform, python: str) -> None:
    """Put the wheels that `own` needs on a platform into `target`."""
    markers = {**platform.markers, "python_version": python, "python_full_version": f"{python}.0"}
    wanted = _requirements(own, markers)
    while True:
        _download(target, wanted, kept, platform, python)
        here = {str(parse_wheel_filename(file.name)[0]) for file in target.glob("*.whl")}
        further = {
            text
            for file in target.glob("*.whl")
            for text in _requirements(file, markers)
            if canonicalize_name(Requirement(text).name) not in here
        }
        if not further:
            return
        wanted |= further


def _download(
    target: Path, wanted: Iterable[str], kept: Path, platform: Platform, python: str
) -> None:
    """Let pip put wheels for requirements, and for what these need, into `target`."""
    common = [
        *("download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", python),
        *(word for tag in platform.tags for word in ("--platform", tag)),
        *("--dest", str(target), *sorted(wanted)),
    ]
    if any(kept.glob("*.whl")):
        old = pip(["--isolated", *common, "--no-index", "--find-links", str(kept)])
        if old.returncode == 0:
            return
    done = pip(common)
    if done.returncode != 0:
        raise KitError(
            msg(
                "pip cannot download the wheels for {system}, Python {python}",
                system=platform.markers["platform_system"],
                python=python,
            ),
            hint="check this computer's network and pip's settings, or name other versions with "
            "--python and other systems with --system",
            details=done.stderr.strip()[-2000:],
        )


def pip(arguments: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run pip and return how it ended.

    Raises:
        KitError: there is no pip.
    """
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip"]
    else:  # as in an environment of pipx or uv
        program = shutil.which("pip3") or shutil.which("pip")
        if program is None:
            raise KitError(
                "pip, which downloads labctl's libraries for the kit, is missing",
                hint="install it with `python -m ensurepip`, or leave them out with --no-wheels",
            )
        command = [program]
    return subprocess.run(
        [*command, *arguments], check=False, capture_output=True, text=True, errors="replace"
    )


def _requirements(wheel: Path, markers: dict[str, str]) -> set[str]:
    """Return what a wheel needs where these markers hold, without extras."""
    found = set()
    for text in _metadata(wheel).get_all("Requires-Dist") or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({**markers, "extra": ""}):
            requirement.marker = None
            found.add(str(requirement))
    return found


def _metadata(wheel: Path) -> email.message.Message:
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            text = archive.read(name).decode("utf-8", "replace")
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise KitError(msg("the wheel {name} is damaged", name=wheel.name)) from error
    return email.parser.HeaderParser().parsestr(text)
