"""Checks of a node's engine before labctl changes it.

On machines that people have, an engine is the normal case. Its settings are compared with labctl's
before the first change, so that no container or volume goes out of sight, and so that the engine
starts again after a reboot.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labctl.config.daemon_flags import PACKAGED
from labctl.messages import msg
from labctl.provision.preflight import Findings, Obstacle
from labctl.provision.resources import engine_settings
from labctl.provision.resources.base import Observed, shell_script
from labctl.provision.resources.daemon_json import hides_data
from labctl.provision.resources.engine_settings import PATH, EngineSettings, merge

CONFLICTING = (
    *("docker", "docker-client", "docker-client-latest", "docker-common", "docker-latest"),
    *("docker-latest-logrotate", "docker-logrotate", "docker-selinux", "docker-engine-selinux"),
    *("docker-engine", "docker-io", "podman", "podman-docker", "runc", "containerd"),
)
"""Packages that cannot be installed beside docker-ce and containerd.io."""
_UNIT = "docker.service"
_VALIDATES = 23
"""The first engine with `dockerd --validate`."""


@dataclass(frozen=True, slots=True)
class Root:
    """A folder with an engine's data."""

    path: str
    driver: str
    containers: int
    volumes: int
    swarm: bool


@dataclass(frozen=True, slots=True)
class EngineObjects:
    """The objects of an engine on a node.

    Parameters:
        program: the running engine's program; empty if none runs.
        version: the running engine's version.
        containers: all containers of the running engine, and those that run.
        roots: folders with data.
        packages: conflicting packages with their versions.
    """

    program: str = ""
    version: str = ""
    containers: tuple[int, int] = (0, 0)
    roots: tuple[Root, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, output: str) -> EngineObjects:
        """Return what engine_objects.sh printed."""
        program = version = ""
        containers = (0, 0)
        roots: dict[str, Root] = {}
        packages: dict[str, str] = {}
        for line in output.splitlines():
            match line.split():
                case ["program", path, *_]:
                    program = path
                case ["engine", seen, root, driver, every, running, swarm]:
                    version, containers = seen, (_number(every), _number(running))
                    roots[root] = Root(root, driver, _number(every), 0, swarm != "inactive")
                case ["root", root, driver, every, volumes, swarm]:
                    known = roots.get(root)
                    roots[root] = Root(
                        root,
                        known.driver if known else driver,
                        _number(every),
                        _number(volumes),
                        swarm == "active" or (known is not None and known.swarm),
                    )
                case ["package", name, seen]:
                    packages[name] = seen
        return cls(program, version, containers, tuple(roots.values()), packages)

    def root(self, path: str) -> Root:
        """Return what is in a data folder; empty if nothing is."""
        return next(
            (root for root in self.roots if root.path == path), Root(path, "-", 0, 0, False)
        )

    @property
    def swarm(self) -> bool:
        """True if the engine is in a swarm."""
        return any(root.swarm for root in self.roots)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


@dataclass(frozen=True, slots=True)
class EnginePreflight:
    """Compares the engine that is there with what labctl will do to it.

    Parameters:
        wanted: labctl's keys of daemon.json.
        version: version of docker-ce to install.
        engine_major: its major version.
        adopt: data may go out of sight, and labctl's value wins where a key has two.
        replace_packages: conflicting packages may be removed.
    """

    wanted: Mapping[str, Any]
    version: str
    engine_major: int
    adopt: bool = False
    replace_packages: bool = False

    id = "preflight:engine"
    what = msg("engine")
    at_first_contact = False

    def probe(self) -> str:
        return "\n".join(
            (
                f"( {engine_settings.probe(_UNIT)} ) || exit",
                shell_script(
                    __file__, "engine_objects.sh", unit=_UNIT, packages=" ".join(CONFLICTING)
                ),
            )
        )

    def examine(self, observed: Observed) -> Findings:
        found = engine_settings.read(observed)
        objects = EngineObjects.read(observed.output)
        obstacles = list(self._obstacles(found, objects))
        seen = (objects.program or found.unit.program, objects.version)
        there = " ".join(seen) if seen[0] else msg("none is installed")
        return Findings(
            obstacles,
            notices=tuple(self._notices(found, objects)),
            passed=() if obstacles else ((self.what, there),),
        )

    def _obstacles(self, found: EngineSettings, objects: EngineObjects) -> Iterator[Obstacle]:
        packaged = not found.unit.program or (objects.packages and not found.unit.is_own)
        future = EngineSettings(found.text, found.owned, PACKAGED if packaged else found.unit)
        text = found.text or ""
        if engine_settings.parsed(text) is None:
            if hides_data(text):
                yield from engine_settings.start_obstacles(found)
            return
        merged = merge(future, self.wanted, self.engine_major, adopt=self.adopt)
        yield from merged.obstacles
        after = EngineSettings(engine_settings.canonical(merged.settings), None, future.unit)
        if not self.adopt:
            yield from self._hidden(found, after, objects)
        if after.value("live-restore") in (True, "true") and objects.swarm:
            yield Obstacle(
                msg(
                    "live-restore is on and this node is in a swarm; the engine "
                    "cannot start with both"
                ),
                msg(
                    "remove live-restore from lab.yaml and {path}, or leave the "
                    "swarm: `sudo docker swarm leave --force`",
                    path=PATH,
                ),
            )
        yield from self._foreign(found, objects)
        if objects.packages and not self.replace_packages:
            names = " ".join(objects.packages)
            listed = ", ".join(f"{name} {seen}" for name, seen in objects.packages.items())
            yield Obstacle(
                msg("packages that conflict with docker-ce are installed: {names}", names=listed),
                msg(
                    "`sudo yum remove {names}`, or pass --replace-packages to let labctl do it; "
                    "images, containers and volumes stay",
                    names=names,
                ),
                msg("packages"),
            )

    def _hidden(
        self, found: EngineSettings, after: EngineSettings, objects: EngineObjects
    ) -> Iterator[Obstacle]:
        """Yield an obstacle if the engine would see other containers and volumes than before."""
        root = objects.root(found.data_root)
        if not root.containers and not root.volumes:
            return
        count = {"containers": root.containers, "volumes": root.volumes, "path": root.path}
        if after.data_root != found.data_root:
            yield Obstacle(
                msg(
                    "{containers} containers and {volumes} volumes are in {path}; "
                    "the engine would not see them in {other}",
                    **count,
                    other=after.data_root,
                ),
                msg(
                    'set docker: {{daemon: {{data-root: "{path}"}}}} in lab.yaml, or '
                    "pass --adopt to start with the other folder",
                    path=root.path,
                ),
            )
        for key in ("storage-driver", "userns-remap"):
            before, now = found.value(key) or "", after.value(key) or ""
            if key == "storage-driver":
                before = before or root.driver
                now = now or before
            if before in ("", "-") and not now:
                continue
            if before not in (now, "-"):
                yield Obstacle(
                    msg(
                        "{key} changes from {before} to {now}: the engine would not "
                        "see {containers} containers and {volumes} volumes in {path}",
                        key=key,
                        before=before or msg("none"),
                        now=now or msg("none"),
                        **count,
                    ),
                    msg("remove {key} from docker.daemon in lab.yaml, or pass --adopt", key=key),
                )

    def _foreign(self, found: EngineSettings, objects: EngineObjects) -> Iterator[Obstacle]:
        """Yield an obstacle if a unit starts another program than the packages install."""
        unit, program = found.unit, found.unit.program
        if program in ("", "/usr/bin/dockerd"):
            return
        leaves = objects.packages or program == "/usr/bin/dockerd-current"
        if leaves and program.startswith("/usr/bin/") and not unit.is_own:
            return
        where = unit.source or _UNIT
        yield Obstacle(
            msg(
                "{unit} starts {program}{version} instead of docker-ce {wanted}",
                unit=where,
                program=program,
                version=f" ({objects.version})" if objects.version else "",
                wanted=self.version,
            ),
            msg(
                "move it away: `sudo systemctl stop docker; sudo mv {unit} "
                "{unit}.before-labctl; sudo systemctl daemon-reload`; containers and "
                "volumes are kept",
                unit=where,
            ),
        )

    def _notices(self, found: EngineSettings, objects: EngineObjects) -> Iterator[str]:
        """Yield what is there and what will become of it, for somebody's own machine."""
        used = any(root.containers or root.volumes for root in objects.roots)
        if found.text is None and not used and not found.unit.program:
            return  # a new machine
        if found.owned is not None:
            return
        program = objects.program or found.unit.program or msg("none")
        yield msg(
            "engine found: {program} {version}, unit {unit}",
            program=program,
            version=objects.version or msg("(stopped)"),
            unit=", ".join(found.unit.files) or msg("none"),
        )
        if found.unit.flags:
            flags = engine_settings.joined_flags(found.unit.flags)
            yield msg("its flags: {flags}", flags=flags)
            if objects.packages:
                yield msg(
                    "the flags leave together with its packages; set those that you need as keys "
                    "of docker.daemon in lab.yaml"
                )
        for root in objects.roots:
            yield msg(
                "its data in {path}: {containers} containers, {volumes} volumes; they stay",
                path=root.path,
                containers=root.containers,
                volumes=root.volumes,
            )
        if found.keys:
            yield msg(
                "{path} has {keys}",
                path=PATH,
                keys=", ".join(engine_settings.named_keys(found.keys)),
            )
        yield msg(
            "labctl will set {keys}, keep all other keys, and install docker-ce {version}",
            keys=", ".join(sorted(self.wanted)),
            version=self.version,
        )


def engine_start_probe() -> str:
    """Return sh, for root, that prints what `engine_start_problems` reads."""
    return engine_settings.probe(_UNIT)


def engine_start_problems(output: str, engine_major: int) -> tuple[list[str], str]:
    """Return why the engine would not start, and sh by which dockerd itself checks its settings.

    Parameters:
        output: of `engine_start_probe`.
        engine_major: major version of the engine. Before 23 dockerd has no such check, and the
            script is empty.

    Raises:
        ValueError: the output makes no sense.
    """
    found = engine_settings.read(Observed(0, output))
    obstacles = engine_settings.start_obstacles(found, engine_major)
    problems = [
        str(msg("{message} → {remedy}", message=one.message, remedy=one.remedy))
        for one in obstacles
    ]
    if engine_major < _VALIDATES or found.text is None:
        return problems, ""
    words = [found.unit.program or "/usr/bin/dockerd", "--validate"]
    if not found.unit.of("config-file"):
        words.append(f"--config-file={PATH}")
    words += [word for flag in found.unit.flags for word in flag.text.split(" ", 1)]
    return problems, shlex.join(words)
