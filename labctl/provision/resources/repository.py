"""Where packages come from: a repository file, and the key that signs its packages."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from labctl.provision.resources.base import Change, Observed, quote
from labctl.provision.resources.download import FETCH
from labctl.provision.resources.file import File

KEY_FOLDER = "/etc/pki/rpm-gpg"


def _fingerprints(path: str) -> str:
    """Return sh that prints the fingerprints of the primary keys in the file, a line each.

    gpg 2.0 (EL7) knows no --show-keys. A key's own fingerprint follows its "pub" record; those
    after "sub" records belong to subkeys.
    """
    return (
        f'home=$(mktemp -d) && gpg --homedir "$home" --batch --no-tty --with-colons'
        f" --fixed-list-mode --with-fingerprint {path} 2>/dev/null"
        " | cut -d: -f1,10 | { primary=; while IFS=: read -r kind hex; do"
        " case $kind in pub) primary=1;; sub) primary=;;"
        ' fpr) [ -z "$primary" ] || printf \'%s\\n\' "$hex"; primary=;; esac; done; }'
        '; rm -rf "$home"'
    )


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key file on the node that holds exactly the key with this fingerprint.

    Parameters:
        name: file name below `KEY_FOLDER`.
        source: http, https or file URL that the node fetches it from.
        fingerprint: 40 hexadecimal digits, upper case, of the primary key.
    """

    name: str
    source: str
    fingerprint: str

    @property
    def path(self) -> str:
        """Where the key is kept on the node."""
        return f"{KEY_FOLDER}/{self.name}"

    @property
    def id(self) -> str:
        return f"key:{self.name}"

    @property
    def _verified(self) -> str:
        """The file that keeps the digest and the fingerprint of the key file that gpg has read.

        gpg takes half a second on a small machine, and every exchange looks at every key.
        """
        return f"{KEY_FOLDER}/.{self.name}.verified"

    def probe(self) -> str:
        path = quote(self.path)
        return "\n".join(
            [
                f"[ -r {path} ] || exit 1",
                f"seen=$(sha256sum <{path})",
                f"if read -r digest print 2>/dev/null <{quote(self._verified)} &&",
                '  [ "$digest" = "${seen%% *}" ]; then echo "$print"; exit; fi',
                _fingerprints(path),
            ]
        )

    def plan(self, observed: Observed) -> Change | None:
        seen = observed.output.split() if observed.ok else []
        if seen == [self.fingerprint]:
            return None
        path = quote(self.path)
        if self.source.startswith("file://"):
            fetch = f'cat {quote(self.source.removeprefix("file://"))} >"$new"'
        else:
            fetch = f'{FETCH} --output "$new" {quote(self.source)}'
        refused = (
            f"{self.source} does not hold exactly the key {self.fingerprint}; "
            "nothing was imported. It holds:"
        )
        script = "\n".join(
            [
                "set -eu",
                f"mkdir -p {quote(posixpath.dirname(self.path))}",
                f"new=$(mktemp {path}.XXXXXX)",
                "trap 'rm -f \"$new\"' EXIT",
                fetch,
                f"seen=$({_fingerprints(chr(34) + '$new' + chr(34))})",
                f'if [ "$seen" != {self.fingerprint} ]; then',
                f'  echo {quote(refused)} "${{seen:-no key}}"; exit 1',
                "fi",
                'chmod 0644 "$new"',
                f'mv -fT "$new" {path}',
                "trap - EXIT",
                f"digest=$(sha256sum <{path})",
                f'echo "${{digest%% *}} {self.fingerprint}" >{quote(self._verified)}',
                f"if command -v restorecon >/dev/null 2>&1; then restorecon {path} || :; fi",
            ]
        )
        diff = "".join(f"-{hex_}\n" for hex_ in seen) + f"+{self.fingerprint}"
        return Change(f"fetch the signing key {self.name}", script, diff)


@dataclass(frozen=True, slots=True)
class RepositorySection:
    """One repository of a repo file: its id, its name for people, its base URL."""

    id: str
    name: str
    baseurl: str


def repository_file(name: str, sections: tuple[RepositorySection, ...], key: SigningKey) -> File:
    """Return the yum repository file `name`.repo; every package must be signed with `key`.

    The file that stood there first, such as the dead one of the box, is kept beside it.
    """
    blocks = [
        "\n".join(
            [
                f"[{section.id}]",
                f"name={section.name}",
                f"baseurl={section.baseurl}",
                "enabled=1",
                "gpgcheck=1",
                f"gpgkey=file://{key.path}",
            ]
        )
        for section in sections
    ]
    header = "# Written by labctl; what stood here before is in the file with .before-labctl."
    return File(f"/etc/yum.repos.d/{name}.repo", "\n\n".join([header, *blocks]) + "\n", backup=True)
