"""The cause of a failure in one line, from what programs on CentOS 7 print."""

from __future__ import annotations

import pytest

from labctl.provision.causes import explain

CASES: list[tuple[str, str, str]] = [
    (
        "mv: cannot move '/etc/hosts.Ab12' to '/etc/hosts': Operation not permitted\n"
        "/etc/hosts is immutable\n",
        "/etc/hosts is immutable",
        "chattr -i /etc/hosts",
    ),
    (
        "mktemp: failed to create file via template ‘/etc/docker/daemon.json.XXXXXX’: "
        "No space left on device\n",
        "no space is left on the node",
        "df -h",
    ),
    (
        "[Errno 28] No space left on device: '/var/cache/yum/x86_64/7/base'",
        "no space is left on the node",
        "docker system prune",
    ),
    (
        "mkdir: cannot create directory ‘/etc/docker’: Read-only file system",
        "/etc/docker is on a read-only file system",
        "remount",
    ),
    ("fork: Cannot allocate memory", "the node is out of memory", "free -m"),
    (
        "error while loading shared libraries: libz.so.1: failed to map segment from shared object:"
        " Operation not permitted",
        "/tmp, which is mounted noexec",
        "TMPDIR",
    ),
    (
        "Job for docker.service failed. See systemctl status\n"
        "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following "
        "directives are specified both as a flag and in the configuration file: hosts\n"
        "docker.service: main process exited\n",
        "directives are specified both as a flag and in the configuration file: hosts",
        "",
    ),
    (
        'time="2026" level=info msg="Starting up"\nfailed to start daemon: '
        "error while opening volume store metadata database: timeout\n",
        "failed to start daemon: error while opening volume store metadata database: timeout",
        "",
    ),
    (
        'time="2026" level=fatal msg="Error starting daemon: \\"a\\" is in use"\n',
        'Error starting daemon: "a" is in use',
        "",
    ),
    (
        "containerd: failed to load TOML from /etc/containerd/config.toml: (1, 2): no",
        "containerd: failed to load TOML from /etc/containerd/config.toml",
        "",
    ),
    (
        "Existing lock /var/run/yum.pid: another copy is running as pid 4711.\n"
        "Another app is currently holding the yum lock; waiting for it to exit...\n",
        "another yum is running",
        "wait until",
    ),
    ("Waiting for process with pid 99 to finish.", "another yum is running (pid 99)", "wait"),
    (
        "curl: (60) Peer's Certificate has expired.",
        "the node's clock is wrong",
        "date",
    ),
    (
        "curl: (6) Could not resolve host: download.docker.com; Unknown error",
        "the node cannot look up download.docker.com",
        "/etc/resolv.conf",
    ),
    (
        "failure: repodata/repomd.xml from centos-sclo-sclo: [Errno 256] No more mirrors to try.",
        "the repository centos-sclo-sclo does not answer",
        "yum-config-manager --disable centos-sclo-sclo",
    ),
    (
        "Error: Failed to download metadata for repo 'epel': Cannot prepare internal mirrorlist",
        "the repository epel does not answer",
        "yum-config-manager --disable epel",
    ),
    (
        "Cannot find a valid baseurl for repo: base/7/x86_64",
        "the repository base/7/x86_64 does not answer",
        "yum-config-manager",
    ),
    (
        "Error: docker-ce conflicts with 2:docker-1.13.1-209.git7d71120.el7.x86_64",
        "docker-ce conflicts with 2:docker-1.13.1-209",
        "--replace-packages",
    ),
    ("No package d-1 available.", "No package d-1 available", ""),
    (
        "curl: (28) Connection timed out after 15001 milliseconds",
        "a server does not answer: Connection timed out",
        "curl -v",
    ),
]


@pytest.mark.parametrize(("output", "message", "remedy"), CASES, ids=lambda text: text[:30])
def test_a_cause(output: str, message: str, remedy: str) -> None:
    cause = explain(output, 1, 300)
    assert cause is not None
    assert message in cause.message
    assert "\n" not in cause.message
    assert remedy in cause.remedy


@pytest.mark.parametrize("output", ["", "nothing of the kind\n", "exit 9"])
def test_no_cause_is_made_up(output: str) -> None:
    assert explain(output, 1, 300) is None


def test_the_last_of_several_counts() -> None:
    cause = explain('level=fatal msg="first"\nlevel=fatal msg="last"\n', 1, 300)
    assert cause is not None
    assert cause.message == "last"


def test_a_change_that_took_too_long_says_what_it_waited_for() -> None:
    cause = explain("Another app is currently holding the yum lock\n\n", 124, 1800)
    assert cause is not None
    assert cause.message == (
        "gave up after 30 min; its last line: Another app is currently holding the yum lock"
    )
    silent = explain("", 124, 300)
    assert silent is not None
    assert silent.message == "gave up after 5 min"
