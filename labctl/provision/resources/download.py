"""A file that the node fetches from a URL, and takes only if its digest is the expected one."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from labctl.provision.resources.base import Change, Observed, quote

FETCH = "curl --fail --silent --show-error --location --retry 3 --connect-timeout 20"
"""curl as EL7 has it (7.29): no option newer than that."""


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
            return Change(f"set the mode of {self.path}", f"chmod {self.mode} {path}", diff)
        script = "\n".join(
            [
                "set -eu",
                f"mkdir -p {quote(posixpath.dirname(self.path))}",
                f"new=$(mktemp {path}.XXXXXX)",
                "trap 'rm -f \"$new\"' EXIT",
                f'{FETCH} --output "$new" {quote(self.url)}',
                'seen=$(sha256sum <"$new")',
                f'if [ "${{seen%% *}}" != {quote(self.sha256)} ]; then',
                f"  echo {quote(f'{self.url} has another digest than expected')}",
                f"  echo {quote(f'expected sha256 {self.sha256}')}",
                '  echo "received sha256 ${seen%% *}"; exit 1',
                "fi",
                f'chmod {quote(self.mode)} "$new"',
                f'mv -fT "$new" {path}',
                "trap - EXIT",
                f"if command -v restorecon >/dev/null 2>&1; then restorecon {path} || :; fi",
            ]
        )
        return Change(f"download {self.path}", script, diff)
