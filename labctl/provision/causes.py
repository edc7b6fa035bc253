"""Why a change failed, in one line: what its output means, and the command that solves it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from labctl.messages import msg
from labctl.remote.exchange import TIMED_OUT


class Cause(NamedTuple):
    """The cause of a failure, and what solves it."""

    message: str
    remedy: str = ""


_CLOCK = msg("compare the clocks: `date` on the node and on this computer")
_DNS = msg("check the nameserver lines of /etc/resolv.conf on the node")


def _unknown_host(found: re.Match[str]) -> Cause:
    return Cause(msg("the node cannot look up {host}", host=found[1]), _DNS)


def _repository(found: re.Match[str]) -> Cause:
    return Cause(
        msg("the repository {name} does not answer", name=found[1]),
        msg(
            "if it is one of labctl's, set another source in lab.yaml; "
            "otherwise disable it: `sudo yum-config-manager --disable {name}`",
            name=found[1],
        ),
    )


def _words(found: re.Match[str]) -> Cause:
    text = re.sub(r"\\(.)", r"\1", found[1]).strip()
    return Cause(text if len(text) < 400 else f"{text[:400]}…")


# The first pattern that fits counts. Of several matches, the last one: a log ends with the cause.
_PATTERNS: tuple[tuple[str, Callable[[re.Match[str]], Cause]], ...] = (
    (
        r"(/\S+) is immutable",
        lambda found: Cause(
            msg("{path} is immutable", path=found[1]),
            msg("`sudo chattr -i {path}` on the node", path=found[1]),
        ),
    ),
    (
        r"No space left on device",
        lambda _: Cause(
            msg("no space is left on the node"),
            msg("`df -h` shows the full disk; `sudo docker system prune` may free space"),
        ),
    ),
    (
        r"(?:cannot \w+ .*?['‘]?(/[^'’:\n]+)['’]?: )?Read-only file system",
        lambda found: Cause(
            msg("{path} is on a read-only file system", path=found[1] or msg("a file")),
            msg(
                "`dmesg` on the node may show the reason; remount it with "
                "`sudo mount -o remount,rw`"
            ),
        ),
    ),
    (
        r"Cannot allocate memory|[Oo]ut of memory|oom-kill",
        lambda _: Cause(msg("the node is out of memory"), msg("`free -m` shows how much it has")),
    ),
    (
        r"failed to map segment from shared object",
        lambda _: Cause(
            msg("a program cannot run from /tmp, which is mounted noexec"),
            msg("set TMPDIR to a folder on another file system"),
        ),
    ),
    # An engine that finds no containerd fails as well, and says less.
    (r"(containerd: .*)", _words),
    (r"(unable to configure the Docker daemon with file .*)", _words),
    (r"(failed to start daemon: .*)", _words),
    (r'level=fatal msg="((?:[^"\\]|\\.)*)"', _words),
    (
        r"(?:Existing lock \S+: another copy is running as pid (\d+)"
        r"|currently holding the yum lock|[Ww]aiting for process with pid (\d+))",
        lambda found: Cause(
            msg("another yum is running{pid}", pid=f" (pid {found[1] or found[2]})")
            if found[1] or found[2]
            else msg("another yum is running"),
            msg("wait until it has ended, then run the same command again"),
        ),
    ),
    (
        r"(?i)certificate (?:is not yet valid|has expired)|CERT_HAS_EXPIRED|not yet valid",
        lambda _: Cause(msg("a certificate has expired, or the node's clock is wrong"), _CLOCK),
    ),
    (
        r"Could not resolve proxy(?: name)?: ([\w.-]+)|proxyconnect tcp: .*lookup ([\w.-]+)",
        lambda found: Cause(
            msg("the node cannot look up the proxy {host}", host=found[1] or found[2]),
            msg("set proxy in lab.yaml to the proxy's address"),
        ),
    ),
    (
        r"407 from proxy|HTTP Error 407|Proxy Authentication Required|status code: 407",
        lambda _: Cause(
            msg("the proxy wants another user or password"),
            msg("correct http://USER:PASSWORD@HOST:PORT under proxy in lab.yaml"),
        ),
    ),
    (
        r"(proxyconnect tcp: .*)",
        lambda found: Cause(
            msg("the proxy does not answer: {problem}", problem=found[1]),
            msg("check proxy in lab.yaml, and the machine's own settings"),
        ),
    ),
    (r"Could not resolve host: ([\w.-]+)", _unknown_host),
    (r"failure: repodata/repomd\.xml from ([\w.-]+)", _repository),
    (r"Failed to download metadata for repo ['‘]([^'’]+)", _repository),
    (r"Cannot (?:find a valid baseurl|retrieve repository metadata).*?repo(?:sitory)?:? ([\w./-]+)",
     _repository),
    (
        r"(\S+) conflicts with (\S+)",
        lambda found: Cause(
            msg("{package} conflicts with {other}", package=found[1], other=found[2]),
            msg("remove the other package, or pass --replace-packages"),
        ),
    ),
    (r"(No package \S+ available)", _words),
    (r"(GPG key retrieval failed.*|Public key for \S+ is not installed.*)", _words),
    (
        r"curl: \((?:7|28)\) (.*)",
        lambda found: Cause(
            msg("a server does not answer: {problem}", problem=found[1]),
            msg("check that the node reaches it: `curl -v URL` there"),
        ),
    ),
)  # fmt: skip


def explain(output: str, code: int, limit: int) -> Cause | None:
    """Return why a change failed; None if its output does not tell.

    Parameters:
        output: what it printed.
        code: its exit code.
        limit: seconds that it had.
    """
    if code == TIMED_OUT:
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "")
        return Cause(
            msg("gave up after {minutes} min", minutes=round(limit / 60))
            if not last
            else msg(
                "gave up after {minutes} min; its last line: {line}",
                minutes=round(limit / 60),
                line=last.strip()[:300],
            ),
            msg("run the same command again; it resumes here"),
        )
    for pattern, cause in _PATTERNS:
        found = list(re.finditer(pattern, output))
        if found:
            return cause(found[-1])
    return None
