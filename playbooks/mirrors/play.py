"""Registry mirrors: pulls go through those that answer from this very node.

Public mirrors come and go by the month, and the engine tries them in order, so that a dead one
slows every pull. Each candidate is asked from the node, the live ones are kept, the fastest first.
The answer stays until `labctl provision --refresh`, so that two runs do not differ by the weather.
"""

from labctl.config import daemon_json
from labctl.playbook import DaemonJson, NoSwarm, Observed, Play, Plays, Service, quote
from labctl.provision import daemon_file, lab_services


def play(play: Play) -> Plays:
    docker = play.lab.docker
    if docker.mirrors == "auto":
        mirrors = play.choose("mirrors.live", _ask(play.lab.sources.mirrors), _live)
    else:
        mirrors = list(docker.mirrors)
    # daemon.json is written here alone, so what other playbooks want in it is put in here.
    mirrors = lab_services.mirrors(play.lab, play.playbooks, play.node.name, mirrors)
    more = lab_services.engine_settings(play.lab, play.playbooks, play.node.address)
    if "cluster-store" in more:
        yield NoSwarm()
    settings = daemon_json.merged({**docker.daemon, **more}, mirrors, docker.insecure_registries)
    yield DaemonJson(daemon_file.daemon_json(settings, play.templates))
    yield Service("docker")


def _ask(candidates: tuple[str, ...]) -> str:
    """Ask every candidate at once; print "code seconds URL" for each."""
    return (
        f"for url in {' '.join(map(quote, candidates))}; do\n"
        "  ( curl --silent --output /dev/null --connect-timeout 10 --max-time 15"
        ' --write-out "%{http_code} %{time_total} $url\\n" "$url/v2/" ) &\n'
        "done; wait"
    )


def _live(seen: Observed) -> list[str]:
    """A registry answers /v2/ with 200, or with 401 where it wants a token."""
    answers = [line.split() for line in seen.output.splitlines()]
    live = [(float(a[1].replace(",", ".")), a[2]) for a in answers if a[:1] in (["200"], ["401"])]
    return [url for _, url in sorted(live)]
