"""How the engine of a node is set, and what becomes of it when labctl adds its own keys.

Machines that people have come with an engine that somebody set up. labctl keeps every setting that
is not its own (ADR 19). It remembers on the node which keys it wrote, so that a key that leaves
lab.yaml also leaves daemon.json, and a key that somebody else wrote stays.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labctl.config import daemon_flags, daemon_json
from labctl.config.daemon_flags import Flag, Unit
from labctl.config.daemon_json import canonical
from labctl.messages import msg
from labctl.provision.preflight import Obstacle
from labctl.provision.resources.base import Observed, shell_script
from labctl.remote.values import parse_json

PATH = "/etc/docker/daemon.json"
OWNED = "/var/lib/labctl/daemon-keys.json"
"""On a node: the keys of daemon.json that labctl wrote last, with their values."""
__all__ = ["OWNED", "PATH", "EngineSettings", "canonical", "merge", "parsed", "probe", "read"]
UNIT_FOLDERS = "/etc/systemd/system /run/systemd/system /usr/lib/systemd/system"
"""Where systemd finds units and their drop-ins, the one that wins first."""
UNREADABLE = "{path} cannot be read: {reason}"
NO_FLAG_CONFLICT = frozenset({"runtimes"})
"""The only key that dockerd merges if it is also a flag."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The settings that the engine of a node starts with.

    Parameters:
        text: daemon.json as it is; None if there is none.
        owned: the keys that labctl wrote last; None if it never wrote the file.
        unit: what systemd starts.
        running: flags of the running engine, by key; None if it is not known.
    """

    text: str | None = None
    owned: dict[str, Any] | None = None
    unit: Unit = field(default_factory=Unit)
    running: tuple[tuple[str, str], ...] | None = None

    @property
    def keys(self) -> dict[str, Any]:
        """The keys of daemon.json; empty if it is not a JSON object."""
        return parsed(self.text or "") or {}

    def value(self, key: str) -> Any:
        """Return the value of a key, be it from daemon.json or from a flag; None if unset."""
        flags = self.unit.of(key)
        return flags[-1].value if flags else self.keys.get(key)

    @property
    def has_old_flags(self) -> bool:
        """Whether the engine runs with other flags than its unit has now.

        A reload compares daemon.json with the flags that the engine was started with.
        """
        flags = tuple((flag.key, flag.value) for flag in self.unit.flags)
        return self.running is not None and bool(flags) and self.running != flags

    @property
    def data_root(self) -> str:
        """The folder with the engine's containers, images and volumes."""
        return str(self.value("data-root") or self.keys.get("graph") or "/var/lib/docker")


def probe(unit: str = "docker.service", path: str = PATH, owned: str = OWNED) -> str:
    """Return sh that prints what `read` reads."""
    return shell_script(
        __file__, "engine_settings.sh", path=path, owned=owned, unit=unit, folders=UNIT_FOLDERS
    )


def read(observed: Observed) -> EngineSettings:
    """Return the settings in the output of `probe`.

    Raises:
        ValueError: the probe failed.
    """
    if not observed.ok:
        raise ValueError(msg(UNREADABLE, path=PATH, reason=observed.output.strip()))
    found: dict[str, str] = {}
    environment: dict[str, str] = {}
    for line in observed.output.splitlines():
        words = line.split(" ")
        if words[0] == "environment" and len(words) == 3:
            environment[words[1]] = _decoded(words[2])
        elif words[0] in ("file", "owned", "unit", "running") and len(words) == 2:
            found[words[0]] = _decoded(words[1])
    return EngineSettings(
        found.get("file"),
        parsed(found["owned"]) if "owned" in found else None,
        daemon_flags.read_unit(found.get("unit", ""), environment),
        daemon_flags.read_arguments(found["running"]) if found.get("running") else None,
    )


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "surrogateescape")
    except binascii.Error:
        return ""


def parsed(text: str) -> dict[str, Any] | None:
    """Return the keys in the text of a daemon.json: none if it is empty; None if it is invalid."""
    if not text.strip():
        return {}
    try:
        settings = parse_json(text)
    except ValueError:
        return None
    return settings if isinstance(settings, dict) else None


@dataclass(frozen=True, slots=True)
class Merged:
    """daemon.json with labctl's keys in it.

    Parameters:
        settings: the whole file.
        owned: labctl's keys in it.
        dropped: keys of the machine that the wanted engine does not have.
        obstacles: why the engine would not start with it, or would not do what lab.yaml says.
    """

    settings: dict[str, Any]
    owned: dict[str, Any]
    dropped: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()


def merge(
    found: EngineSettings, wanted: Mapping[str, Any], engine_major: int = 0, *, adopt: bool = False
) -> Merged:
    """Return what daemon.json should be on a node.

    Parameters:
        found: the node's settings.
        wanted: labctl's keys.
        engine_major: major version of the engine that will run; 0: unknown.
        adopt: labctl's value wins where a key has two.
    """
    before, owned = found.keys, found.owned or {}
    settings = {key: before[key] for key in before if key not in owned}
    obstacles: list[Obstacle] = []
    for key, value in owned.items():
        if key in daemon_json.JOINED and isinstance(before.get(key), list):
            rest = [item for item in before[key] if item not in value]
            if rest:
                settings[key] = rest
        elif key not in wanted and key in before and before[key] != value:
            settings[key] = before[key]  # somebody edited it since
    dropped = daemon_json.unknown_to(engine_major, settings)
    settings = {key: value for key, value in settings.items() if key not in dropped}
    mine: dict[str, Any] = {}
    for key, value in wanted.items():
        flags = found.unit.of(key) if key not in NO_FLAG_CONFLICT else ()
        if flags:
            if value not in ([], {}) and not daemon_flags.same_value(flags, value):
                obstacles.append(_flag_and_lab(key, value, flags))
            continue
        theirs = settings.get(key)
        if key in daemon_json.JOINED and isinstance(theirs, list):
            settings[key] = [*value, *(item for item in theirs if item not in value)]
        else:
            if theirs is not None and theirs != value and not adopt:
                obstacles.append(_two_values(key, value, theirs))
            settings[key] = value
        mine[key] = value
    foreign = {key: value for key, value in settings.items() if key not in mine}
    obstacles += start_obstacles(
        EngineSettings(json.dumps(foreign), None, found.unit), engine_major
    )
    return Merged(settings, mine, tuple(dropped), tuple(obstacles))


def start_obstacles(found: EngineSettings, engine_major: int = 0) -> list[Obstacle]:
    """Return why the engine would not start with its daemon.json and its unit."""
    if found.text is not None and parsed(found.text) is None:
        return [
            Obstacle(
                msg(
                    "{path} is not valid JSON: {reason}", path=PATH, reason=json_problem(found.text)
                ),
                msg("correct it, or move it away"),
            )
        ]
    obstacles = [
        Obstacle(
            msg(
                "{key} is set twice: {flag} in {source}, and {value} in {path}",
                key=key,
                flag=joined_flags(flags),
                source=flags[-1].source,
                value=json.dumps(value, ensure_ascii=False),
                path=PATH,
            ),
            _one_of_the_two(key, flags),
        )
        for key, value in found.keys.items()
        if key not in NO_FLAG_CONFLICT and (flags := found.unit.of(key))
    ]
    for problem in daemon_json.machine_problems(found.keys, engine_major):
        message = msg("{where}: {message}", where=problem.where, message=problem.message)
        obstacles.append(Obstacle(message, problem.hint or msg("correct it in {path}", path=PATH)))
    return obstacles


def joined_flags(flags: tuple[Flag, ...]) -> str:
    """Return flags as they are written."""
    return " ".join(flag.text for flag in flags)


def _one_of_the_two(key: str, flags: tuple[Flag, ...]) -> str:
    if key == "hosts" and flags[-1].source.startswith(("/usr/lib/", "/lib/")):
        return msg(
            'remove "hosts" from {path}, or start dockerd without -H: run `sudo '
            "systemctl edit docker` and enter the lines [Service], ExecStart=, "
            "ExecStart=/usr/bin/dockerd --containerd=/run/containerd/containerd.sock",
            path=PATH,
        )
    return msg(
        'remove {flag} from {source}, or "{key}" from {path}',
        flag=joined_flags(flags),
        source=flags[-1].source,
        key=key,
        path=PATH,
    )


def _flag_and_lab(key: str, value: object, flags: tuple[Flag, ...]) -> Obstacle:
    return Obstacle(
        msg(
            "{key}: lab.yaml sets {value}, and {source} starts dockerd with {flag}; "
            "the engine refuses a setting that is both a key and a flag",
            key=key,
            value=json.dumps(value, ensure_ascii=False),
            source=flags[-1].source,
            flag=joined_flags(flags),
        ),
        msg(
            "remove {flag} from {source}, or {lab_line}",
            flag=joined_flags(flags),
            source=flags[-1].source,
            lab_line=_lab_line(key),
        ),
    )


def _two_values(key: str, value: object, theirs: object) -> Obstacle:
    text = json.dumps(theirs, ensure_ascii=False)
    return Obstacle(
        msg(
            "{key}: lab.yaml sets {value}, and {path} sets {theirs}",
            key=key,
            value=json.dumps(value, ensure_ascii=False),
            path=PATH,
            theirs=text,
        ),
        msg(
            "set docker: {{daemon: {{{key}: {theirs}}}}} in lab.yaml to keep it, "
            'remove "{key}" from {path}, or pass --adopt to replace it',
            key=key,
            theirs=text,
            path=PATH,
        ),
    )


def _lab_line(key: str) -> str:
    """Return what to write in lab.yaml so that labctl does not set a key."""
    if key == "registry-mirrors":
        return msg("set docker: {line} in lab.yaml", line="{mirrors: []}")
    if key == "insecure-registries":
        return msg("set docker: {line} in lab.yaml", line="{insecure_registries: []}")
    return msg("remove {key} from docker.daemon in lab.yaml", key=key)


def json_problem(text: str) -> str:
    """Return why a text is not a JSON object, and where."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return msg(
            "line {line}, column {column}: {problem}",
            line=error.lineno,
            column=error.colno,
            problem=error.msg,
        )
    except (ValueError, RecursionError) as error:
        return str(error)
    return msg("no object in braces")


def named_keys(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield each key of a daemon.json with its value, for people."""
    for key in sorted(settings):
        yield f"{key}={json.dumps(settings[key], ensure_ascii=False)}"
