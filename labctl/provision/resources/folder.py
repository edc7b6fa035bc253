"""A small folder that is copied from the instructor's computer to a node, such as a project.

It is part of the exchange, so it is for sources, not for data. For large files, use `labctl scp` or
synced folders.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import PlaybookError
from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, quote, shell_script

MOST_BYTES = 4 * 1024 * 1024
KEPT = "/var/lib/labctl/folders"
"""Folder on a node that lists, for each folder, the files that labctl copied."""
_NAME = re.compile(r"[^\x00-\x1f\x7f\\\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file on its way to a node. `path` is relative, with ``/`` between its parts."""

    path: str
    content: bytes
    mode: str = "0644"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def file_content(folder: Path) -> tuple[FileContent, ...]:
    """Read every file of a folder on this computer, in the order of their names.

    Links are followed. Anything that is neither a file nor a folder is refused.

    Raises:
        PlaybookError: it is not a folder, cannot be read, has names that no script can contain, or
            more than `MOST_BYTES`.
    """
    found: list[FileContent] = []
    total = 0
    try:
        if not folder.is_dir():
            raise PlaybookError(
                msg("{folder} is not a folder", folder=folder),
                hint="set an existing folder in lab.yaml",
            )
        for path in sorted(folder.rglob("*")):
            if path.is_dir():
                continue
            name = path.relative_to(folder).as_posix()
            if not _NAME.fullmatch(name):
                raise PlaybookError(
                    msg("{path}: its name has control characters or backslashes", path=path)
                )
            mode = path.stat().st_mode
            if not stat.S_ISREG(mode):
                raise PlaybookError(msg("{path} is neither a file nor a folder", path=path))
            total += path.stat().st_size
            if total > MOST_BYTES:
                raise PlaybookError(
                    msg(
                        "{folder} is larger than {most_bytes} MiB",
                        folder=folder,
                        most_bytes=MOST_BYTES // 1024 // 1024,
                    ),
                    hint="keep data elsewhere; `labctl scp` copies it to the node",
                )
            executable = bool(mode & 0o111)
            found.append(FileContent(name, path.read_bytes(), "0755" if executable else "0644"))
    except OSError as error:
        raise PlaybookError(
            msg("{path} cannot be read: {reason}", path=folder, reason=error)
        ) from error
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on the node with these files; others in it, such as data of containers, stay.

    A file that labctl copied earlier and that is no longer listed is removed. If a file takes the
    place of a folder, that folder is removed too.

    Parameters:
        path: absolute path on the node.
        files: its files.
        owner: user that the files belong to.
    """

    path: str
    files: tuple[FileContent, ...]
    owner: str = "root"

    @property
    def id(self) -> str:
        return f"folder:{self.path}"

    @property
    def _kept(self) -> str:
        return f"{KEPT}/{self.path.strip('/').replace('/', '-')}"

    def probe(self) -> str:
        names = " ".join(quote(f"./{file.path}") for file in self.files)
        script = shell_script(__file__, "folder_probe.sh", folder=self.path, kept=self._kept)
        return f"set -- {names}\n{script}"

    def plan(self, observed: Observed) -> Change | None:
        seen: dict[str, tuple[str, ...]] = {}
        before: list[str] = []
        if observed.ok:
            there, _, kept = observed.output.partition("=\n")
            for line in there.splitlines():
                digest, mode, owner, name = line.split(" ", 3)
                seen[name.removeprefix("./")] = digest, mode, owner
            before = kept.splitlines()
        wanted = {file.path: file for file in self.files}
        wrong = [
            file
            for file in self.files
            if seen.get(file.path) != (file.digest, file.mode, self.owner)
        ]
        gone = [name for name in before if name not in wanted]
        if not wrong and not gone and before == list(wanted):
            return None
        steps = ["set -e", f"mkdir -p {quote(self.path)} {KEPT}", f"cd {quote(self.path)}"]
        steps.append(f"chown {quote(f'{self.owner}:')} .")
        # First of all: a file may be where a folder was, or a folder where a file was.
        for name in gone:
            place = quote(f"./{name}")
            # An interrupted run may have created the folder already.
            steps.append(f"{{ [ -d {place} ] && [ ! -L {place} ]; }} || rm -f {place}")
            # Other folders stay, empty or not: a container may have mounted one.
            steps += [
                f"rmdir {quote(f'./{folder}')} 2>/dev/null || :"
                for folder in reversed(_above(name))
                if any(folder == file or folder.startswith(f"{file}/") for file in wanted)
            ]
        for folder in dict.fromkeys(f for file in wrong for f in _above(file.path)):
            place = quote(f"./{folder}")
            steps.append(f"mkdir -p {place}; chown {quote(f'{self.owner}:')} {place}")
        for file in wrong:
            new = quote(f"./{file.path}.labctl-new")
            text = base64.b64encode(file.content).decode()
            steps += [
                f"printf %s {quote(text)} | base64 -d >{new}",
                f"chown {quote(f'{self.owner}:')} {new}; chmod {file.mode} {new}",
                f"mv -fT {new} {quote(f'./{file.path}')}",
            ]
        listed = "".join(f"{name}\n" for name in wanted)
        steps.append(f"printf %s {quote(listed)} >{quote(self._kept)}")
        diff = [f"-{name}" for name in gone]
        diff += [f"{'~' if file.path in seen else '+'}{file.path}" for file in wrong]
        return Change(
            msg("copy {count} files to {path}", count=len(wrong), path=self.path),
            "\n".join(steps),
            "\n".join(diff),
        )


def _above(path: str) -> list[str]:
    """Return the folders that a file is in, the outermost first."""
    found: list[str] = []
    while path := posixpath.dirname(path):
        found.insert(0, path)
    return found
