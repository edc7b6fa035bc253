"""Packages can be had again, and none without a signature."""

from typing import Any

from testinfra.host import Host


def test_yum_reads_every_repository(host: Host) -> None:
    """yum reads every enabled repository"""
    result = host.run("yum --quiet repolist 2>&1")
    assert result.rc == 0, result.stdout
    for name in ("base", "updates", "extras"):
        assert name in result.stdout


def test_every_repository_checks_signatures(host: Host) -> None:
    """no enabled repository does without signatures"""
    files = host.run("cat /etc/yum.repos.d/CentOS-Base.repo").stdout
    assert files.count("gpgcheck=1") == files.count("enabled=1") > 0


def test_key_is_the_expected_one(host: Host, wanted: dict[str, Any]) -> None:
    """packages are checked against CentOS's key and no other"""
    shown = host.run(
        "gpg --batch --with-colons --with-fingerprint /etc/pki/rpm-gpg/labctl-centos-7 2>/dev/null"
    ).stdout
    fingerprints = [line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr:")]
    assert wanted["sources"]["vault"]["fingerprint"] in fingerprints
