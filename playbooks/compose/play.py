"""docker-compose: release 1 as one file with a known digest, or release 2 as a plugin."""

from labctl.playbook import Download, File, Link, Package, Packages, Play, Plays

PATH = "/usr/local/bin/docker-compose"

SHIM = """\
#!/bin/sh
# Written by labctl: the course's commands say docker-compose, the plugin is `docker compose`.
exec docker compose "$@"
"""


def play(play: Play) -> Plays:
    versions = play.lab.resolved_toolchain
    if versions.compose:
        url = play.lab.sources.compose.url.replace("{version}", versions.compose)
        digest = play.lab.compose_sha256
        assert digest is not None, "lab.yaml is not accepted without it"
        yield Download(url, PATH, digest)
    elif versions.compose_plugin:
        yield Packages((Package("docker-compose-plugin", versions.compose_plugin),))
        yield File(PATH, SHIM, mode="0755")
    else:
        return
    # /usr/local/bin is not in sudo's path on CentOS 7.
    yield Link("/usr/bin/docker-compose", PATH)
