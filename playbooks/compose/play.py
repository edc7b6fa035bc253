"""docker-compose: release 1 as one file with a known digest, or release 2 as a plugin."""

from collections.abc import Iterator
from dataclasses import dataclass

from labctl.playbook import (
    Directory,
    Download,
    File,
    Findings,
    Link,
    Observed,
    Obstacle,
    Package,
    Packages,
    Play,
    Plays,
    Preflight,
    msg,
    shell_script,
)

PATH = "/usr/local/bin/docker-compose"

SHIM = """\
#!/bin/sh
# Written by labctl: the course's commands say docker-compose, the plugin is `docker compose`.
exec docker compose "$@"
"""
PROGRAM = "/usr/local/lib/labctl-docker-compose"
ROOM = "/var/lib/labctl-compose"
ELSEWHERE = f"""\
#!/bin/sh
# Written by labctl: /tmp of this node is mounted noexec, and docker-compose starts from TMPDIR.
TMPDIR={ROOM}
export TMPDIR
exec {PROGRAM} "$@"
"""


@dataclass(frozen=True, slots=True)
class Noexec:
    """Finds out whether /tmp lets programs start."""

    id = "preflight:noexec"
    what = "/tmp"
    at_first_contact = True

    def probe(self) -> str:
        return shell_script(__file__, "noexec.sh")

    def examine(self, observed: Observed) -> Findings:
        if not _is_noexec(observed):
            return Findings(passed=((self.what, msg("programs can start from it")),))
        return Findings(
            warnings=[
                Obstacle(
                    msg(
                        "/tmp is mounted noexec; labctl lets docker-compose use another folder, "
                        "and other programs may fail"
                    ),
                    msg("`sudo mount -o remount,exec /tmp`, and remove noexec from /etc/fstab"),
                )
            ]
        )


def preflight(play: Play) -> Iterator[Preflight]:
    """Look at /tmp, from where docker-compose 1 starts."""
    if play.lab.resolved_toolchain.compose:
        yield Noexec()


def play(play: Play) -> Plays:
    versions = play.lab.resolved_toolchain
    if versions.compose:
        url = play.lab.sources.compose.url.replace("{version}", versions.compose)
        digest = play.lab.compose_sha256
        assert digest is not None, "lab.yaml is not accepted without it"
        if play.choose("compose.noexec", shell_script(__file__, "noexec.sh"), _is_noexec):
            # The program unpacks itself below TMPDIR, and starts from there (docker/compose#6990).
            yield Download(url, PROGRAM, digest)
            yield Directory(ROOM, mode="1777")
            yield File(PATH, ELSEWHERE, mode="0755")
        else:
            yield Download(url, PATH, digest)
    elif versions.compose_plugin:
        plugin = Package("docker-compose-plugin", versions.compose_plugin)
        yield Packages((plugin,), repositories=play.repositories)
        yield File(PATH, SHIM, mode="0755")
    else:
        return
    # /usr/local/bin is not in sudo's path on CentOS 7.
    yield Link("/usr/bin/docker-compose", PATH)


def _is_noexec(seen: Observed) -> bool:
    return seen.output.strip() == "noexec"
