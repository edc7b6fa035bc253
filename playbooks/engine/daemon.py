"""daemon.json: what the lab and its playbooks want in it, written before the engine first starts.

An engine that starts without it would take docker's default networks, which may be those that the
instructor's own connection needs.
"""

from typing import Any

from labctl.playbook import DaemonJson, NoSwarm, Play, Plays, daemon_json_text, shell_script

from ..mirrors import chosen
from . import networks, runtimes

MEASURED = "engine.measured"


def settings(play: Play) -> Plays:
    """Yield what has to be on the node before the engine starts."""
    docker = play.lab.docker
    keys = wanted(play)
    mirrors = keys.pop("registry-mirrors", [])
    if "mirrors" in play.playbooks:
        mirrors += [url for url in chosen.mirrors(play) if url.rstrip("/") not in mirrors]
    if "cluster-store" in keys:
        yield NoSwarm()
    yield DaemonJson(
        daemon_json_text(keys, mirrors, docker.insecure_registries, play),
        play.lab.resolved_toolchain.engine_major,
        play.lab.docker.adopt,
    )


def wanted(play: Play) -> dict[str, Any]:
    """Return the keys that labctl sets, without the mirrors that are measured."""
    measured: dict[str, Any] = play.choose(
        MEASURED,
        shell_script(__file__, "networks.sh", "runtimes.sh"),
        lambda seen: {
            **networks.keys(seen, tuple(play.addresses.values())),
            **runtimes.keys(seen),
        },
    )
    return _joined(play, measured or {})


def known(play: Play) -> dict[str, Any]:
    """As `wanted`, without what has not been measured yet."""
    return _joined(play, play.known(MEASURED) or {})


def _joined(play: Play, measured: dict[str, Any]) -> dict[str, Any]:
    own = play.lab.docker.daemon
    chosen_networks = networks.OWN_KEYS & own.keys()
    kept = {key: measured[key] for key in measured if key not in networks.OWN_KEYS}
    return {**(kept if chosen_networks else measured), **own, **play.daemon_json()}
