"""Throw-away keys: two that sign packages, a certificate authority, and one to log in with.

Every build of this stage makes new ones; nothing secret is in the repository, and no real key's
name or fingerprint is imitated.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.testbed.buildroot import Buildroot
from tests.testbed.names import HOSTS

SIGNERS = {
    "centos": "CentOS 7 test stand-in <centos@testbed.invalid>",
    "docker": "Docker test stand-in <docker@testbed.invalid>",
}


@contextmanager
def gnupg_home(buildroot: Buildroot) -> Iterator[dict[str, str]]:
    """An environment with an empty keyring that vanishes, and its agent with it."""
    # In the buildroot's own /tmp: the agent's socket needs a short path.
    with tempfile.TemporaryDirectory(prefix="gpg-", dir=buildroot.root / "tmp") as home:
        env = {"GNUPGHOME": f"/tmp/{Path(home).name}"}
        try:
            yield env
        finally:
            buildroot.run("gpgconf", "--kill", "all", env=env)


def build(target: Path, finished: Mapping[str, Path]) -> None:
    """Fill `target` with <signer>.{public,secret}, fingerprints.json, ca.*, site.* and login*."""
    buildroot = Buildroot.of(finished)
    run = buildroot.run
    fingerprints = {}
    for name, identity in SIGNERS.items():
        with gnupg_home(buildroot) as env:
            options = ("--batch", "--pinentry-mode", "loopback", "--passphrase", "")
            run("gpg", *options, "--quick-generate-key", identity, "rsa2048", "sign", "never",
                env=env)  # fmt: skip
            run("gpg", "--armor", "--output", target / f"{name}.public", "--export", env=env)
            run("gpg", *options, "--armor", "--output", target / f"{name}.secret",
                "--export-secret-keys", env=env)  # fmt: skip
            listing = run("gpg", "--with-colons", "--fingerprint", env=env)
            fingerprints[name] = fingerprint(listing)
    (target / "fingerprints.json").write_text(json.dumps(fingerprints))
    _certificates(buildroot, target)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "testbed", "-f", target / "login")


def fingerprint(listing: str) -> str:
    """The first fingerprint in what `gpg --with-colons` prints."""
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))


def _certificates(buildroot: Buildroot, target: Path) -> None:
    """One certificate for every stand-in host, signed by a CA that only the guest trusts."""
    run = buildroot.run
    request = ("openssl", "req", "-newkey", "rsa:2048", "-nodes")
    run(*request, "-x509", "-days", "3650", "-subj", "/CN=labctl testbed CA",
        "-keyout", "ca.key", "-out", "ca.crt", cwd=target)  # fmt: skip
    run(*request, "-subj", "/CN=labctl testbed", "-keyout", "site.key", "-out", "site.csr",
        cwd=target)  # fmt: skip
    (target / "site.ext").write_text(
        "subjectAltName=" + ",".join(f"DNS:{host}" for host in HOSTS) + "\n"
    )
    run("openssl", "x509", "-req", "-in", "site.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
        "-CAcreateserial", "-days", "3650", "-extfile", "site.ext", "-out", "site.crt",
        cwd=target)  # fmt: skip
