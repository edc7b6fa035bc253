"""The proxy of image builds and new containers, in the Docker client's files of the node's users.

The client passes the proxies of ``~/.docker/config.json`` to every container that it creates or
builds in; docker-compose does the same. The file also has the user's logins, so all else in it
stays. labctl remembers on the node what it added and how the file was before.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labctl.config.proxy import ProxySettings
from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, quote, shell_script
from labctl.remote.values import parse_json

_PRIVATE = "600"
"""The mode with which the client itself writes the file."""
KEPT = "/var/lib/labctl/proxy"
"""On a node: for each user, a digest of what labctl added, and the file before that."""


@dataclass(frozen=True, slots=True)
class ClientProxy:
    """The client's files of some users name these proxies; those of other users do not.

    A user whose file names other proxies keeps them. Users that the node does not have are skipped.

    Parameters:
        users: login names on the node.
        proxies: the proxies; None removes what labctl added.
    """

    users: tuple[str, ...]
    proxies: ProxySettings | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return "client-proxy"

    def probe(self) -> str:
        wanted = self.users if self.proxies else ()
        return shell_script(__file__, "client_proxy.sh", users=" ".join(wanted), kept=KEPT)

    def plan(self, observed: Observed) -> Change | None:
        if not observed.ok:
            raise ValueError(observed.output.strip())
        scripts: list[str] = []
        diff: list[str] = []
        for line in observed.output.splitlines():
            user, *words = line.split(" ")
            if len(words) != 3 or not user:
                continue
            mode, before, record = words[0], _decoded(words[1]), _decoded(words[2])
            wanted = self._value if user in self.users else None
            found = _File(user, mode, before, _Record.read(record))
            step = found.changed(wanted)
            if step is not None:
                scripts.append(step)
                path = f"~{user}/.docker/config.json"
                shown = self.proxies.described if wanted is not None and self.proxies else ""
                diff += [f"+{path} proxies: {shown}" if shown else f"-{path} proxies"]
        if not scripts:
            return None
        summary = (
            msg("set the proxy of image builds and containers")
            if self.proxies
            else msg("remove the proxy of image builds and containers")
        )
        return Change(summary, "set -e\n" + "\n".join(scripts), "\n".join(diff))

    @property
    def _value(self) -> dict[str, str] | None:
        if self.proxies is None:
            return None
        urls = {f"{scheme}Proxy": proxy.url for scheme, proxy in self.proxies.proxies.items()}
        return {**urls, "noProxy": ",".join(self.proxies.no_proxy)}


@dataclass(frozen=True, slots=True)
class _Record:
    """Digests of what labctl added to a file last and before; the file without it, and its mode.

    A run that dies before it has changed the file leaves the former value in it. `before` is None
    if there was no file.
    """

    added: tuple[str, ...]
    before: str | None
    mode: str

    @classmethod
    def read(cls, text: str | None) -> _Record | None:
        try:
            values = parse_json(text or "")
            before = values["before"]
            whole = None if before is None else str(before)
            mode = re.fullmatch(r"[0-7]{3,4}", str(values["mode"]))
            return cls(tuple(map(str, values["added"])), whole, mode[0] if mode else _PRIVATE)
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def text(self) -> str:
        values = {"added": list(self.added), "before": self.before, "mode": self.mode}
        return json.dumps(values) + "\n"


@dataclass(frozen=True, slots=True)
class _File:
    """The client's file of a user as it is; `text` is None if there is none."""

    user: str
    mode: str
    text: str | None
    record: _Record | None

    def changed(self, wanted: Mapping[str, str] | None) -> str | None:
        """Return sh that makes the file name `wanted`, or nothing; None if it does already."""
        record = self.record
        if record is None and wanted is None:
            return None
        settings = self._settings()
        theirs = settings.get("proxies", {})
        named = theirs.get("default") if isinstance(theirs, dict) else theirs
        ours = record is not None and named is not None and _digest(named) in record.added
        if named is not None and not ours:
            return None if record is None else self._forget()
        if named == wanted:
            return None if wanted is not None else self._forget()
        rest = _without(settings)
        before = record.before if record is not None else self.text
        mode = record.mode if record is not None else self.mode
        if wanted is not None:
            others = {k: v for k, v in theirs.items() if k != "default"} if theirs else {}
            text = _client_json({**rest, "proxies": {**others, "default": dict(wanted)}})
            former = record.added[:1] if record is not None else ()
            keep = _Record((_digest(wanted), *former), before, mode).text
            return f"{_saved(self.user, keep)}\n{_written(self.user, text, _PRIVATE)}"
        if before is None and not rest:
            return f"{_removed(self.user)}\n{self._forget()}"
        old = None if before is None else _parsed(before)
        same = old is not None and _without(old) == rest
        text = before if same and before is not None else _client_json(rest)
        return f"{_written(self.user, text, mode)}\n{self._forget()}"

    def _settings(self) -> dict[str, Any]:
        found = _parsed(self.text or "{}")
        if found is None:
            raise ValueError(
                msg(
                    "~{user}/.docker/config.json is not a JSON object; correct or remove it",
                    user=self.user,
                )
            )
        return found

    def _forget(self) -> str:
        return f"rm -f {KEPT}/{quote(self.user)}; rmdir {KEPT} 2>/dev/null || :"


def _without(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a client's settings without the default proxies."""
    rest = dict(settings)
    proxies = {k: v for k, v in (rest.pop("proxies", None) or {}).items() if k != "default"}
    return {**rest, "proxies": proxies} if proxies else rest


def _client_json(settings: Mapping[str, Any]) -> str:
    """Return settings as the client itself writes them."""
    return json.dumps(settings, indent="\t", ensure_ascii=False)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        found = parse_json(text) if text.strip() else {}
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _decoded(text: str) -> str | None:
    """Return a file's content; None for ``-``, which stands for no file."""
    if text == "-":
        return None
    return base64.b64decode(text).decode("utf-8", "surrogateescape")


# The user writes below the user's home, and not root: a link there leads only where the user may
# write.
_AS_USER = "sudo -n -H -u {user} sh -c {script}"


def _written(user: str, text: str, mode: str) -> str:
    script = (
        "set -e; umask 077; mkdir -p ~/.docker; cd ~/.docker; new=$(mktemp config.json.XXXXXX); "
        f'cat >"$new"; chmod {mode} "$new"; mv -fT "$new" "$(readlink -m config.json)"'
    )
    command = _AS_USER.format(user=quote(user), script=quote(script))
    return f"printf %s {quote(text)} | {command}"


def _removed(user: str) -> str:
    script = "rm -f ~/.docker/config.json; rmdir ~/.docker 2>/dev/null || :"
    return _AS_USER.format(user=quote(user), script=quote(script))


def _saved(user: str, text: str) -> str:
    path = f"{KEPT}/{quote(user)}"
    return f"mkdir -p {KEPT}; chmod 0700 {KEPT}; ( umask 077; printf %s {quote(text)} >{path} )"
