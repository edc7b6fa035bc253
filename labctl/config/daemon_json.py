"""The keys of daemon.json, their types, and which changes need a restart.

Engines before 23.0 have no `dockerd --validate`. Every engine refuses to start if one key is
unknown or has the wrong type, and then every container of the node is down. So labctl checks
daemon.json before it touches a machine. The table follows dockerd's documentation up to 26.1.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from labctl.config import faults
from labctl.config.faults import Fault, KeyPath
from labctl.config.patterns import MIRROR, REGISTRY, TEXT, shown
from labctl.errors import Problem
from labctl.messages import msg


class Key(NamedTuple):
    """A key: its kind (see _KINDS), and the first and the last engine that has it."""

    kind: str
    since: int = 0
    until: int = 999

    def known_to(self, engine_major: int) -> bool:
        """Return True if engines of this major version have the key."""
        return self.since <= engine_major <= self.until


_BY_KIND = {
    "bool": """debug experimental icc init ip-forward ip-masq iptables ipv6 live-restore
        no-new-privileges raw-logs selinux-enabled tls tlsverify userland-proxy""",
    "int": """cpu-rt-period cpu-rt-runtime max-concurrent-downloads max-concurrent-uploads mtu
        network-control-plane-mtu network-diagnostic-port oom-score-adjust shutdown-timeout""",
    "text": """api-cors-header bip bridge cgroup-parent containerd containerd-namespace
        containerd-plugin-namespace data-root default-gateway default-gateway-v6 default-ipc-mode
        default-runtime default-shm-size exec-root fixed-cidr fixed-cidr-v6 group init-path ip
        log-driver log-level metrics-addr pidfile seccomp-profile storage-driver
        swarm-default-advertise-addr tlscacert tlscert tlskey userland-proxy-path userns-remap""",
    "texts": """allow-nondistributable-artifacts authorization-plugins dns dns-opts dns-search
        exec-opts labels node-generic-resources storage-opts""",
    "mapping": "builder default-ulimits runtimes",
    "bools by name": "features",
    "texts by name": "log-opts",
    "mappings": "default-address-pools",
}
KEYS = {key: Key(kind) for kind, keys in _BY_KIND.items() for key in keys.split()} | {
    # An external store for overlay networks was taken out in 23.0.
    "cluster-advertise": Key("text", until=22),
    "cluster-store": Key("text", until=22),
    "cluster-store-opts": Key("texts by name", until=22),
    "default-cgroupns-mode": Key("text", since=20),
    "host-gateway-ip": Key("text", since=20),
    "ip6tables": Key("bool", since=20),
    "max-download-attempts": Key("int", since=20),
    "proxies": Key("texts by name", since=23),
    "default-network-opts": Key("mapping", since=24),
    "cdi-spec-dirs": Key("texts", since=25),
}
# Keys that a machine's own daemon.json may have, and lab.yaml may not.
_ON_MACHINES = {
    "deprecated-key-path": Key("text"),
    "disable-legacy-registry": Key("bool", until=17),
    "graph": Key("text", until=22),
    "hosts": Key("texts"),
    "insecure-registries": Key("texts"),
    "registry-mirrors": Key("texts"),
    "rootless": Key("bool"),
}
JOINED = frozenset({"insecure-registries", "registry-mirrors"})
"""Lists to which labctl adds its own items; those of the machine stay."""
HIDES_DATA = frozenset({"data-root", "graph", "storage-driver", "userns-remap"})
"""Keys on which it depends which containers, images and volumes the engine sees."""
# Keys of dockerd that have a key of their own in lab.yaml, and the pattern of their items.
_ELSEWHERE = {
    "registry-mirrors": ("docker.mirrors", MIRROR),
    "insecure-registries": ("docker.insecure_registries", REGISTRY),
}
# What `systemctl reload docker` re-reads. Some engines reload more keys. They are not listed,
# because an unnecessary restart costs seconds, and a reload without effect costs an afternoon.
RELOADED = frozenset(
    {
        "debug",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "registry-mirrors",
        "runtimes",
    }
)
# The reloaded keys that return to their default if they are removed. If another one is removed, the
# engine keeps its old value.
_RESET = frozenset({"max-concurrent-downloads", "max-concurrent-uploads"})
_TYPES: dict[str, type] = {"bool": bool, "int": int, "text": str, "mapping": dict}
# Kinds that hold items: in what, and of which kind.
_ITEMS: dict[str, tuple[type, str]] = {
    "texts": (list, "text"),
    "mappings": (list, "mapping"),
    "bools by name": (dict, "bool"),
    "texts by name": (dict, "text"),
}
_KINDS = {
    "bool": msg("true or false"),
    "int": msg("a whole number"),
    "text": msg("a string"),
    "texts": msg("a list of strings"),
    "mapping": msg("a mapping"),
    "bools by name": msg("a mapping of names to true or false"),
    "texts by name": msg("a mapping of names to strings"),
    "mappings": msg("a list of mappings"),
}


def problems(
    settings: Mapping[str, Any], where: str = "docker.daemon", engine_major: int | None = None
) -> list[Problem]:
    """Return the problems of further keys of daemon.json.

    Parameters:
        settings: the keys, without mirrors and insecure registries.
        where: their place in lab.yaml, for the messages.
        engine_major: major version of the engine that will read them; None skips those checks.
    """
    return [_problem(fault, where) for fault in check(settings, (), engine_major)]


def file_problems(settings: Mapping[str, Any], where: str = "daemon.json") -> list[Problem]:
    """Return the problems of a whole daemon.json, with mirrors and insecure registries."""
    found = problems(without_mirrors(settings), where)
    for name, (_, shape) in _ELSEWHERE.items():
        values = settings.get(name, [])
        wrong = list(_check_kind("texts", values, (name,)))
        if not wrong:
            messages = [(index, shape.problem(text)) for index, text in enumerate(values)]
            wrong = [Fault((name, index), text, shape.hint) for index, text in messages if text]
        found += [_problem(fault, where) for fault in wrong]
    return found


def machine_problems(settings: Mapping[str, Any], engine_major: int) -> list[Problem]:
    """Return why an engine would not start with a machine's own daemon.json; empty if it would.

    Parameters:
        settings: the whole file.
        engine_major: major version of the engine; 0: unknown.
    """
    found: list[Fault] = []
    known = KEYS | _ON_MACHINES
    for name, value in settings.items():
        key = known.get(name)
        if key is None:
            # An engine that is newer than labctl may have it, unless it looks like a slip.
            if difflib.get_close_matches(name, known, n=1, cutoff=0.85):
                found.append(faults.unknown_key((name,), known))
        elif not engine_major or key.known_to(engine_major):
            found += _check_kind(key.kind, value, (name,))
    return [_problem(fault, "daemon.json") for fault in found]


def check(settings: Mapping[str, Any], at: KeyPath, engine_major: int | None = None) -> list[Fault]:
    """Return the faults of `settings`, the mapping at `at`; see `problems`."""
    return [
        fault
        for name, value in settings.items()
        for fault in _check_key(name, value, (*at, name), engine_major)
    ]


def restart_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of daemon.json whose change needs a restart of the engine, not a reload."""
    return {name: value for name, value in settings.items() if name not in RELOADED}


def needs_restart(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return True if an engine that runs with `before` must restart to apply `after`."""
    left_behind = (RELOADED - _RESET) & (before.keys() - after.keys())
    return bool(left_behind) or restart_keys(before) != restart_keys(after)


def unknown_to(engine_major: int, settings: Mapping[str, Any]) -> list[str]:
    """Return the keys of `settings` that other engines support and this one does not.

    Keys that no engine supports are not returned. If `engine_major` is 0, none is.
    """
    every = KEYS | _ON_MACHINES
    known = {name: every[name].known_to(engine_major) for name in settings if name in every}
    return [name for name, has in known.items() if engine_major and not has]


def merged(
    settings: Mapping[str, Any], mirrors: Sequence[str], insecure_registries: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the whole of daemon.json: `settings` with mirrors and registries.

    Both lists are written even if they are empty: if one were missing, a reload would keep the old
    one. A mirror's trailing slash is dropped, because dockerd adds one.
    """
    return {
        **settings,
        "registry-mirrors": [mirror.rstrip("/") for mirror in mirrors],
        "insecure-registries": list(insecure_registries),
    }


def without_mirrors(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `settings` without the keys that `merged` adds."""
    return {name: value for name, value in settings.items() if name not in _ELSEWHERE}


def canonical(settings: object) -> str:
    """Return `settings` as the text of a daemon.json: sorted, indented, with a final newline.

    Equal settings give equal bytes, so that a file only changes when something changed.
    """
    return json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _problem(fault: Fault, where: str) -> Problem:
    """Return a fault as a problem; `where` is the place of the whole mapping."""
    return Problem(f"{where}.{faults.where(fault.path)}", fault.message, hint=fault.hint)


def _check_key(name: str, value: object, at: KeyPath, engine_major: int | None) -> Iterator[Fault]:
    """Yield the faults of one key."""
    if name == "hosts":
        hint = msg("leave it out, or override the unit's command line in a playbook of your own")
        yield Fault(at, "cannot be set here: docker's unit already passes -H fd://", hint)
    elif name in _ELSEWHERE:
        yield Fault(
            at,
            "has a key of its own in lab.yaml",
            msg("use {elsewhere}", elsewhere=_ELSEWHERE[name][0]),
        )
    elif name not in KEYS:
        yield faults.unknown_key(at, KEYS)
    else:
        key = KEYS[name]
        if engine_major and not key.known_to(engine_major):
            yield Fault(
                at,
                msg(
                    "engine {engine} does not support this key ({reason})",
                    engine=engine_major,
                    reason=msg("new in {since}", since=key.since)
                    if key.since
                    else msg("removed in {until}", until=key.until + 1),
                ),
                needs=("toolchain",),
            )
        wrong = list(_check_kind(key.kind, value, at))
        yield from wrong or _check_texts(value, at)


def _check_kind(kind: str, value: object, at: KeyPath) -> Iterator[Fault]:
    """Yield a fault if `value`, or an item of it, is not what dockerd reads for a key of `kind`."""
    container, item = _ITEMS.get(kind, (_TYPES.get(kind, dict), ""))
    # True is an int in Python, but not for dockerd.
    if not isinstance(value, container) or (isinstance(value, bool) and container is not bool):
        yield Fault(
            at, msg("must be {wanted}, is {value}", wanted=_KINDS[kind], value=shown(value))
        )
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _check_kind(item, entry, (*at, index))
    elif isinstance(value, dict) and item:
        for name, entry in value.items():
            for fault in _check_kind(item, entry, (*at, str(name))):
                quoted = msg("dockerd requires quotes") if item == "text" else ""
                yield Fault(fault.path, fault.message, quoted)


def _check_texts(value: object, at: KeyPath) -> Iterator[Fault]:
    """Yield a fault for every control character and for every value that JSON cannot hold."""
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(name, str):
                yield from _check_texts(name, (*at, name))
                yield from _check_texts(item, (*at, name))
            else:
                yield Fault(
                    at,
                    msg("a key must be a string, is {name}", name=shown(name)),
                    "write it in quotes",
                )
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check_texts(item, (*at, index))
    elif isinstance(value, str):
        if value and (message := TEXT.problem(value)):
            yield Fault(at, message)
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield Fault(at, msg("must be a number, is {value}", value=shown(value)))
    elif not isinstance(value, bool | int | None):
        yield Fault(at, msg("has a type that JSON does not have: {value}", value=shown(str(value))))
