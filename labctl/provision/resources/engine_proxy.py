"""The proxy of the engine itself, by a drop-in of its unit.

A drop-in works for every engine; the key `proxies` of daemon.json exists from 23.0 on. The drop-in
only names a file, because `systemctl show` prints the variables of a unit to everybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from labctl.messages import msg
from labctl.provision.resources.atomic_write import LoadedBy, removing, replacing
from labctl.provision.resources.base import Change, Observed, shell_script, text_diff
from labctl.provision.resources.engine_settings import UNIT_FOLDERS
from labctl.remote.exchange import PROXY_FILE

ENGINE_PROXY = "/etc/systemd/system/docker.service.d/labctl-proxy.conf"
_LOADED_BY = LoadedBy("docker")
_CONTENT = (
    f"# Written by labctl: the proxy of lab.yaml.\n[Service]\nEnvironmentFile=-{PROXY_FILE}\n"
)


@dataclass(frozen=True, slots=True)
class EngineProxy:
    """The engine starts with the variables of `PROXY_FILE`, or without them.

    A machine whose unit sets a proxy of its own keeps that one, because both together would be a
    mixture of the two.

    Parameters:
        wanted: whether it does.
    """

    wanted: bool

    @property
    def id(self) -> str:
        return f"file:{ENGINE_PROXY}"

    def probe(self) -> str:
        return shell_script(__file__, "engine_proxy.sh", path=ENGINE_PROXY, folders=UNIT_FOLDERS)

    def plan(self, observed: Observed) -> Change | None:
        theirs, _, text = observed.output.partition("\n")
        found = text if theirs.endswith("present") else None
        wanted = _CONTENT if self.wanted and not theirs.startswith("own") else None
        if found == wanted:
            return None
        diff = text_diff(found or "", wanted or "", ENGINE_PROXY)
        if wanted is None:
            # The folder too, if nothing else is in it.
            script = f"{removing(ENGINE_PROXY, _LOADED_BY)}; rmdir ${{path%/*}} 2>/dev/null || :"
            return Change(
                msg("remove {path}", path=ENGINE_PROXY), f"path={ENGINE_PROXY}; {script}", diff
            )
        script = replacing(ENGINE_PROXY, wanted, mode="0644", loaded_by=_LOADED_BY)
        return Change(msg("write {path}", path=ENGINE_PROXY), script, diff)
