"""Registry mirrors: pulls use the mirrors that answer from this very node.

Public mirrors come and go by the month, and the engine tries them in order, so a dead one slows
down every pull. Each candidate is tried from the node; the ones that answer are kept, the fastest
first. The result stays until `labctl provision --refresh`, so that two runs do not differ.
"""

from labctl.playbook import (
    DaemonJson,
    NoSwarm,
    Observed,
    Play,
    Plays,
    Service,
    daemon_json_text,
    shell_script,
)


def play(play: Play) -> Plays:
    docker = play.lab.docker
    if docker.mirrors == "auto":
        candidates = " ".join(play.lab.sources.mirrors)
        measure = shell_script(__file__, "measure.sh", candidates=candidates)
        mirrors = play.choose("mirrors.live", measure, _live)
    else:
        mirrors = list(docker.mirrors)
    # Only this playbook writes daemon.json, so it adds the keys of the others.
    keys = play.daemon_json()
    first = keys.pop("registry-mirrors", [])
    mirrors = [*first, *(mirror for mirror in mirrors if mirror.rstrip("/") not in first)]
    if "cluster-store" in keys:
        yield NoSwarm()
    text = daemon_json_text({**docker.daemon, **keys}, mirrors, docker.insecure_registries, play)
    yield DaemonJson(text)
    yield Service("docker")


def _live(seen: Observed) -> list[str]:
    """A registry answers /v2/ with 200, or with 401 if it requires a token."""
    answers = [line.split() for line in seen.output.splitlines()]
    live = [(float(a[1].replace(",", ".")), a[2]) for a in answers if a[:1] in (["200"], ["401"])]
    return [url for _, url in sorted(live)]
