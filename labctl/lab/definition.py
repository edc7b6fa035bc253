"""The definition of a lab: loaded lazily, fingerprinted."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.config.overrides import Override
from labctl.errors import KitError
from labctl.lab import node_list
from labctl.lab.index import LabIndex, clash, free_name, free_network
from labctl.lab.state import IDENTITY, State
from labctl.lab.workspace import Workspace
from labctl.messages import msg
from labctl.remote import ssh_aliases

if TYPE_CHECKING:
    from labctl.config.document import Document
    from labctl.config.model import LabSpec
    from labctl.config.playbook_settings import PlaybookSettings


class LabDefinition:
    """The definition of a lab: lab.yaml, the flags of this run and earlier ones, other labs.

    Parameters:
        workspace: the lab's places.
        flags: of this run, by key of lab.yaml; they win over the file.
    """

    def __init__(self, workspace: Workspace, flags: Mapping[str, Override]) -> None:
        self._workspace = workspace
        self._flags = flags
        self._others = LabIndex()

    def digest(self) -> str:
        """Return a digest of the whole definition."""
        workspace = self._workspace
        return node_list.digest(
            (workspace.folder, workspace.state, sorted(self._flags.items())),
            (workspace.spec_file, workspace.flags, self._others.path, ssh_aliases.configuration()),
        )

    def read(self, own: Mapping[str, PlaybookSettings] | None = None) -> LabSpec:
        """Return the lab that it defines.

        Flags of earlier runs apply if neither lab.yaml nor a flag of this run sets the value. If
        nothing sets the name or the network, labctl chooses ones that no other lab uses.

        Parameters:
            own: settings of the lab's own playbooks that were loaded, by the playbooks' names.

        Raises:
            SpecError: lab.yaml or a flag cannot be used; all problems at once.
        """
        # pydantic and YAML are slow to import, and many commands need neither.
        from labctl.config import cross_checks
        from labctl.config.load import resolve
        from labctl.machines.providers import faults_of

        workspace = self._workspace
        kept = {
            key: Override(
                value,
                msg("from its existing machines")
                if key in IDENTITY
                else msg("--{key} of an earlier run", key=key),
            )
            for key, value in State(workspace).flags().items()
        }
        in_file = self._document.keys
        # If the lab lists machines now, flags about virtual machines no longer apply.
        past = in_file | set(cross_checks.VAGRANT_KEYS if "machines" in in_file else ())
        given = {key: value for key, value in kept.items() if key not in past} | dict(self._flags)

        def lab() -> LabSpec:
            return resolve(self._document, given, workspace.folder, own=own, further=faults_of)

        spec = lab()
        chosen = self._free(spec, in_file | given.keys())
        if chosen:
            given |= {
                key: Override(value, msg("chosen by labctl")) for key, value in chosen.items()
            }
            spec = lab()
        if spec.kit is not None:
            self._use_kit(spec, given)
            spec = lab()
        return spec

    def _use_kit(self, spec: LabSpec, given: dict[str, Override]) -> None:
        """Add what a kit overrides: the sources of everything that nodes download."""
        from labctl.kit.folder import Kit
        from labctl.kit.overrides import overrides

        assert spec.kit is not None
        kit = None
        with contextlib.suppress(KitError):  # whatever needs the kit reports it
            kit = Kit.open(Path(spec.kit))
        for key, value in overrides(kit, spec).items():
            given[key] = Override(value, msg("from the kit"))

    def line(self, path: tuple[str | int, ...]) -> int | None:
        """Return the line of lab.yaml that sets a value; None if no line does."""
        lines = self._document.lines
        outwards = (path[:end] for end in range(len(path), 0, -1))
        return next((lines[place] for place in outwards if place in lines), None)

    @cached_property
    def _document(self) -> Document:
        """lab.yaml, which a run reads once."""
        from labctl.config import document

        return document.read(self._workspace.spec_file, required=True)

    def _free(self, spec: LabSpec, explicit: Collection[str]) -> dict[str, str]:
        """Return a network and a name that no other lab uses, as far as the lab sets neither.

        Parameters:
            spec: the lab with its defaults.
            explicit: keys that lab.yaml or a flag sets; those are never changed.
        """
        if not spec.uses_vagrant:
            return {}
        others = self._others.others(self._workspace.state)
        chosen: dict[str, str] = {}
        fixed = not isinstance(spec.nodes, int) and any(node.address for node in spec.nodes)
        if "network" not in explicit and not fixed and clash((spec.network,), others):
            from labctl.config.node_options import private_networks

            further = private_networks(spec.node_options)
            chosen["network"] = free_network(others, further)
        if "name" not in explicit and free_name(spec.name, others) != spec.name:
            chosen["name"] = free_name(spec.name, others)
        return chosen
