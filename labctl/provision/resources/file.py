"""Files, folders, symbolic links, and the absence of a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from labctl.messages import msg
from labctl.provision.resources.atomic_write import LoadedBy, removing, replacing
from labctl.provision.resources.base import Change, Observed, quote, text_diff


@dataclass(frozen=True, slots=True)
class File:
    """A file with this content, mode and owner.

    Parameters:
        path: absolute path on the node.
        content: the whole text; it is written as UTF-8.
        mode: octal, four digits.
        owner: ``user:group``.
        check: sh that validates the new file, ``$new``, before it gets its name.
        loaded_by: the service that reads it, and whether a reload is enough.
        backup: keep the first file found there as ``<path>.before-labctl``.
        secret: its content is compared by a digest and never shown.
        masked: what to show of a secret content.
    """

    path: str
    content: str
    mode: str = "0644"
    owner: str = "root:root"
    check: str = ""
    loaded_by: LoadedBy | None = None
    backup: bool = False
    secret: bool = False
    masked: str = ""

    @property
    def id(self) -> str:
        return f"file:{self.path}"

    def probe(self) -> str:
        path = quote(self.path)
        if self.secret:
            return f"stat -L -c '%04a %U:%G' {path} && sha256sum <{path}"
        return f"stat -L -c '%04a %U:%G' {path} && cat {path}"

    def plan(self, observed: Observed) -> Change | None:
        attributes, _, content = observed.output.partition("\n") if observed.ok else ("", "", "")
        mode, _, owner = attributes.partition(" ")
        if self.secret:
            same = content.split()[:1] == [hashlib.sha256(self.content.encode()).hexdigest()]
        else:
            same = content == self.content
        if observed.ok and (mode, owner, same) == (self.mode, self.owner, True):
            return None
        if self.secret:
            new = "\n".join(f"+{line}" for line in self.masked.splitlines())
            former, new = (
                ("-a secret\n", new or "+another") if observed.ok else ("", new or "+a secret")
            )
            diff = "" if same else former + new
        else:
            diff = text_diff(content, self.content, self.path)
        if observed.ok and mode != self.mode:
            diff += f"\n-mode {mode}\n+mode {self.mode}"
        if observed.ok and owner != self.owner:
            diff += f"\n-owner {owner}\n+owner {self.owner}"
        script = replacing(
            self.path,
            self.content,
            mode=self.mode,
            owner=self.owner,
            check=self.check,
            loaded_by=self.loaded_by,
            backup=f"{self.path}.before-labctl" if self.backup else "",
        )
        template = msg("update {path}") if observed.ok else msg("write {path}")
        return Change(msg(template, path=self.path), script, diff.strip())


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder with this mode and owner; its content is not checked."""

    path: str
    mode: str = "0755"
    owner: str = "root:root"

    @property
    def id(self) -> str:
        return f"directory:{self.path}"

    def probe(self) -> str:
        path = quote(self.path)
        return f"[ -d {path} ] && stat -L -c '%04a %U:%G' {path}"

    def plan(self, observed: Observed) -> Change | None:
        wanted = f"{self.mode} {self.owner}"
        seen = observed.output.strip() if observed.ok else ""
        if seen == wanted:
            return None
        path = quote(self.path)
        script = (
            f"set -e; mkdir -p {path}; chown {quote(self.owner)} {path}; "
            f"chmod {quote(self.mode)} {path}"
        )
        return Change(
            msg("create the folder {path}", path=self.path),
            script,
            f"-{seen}\n+{wanted}" if seen else "",
        )


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link at `path` to `target`. A file that is not a link is never replaced."""

    path: str
    target: str

    @property
    def id(self) -> str:
        return f"link:{self.path}"

    def probe(self) -> str:
        path = quote(self.path)
        return f"if [ -L {path} ]; then readlink {path}; elif [ -e {path} ]; then exit 3; fi"

    def plan(self, observed: Observed) -> Change | None:
        if observed.exit_code == 3:
            raise ValueError(msg("{path} exists and is not a link; move it away", path=self.path))
        seen = observed.output.rstrip("\n")
        if seen == self.target:
            return None
        diff = f"-{seen}\n+{self.target}" if seen else f"+{self.target}"
        return Change(
            msg("link {path} to {target}", path=self.path, target=self.target),
            f"ln -sfn {quote(self.target)} {quote(self.path)}",
            diff,
        )


@dataclass(frozen=True, slots=True)
class Absent:
    """No file and no link at `path`. A folder there is an error, never removed.

    Parameters:
        path: absolute path on the node.
        loaded_by: the service that read it, which must restart or reload when it is gone.
    """

    path: str
    loaded_by: LoadedBy | None = None

    @property
    def id(self) -> str:
        return f"absent:{self.path}"

    def probe(self) -> str:
        path = quote(self.path)
        return f"[ -L {path} ] || {{ [ ! -d {path} ] || exit 3; [ -e {path} ]; }}"

    def plan(self, observed: Observed) -> Change | None:
        if observed.exit_code == 3:
            raise ValueError(msg("{path} is a folder; remove it by hand", path=self.path))
        if not observed.ok:
            return None
        return Change(
            msg("remove {path}", path=self.path),
            removing(self.path, self.loaded_by),
            f"-{self.path}",
        )
