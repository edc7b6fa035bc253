"""Package repositories: a repository file, and the key that signs its packages."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, shell_script
from labctl.provision.resources.file import File

KEY_FOLDER = "/etc/pki/rpm-gpg"
OWN = "labctl-"
"""Prefix of the ids of labctl's own repositories.

Another file with the same id would shadow a repository, and could turn off its signature checks.
"""


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
        """The path of the key on the node."""
        return f"{KEY_FOLDER}/{self.name}"

    @property
    def id(self) -> str:
        return f"key:{self.name}"

    @property
    def _verified(self) -> str:
        """The file that keeps the digest and the fingerprint of the key file that gpg has read."""
        return f"{KEY_FOLDER}/.{self.name}.verified"

    def probe(self) -> str:
        return shell_script(
            __file__,
            *("fingerprints.sh", "key_probe.sh"),
            path=self.path,
            verified=self._verified,
        )

    def plan(self, observed: Observed) -> Change | None:
        seen = observed.output.split() if observed.ok else []
        if seen == [self.fingerprint]:
            return None
        script = shell_script(
            __file__,
            *("fingerprints.sh", "key_fetch.sh"),
            url=self.source,
            path=self.path,
            verified=self._verified,
            fingerprint=self.fingerprint,
        )
        diff = "".join(f"-{hex_}\n" for hex_ in seen) + f"+{self.fingerprint}"
        return Change(msg("fetch the signing key {name}", name=self.name), script, diff)


@dataclass(frozen=True, slots=True)
class RepositorySection:
    """One repository of a repo file.

    Parameters:
        id: its id. Ids that begin with `OWN` are labctl's own.
        name: its name for people.
        baseurl: its base URL.
        enabled: whether yum uses it by default.
    """

    id: str
    name: str
    baseurl: str
    enabled: bool = True


def repository_file(name: str, sections: tuple[RepositorySection, ...], key: SigningKey) -> File:
    """Return the yum repository file `name`.repo; every package must be signed with `key`.

    The first file found there, such as the box's outdated one, is kept beside it.
    """
    blocks = [
        "\n".join(
            [
                f"[{section.id}]",
                f"name={section.name}",
                f"baseurl={section.baseurl}",
                f"enabled={int(section.enabled)}",
                "gpgcheck=1",
                f"gpgkey=file://{key.path}",
            ]
        )
        for section in sections
    ]
    header = "# Written by labctl; the previous file has the suffix .before-labctl."
    return File(f"/etc/yum.repos.d/{name}.repo", "\n\n".join([header, *blocks]) + "\n", backup=True)
