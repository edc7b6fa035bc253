"""The Debian that this machine does not run, as a root file system to work in.

It has the packages that a demo needs, and systemd-nspawn; a copy of this checkout; and a cache of
the testbed's of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.testbed import install
from tests.testbed.cache import Cache, Stage
from tests.testbed.debian import mmdebstrap
from tests.testbed.errors import TestbedError
from tests.testbed.shell import run
from tests.testbed.stages import STAGES

REPOSITORY = Path(__file__).resolve().parents[2]
_SUITES = {"12": "bookworm", "13": "trixie"}
_PACKAGES = (*install.FIRST, *install.DEMO, "ca-certificates", "procps", "systemd-container")
# How the registries of packages are reached from here.
_SETTINGS = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf")
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_CHECKOUT = Path("root/labctl")
_CACHE = Path("var/tmp/cache")
# Worlds are entered by setns, which leaves a chroot. So the root is pivoted, in a mount namespace
# that lasts as long as its first process.
_ROOT = """\
set -e
lower=$1 scratch=$2
mount -t overlay overlay \\
  -o "lowerdir=$lower,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
cd "$scratch/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir run/lock
# Machines that are containers have overlays of their own, which cannot lie over this one.
mount --bind "$scratch/tmp" var/tmp
mkdir .host
pivot_root . .host
umount --lazy .host
touch /run/ready
exec sleep infinity
"""


def suite() -> str:
    """The release that this machine is not."""
    text = Path("/etc/os-release").read_text()
    here = next(name for number, name in _SUITES.items() if f'VERSION_ID="{number}"' in text)
    return next(name for name in _SUITES.values() if name != here)


def _build(target: Path, _finished: Mapping[str, Path]) -> None:
    mmdebstrap(suite(), target / "root", " ".join(_PACKAGES), "--variant=minbase",
               "--dpkgopt=force-unsafe-io")  # fmt: skip
    for setting in map(Path, (*_SETTINGS, _AUTHORITIES)):
        if setting.exists():
            place = target / "root" / setting.relative_to("/")
            place.unlink(missing_ok=True)
            shutil.copyfile(setting, place)


STAGE = Stage("other-debian", _build, (Path(__file__), Path(install.__file__)))


@dataclass(frozen=True)
class OtherDebian:
    """A running one. Commands run in its copy of the checkout."""

    pid: int

    def run(self, *command: str) -> str:
        """Return the output of `command`; a failure shows its end."""
        variables = {
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LABCTL_TESTBED_CACHE": f"/{_CACHE}",
            **{name: value for name, value in os.environ.items()
               if name.startswith("PIP_") or name.lower().endswith("_proxy")},
        }  # fmt: skip
        words = [f"{name}={value}" for name, value in variables.items()]
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--mount", f"--root=/proc/{self.pid}/root",
             f"--wd=/proc/{self.pid}/root/{_CHECKOUT}", "env", "-i", *words, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-8000:]}"
        return done.stdout


@contextmanager
def running(scratch: Path, shared: tuple[str, ...]) -> Iterator[OtherDebian]:
    """A fresh one whose files are below `scratch`.

    Of its testbed's cache, the stages named in `shared` are this machine's.
    """
    cache = Cache((*STAGES, STAGE))
    cache.build()
    for name in ("upper", "work", "root", "tmp"):
        (scratch / name).mkdir(parents=True)
    _copy_checkout(scratch / "upper" / _CHECKOUT)
    for name in shared:
        _copy_stage(cache.folder(name), scratch / "tmp/cache" / name)
    held = cache.hold()
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", _ROOT, "sh",
         cache.folder(STAGE.name) / "root", scratch], stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not Path(f"/proc/{process.pid}/root/run/ready").exists():
            if process.poll() is not None:
                raise TestbedError("the other Debian's root could not be mounted")
            time.sleep(0.02)
        yield OtherDebian(process.pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        for handle in held:
            handle.close()
        shutil.rmtree(scratch)


def _copy_stage(stage: Path, place: Path) -> None:
    """A finished stage for the other cache: the same files, as long as nobody writes into one."""
    place.mkdir(parents=True)
    try:
        run("cp", "-a", "--link", stage, place)
    except TestbedError:  # another file system
        run("cp", "-a", stage, place)


def _copy_checkout(place: Path) -> None:
    """The files of the checkout that are not made by running things in it."""
    names = run("git", "-C", REPOSITORY, "-c", "safe.directory=*", "ls-files", "-z", "--cached",
                "--others", "--exclude-standard")  # fmt: skip
    for name in filter(None, names.split("\0")):
        if (REPOSITORY / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, place / name)
    place.parent.chmod(0o700)
