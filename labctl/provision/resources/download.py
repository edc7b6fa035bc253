"""A file that the node downloads from a URL; its digest must match."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, quote, shell_script


@dataclass(frozen=True, slots=True)
class Download:
    """The file at `url`, kept at `path`.

    Parameters:
        url: http or https.
        path: absolute path on the node.
        sha256: expected digest, 64 hexadecimal digits.
        mode: octal, four digits.
    """

    url: str
    path: str
    sha256: str
    mode: str = "0755"

    @property
    def id(self) -> str:
        return f"download:{self.path}"

    def probe(self) -> str:
        path = quote(self.path)
        return f"stat -L -c '%04a' {path} && sha256sum {path}"

    def plan(self, observed: Observed) -> Change | None:
        lines = observed.output.splitlines() if observed.ok else []
        mode = lines[0] if lines else ""
        digest = lines[1].split(" ")[0].lstrip("\\") if len(lines) > 1 else ""
        if (mode, digest) == (self.mode, self.sha256):
            return None
        path = quote(self.path)
        diff = f"-{digest or 'absent'} {mode}".rstrip() + f"\n+{self.sha256} {self.mode}"
        if digest == self.sha256:
            return Change(
                msg("set the mode of {path}", path=self.path), f"chmod {self.mode} {path}", diff
            )
        script = shell_script(
            __file__,
            "download.sh",
            url=self.url,
            path=self.path,
            sha256=self.sha256,
            mode=self.mode,
        )
        return Change(msg("download {path}", path=self.path), script, diff)
