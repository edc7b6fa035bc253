"""dockerd's flags: which key of daemon.json each one stands for, and which a unit sets.

The engine does not start if a setting is both a flag and a key of daemon.json, even if both have
the same value. So a machine's unit, its drop-ins and environment files are read before daemon.json
is written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from labctl.config.daemon_json import KEYS

_SHORT = {
    "D": "debug",
    "G": "group",
    "H": "host",
    "b": "bridge",
    "g": "graph",
    "l": "log-level",
    "p": "pidfile",
    "s": "storage-driver",
    "v": "version",
}
# Flags that may be repeated; daemon.json has their key in the plural.
_PLURAL = {
    "add-runtime": "runtimes",
    "authorization-plugin": "authorization-plugins",
    "cdi-spec-dir": "cdi-spec-dirs",
    "cluster-store-opt": "cluster-store-opts",
    "default-address-pool": "default-address-pools",
    "default-network-opt": "default-network-opts",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "graph": "data-root",
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
_WITHOUT_VALUE = {"help", "validate", "version", "rootless"}
_HEADER = re.compile(r"# (/\S+\.(?:service|conf))$")


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that dockerd is started with.

    Parameters:
        text: the flag as it is written, with its value: ``--registry-mirror=https://a``.
        key: the key of daemon.json that means the same; the flag's name if there is none.
        value: its value; ``true`` for a flag without one.
        source: the file that sets it.
    """

    text: str
    key: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Unit:
    """The command that a systemd unit starts.

    Parameters:
        files: the unit's file and its drop-ins, in the order in which systemd reads them.
        program: the program that it starts; empty if the unit has none.
        flags: the program's flags.
        source: the file with the command.
    """

    files: tuple[str, ...] = ()
    program: str = ""
    flags: tuple[Flag, ...] = ()
    source: str = ""

    @property
    def is_own(self) -> bool:
        """True if the command is in a file that no package owns, and that outlives them all."""
        return self.source.startswith(("/etc/", "/run/"))

    def of(self, key: str) -> tuple[Flag, ...]:
        """Return the flags that mean this key of daemon.json."""
        return tuple(flag for flag in self.flags if flag.key == key)


# What the packages of docker-ce install, from 18.09 on.
PACKAGED = Unit(
    ("/usr/lib/systemd/system/docker.service",),
    "/usr/bin/dockerd",
    (
        Flag("-H fd://", "hosts", "fd://", "/usr/lib/systemd/system/docker.service"),
        Flag(
            "--containerd=/run/containerd/containerd.sock",
            "containerd",
            "/run/containerd/containerd.sock",
            "/usr/lib/systemd/system/docker.service",
        ),
    ),
    "/usr/lib/systemd/system/docker.service",
)


def read_unit(text: str, environment_files: Mapping[str, str]) -> Unit:
    """Return what a unit starts.

    Parameters:
        text: output of `systemctl cat`: each file after a line with its path.
        environment_files: content of the files that the unit names, by path.
    """
    files: list[str] = []
    variables: dict[str, tuple[str, str]] = {}
    command, source = "", ""
    for line in text.replace("\\\n", " ").splitlines():
        header = _HEADER.fullmatch(line)
        if header:
            files.append(header[1])
            continue
        name, equals, value = line.strip().partition("=")
        name, value = name.strip(), value.strip()
        where = files[-1] if files else ""
        if not equals or name.startswith(("#", ";")):
            continue
        if name == "ExecStart":
            command, source = value, where
        elif name == "Environment":
            for word in _words(value):
                variable, _, content = word.partition("=")
                variables[variable] = (content, where)
        elif name == "EnvironmentFile":
            path = value.removeprefix("-")
            # systemd lets values of environment files win over those of Environment=.
            variables |= _variables(environment_files.get(path, ""), path)
    words = list(_expanded(_words(command), variables, source))
    if not words:
        return Unit(tuple(files))
    program = words[0][0].lstrip("@-+!:|")
    return Unit(tuple(files), program, tuple(_flags(words[1:])), source)


def read_arguments(text: str) -> tuple[tuple[str, str], ...]:
    """Return key and value of each flag of a running program.

    Parameters:
        text: its arguments, each with a NUL at the end, as in /proc/PID/cmdline.
    """
    words = text.rstrip("\0").split("\0")[1:]
    return tuple((flag.key, flag.value) for flag in _flags([(word, "") for word in words]))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _variables(text: str, path: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", ";")):
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            found[name.removeprefix("export ").strip()] = (value, path)
    return found


def _expanded(
    words: list[str], variables: Mapping[str, tuple[str, str]], source: str
) -> Iterator[tuple[str, str]]:
    """Yield each word and the file that it comes from, as systemd puts variables in.

    A word that is ``$NAME`` becomes as many words as the value has; ``${NAME}`` stays one.
    """
    for word in words:
        whole = re.fullmatch(r"\$(\w+)", word)
        if whole:
            value, where = variables.get(whole[1], ("", source))
            for part in _words(value):
                yield part, where
            continue
        inside = re.findall(r"\$\{(\w+)\}", word)
        where = next((variables[name][1] for name in inside if name in variables), source)
        yield (
            re.sub(r"\$\{(\w+)\}", lambda m: variables.get(m[1], ("", ""))[0], word),
            where,
        )


def _flags(words: list[tuple[str, str]]) -> Iterator[Flag]:
    rest = iter(words)
    for word, source in rest:
        if not word.startswith("-") or word in ("-", "--"):
            continue
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
        else:
            name, value = _SHORT.get(word[1], word[1]), word[2:].removeprefix("=")
            equals = value
        text = word
        key = _PLURAL.get(name, name)
        if not equals:
            if name in _WITHOUT_VALUE or (key in KEYS and KEYS[key].kind == "bool"):
                value = "true"
            else:
                value = next(rest, ("", ""))[0]
                text = f"{word} {value}"
        yield Flag(text, key, value, source)


def same_value(flags: tuple[Flag, ...], value: object) -> bool:
    """Return True if flags of one key give the engine `value`."""
    said = [flag.value for flag in flags]
    if isinstance(value, bool):
        return said[-1].lower() in (("true", "1", "t") if value else ("false", "0", "f"))
    if isinstance(value, list):
        wanted = {str(item).rstrip("/") for item in value}
        return wanted <= {item.rstrip("/") for item in said}
    if isinstance(value, dict):
        return sorted(said) == sorted(f"{name}={item}" for name, item in value.items())
    return said[-1] == str(value)
