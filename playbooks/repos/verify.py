"""CentOS's packages are available, and only with a signature."""

from collections.abc import Iterator
from typing import Any

from testinfra.host import Host

from labctl.exercise import msg, on_failure

CENTOS = ("base", "updates", "extras")
FILES = 'for file in /etc/yum.conf /etc/yum.repos.d/*.repo; do cat "$file"; echo; done'
"""Prints the files of yum, each with a line break at the end."""


@on_failure(
    "yum cannot read its repositories", fix="labctl provision --refresh", needs_engine=False
)
def test_yum_reads_every_repository(host: Host) -> None:
    """yum reads CentOS's repositories, and those that labctl installs from

    A dead one that somebody else added does not stop labctl, so it is not looked at.
    """
    wanted = ",".join((*CENTOS, "labctl-*"))
    result = host.run("yum --quiet --disablerepo='*' --enablerepo=%s repolist 2>&1", wanted)
    assert result.rc == 0, result.stdout
    missing = [name for name in CENTOS if name not in result.stdout]
    assert not missing, msg("yum does not list {missing}", missing=", ".join(missing))


@on_failure("yum installs packages of CentOS without a signature", needs_engine=False)
def test_repositories_of_centos_check_signatures(host: Host) -> None:
    """CentOS's repositories check signatures, whatever file they are in

    Repositories that somebody else added, such as a classroom's own, are not checked, because
    labctl does not change them. labctl's own repository files check all packages that it installs.
    """
    found = list(_sections(host.check_output(FILES)))
    default = next((keys.get("gpgcheck", "0") for name, keys in found if name == "main"), "0")
    enabled = [
        (name, _on(keys.get("gpgcheck", default)))
        for name, keys in found
        if name in CENTOS and _on(keys.get("enabled", "1"))
    ]
    missing = sorted(set(CENTOS) - {name for name, _ in enabled})
    assert not missing, msg("disabled or missing: {names}", names=", ".join(missing))
    unchecked = [name for name, checks in enabled if not checks]
    assert not unchecked, msg("gpgcheck is off for {names}", names=", ".join(unchecked))


@on_failure(
    "yum trusts another key than that of CentOS",
    because="the key file was changed",
    needs_engine=False,
)
def test_key_is_the_expected_one(host: Host, wanted: dict[str, Any]) -> None:
    """packages are checked against CentOS's key and no other"""
    shown = host.run(
        "gpg --batch --with-colons --with-fingerprint /etc/pki/rpm-gpg/labctl-centos-7 2>/dev/null"
    ).stdout
    prints, of = [], ""
    for record in (line.split(":") for line in shown.splitlines()):
        # A fingerprint stands behind the key that it is of; newer gpg has those of subkeys too.
        if record[0] in ("pub", "sub"):
            of = record[0]
        elif (of, record[0]) == ("pub", "fpr"):
            prints.append(record[9])
    assert prints == [wanted["sources"]["vault"]["fingerprint"]]


def _sections(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name and the keys of each section; of two of one name, both."""
    name, keys = "", dict[str, str]()
    for line in text.splitlines():
        if line.startswith("["):
            yield name, keys
            name, keys = line.strip().strip("[]"), {}
        elif "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            keys[key.strip()] = value.strip()
    yield name, keys


def _on(value: str) -> bool:
    """Return True if yum reads a value as yes."""
    return value.lower() in ("1", "yes", "true", "on")
