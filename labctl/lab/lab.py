"""One lab: its definition, its folders and state, and access to its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from labctl.config.overrides import Override
from labctl.config.playbook_modules import available, playbook_name
from labctl.errors import MachineError, SpecError
from labctl.events import Emit, Notice
from labctl.lab import node_list, stamp
from labctl.lab.definition import LabDefinition
from labctl.lab.node_list import NodeList
from labctl.lab.selection import expect_playbooks, select, unknown_node
from labctl.lab.state import State
from labctl.lab.workspace import Workspace
from labctl.machines import providers
from labctl.machines.base import Machines
from labctl.machines.static import StaticMachines
from labctl.parallel import Stop, affordable
from labctl.provision.proxies import proxy_settings
from labctl.provision.secret_store import SecretStore
from labctl.remote.hostkeys import HostKeys
from labctl.remote.passwords import NO_PASSWORDS, Passwords
from labctl.remote.target import CONNECT_TIMEOUT, Target

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.config.node import Node
    from labctl.config.playbook_settings import PlaybookSettings
    from labctl.config.proxy import ProxySettings
    from labctl.kit.folder import Kit
    from labctl.kit.supply import KitSupply
    from labctl.machines.site import Site
    from labctl.provision.facts import Facts
    from labctl.provision.loader import Playbook
    from labctl.provision.play import Play
    from labctl.remote.connection import Connection


class Lab:
    """A lab that is open for work.

    Parameters:
        workspace: its paths.
        spec: its specification, or the definition that provides it on first use.
        emit: takes the events of all work on it.
        passwords: of the login users of existing machines.
        read_only: write nothing to this computer.
    """

    def __init__(
        self,
        workspace: Workspace,
        spec: LabSpec | LabDefinition,
        *,
        emit: Emit,
        passwords: Passwords = NO_PASSWORDS,
        read_only: bool = False,
    ) -> None:
        self.workspace = workspace
        self._spec = spec
        self.emit = emit
        self.state = State(workspace, read_only=read_only)
        self.hostkeys = HostKeys(
            workspace.known_hosts,
            lambda node, message: self.emit(Notice(node, message)),
            workspace.make,
            read_only=read_only,
        )
        self.passwords = passwords
        self._read_only = read_only
        self.stop = Stop()
        self._provider = ""
        self._playbooks: dict[tuple[str, ...], tuple[Playbook, ...]] = {}
        self._own_settings: dict[str, PlaybookSettings] = {}

    @classmethod
    def open(
        cls,
        workspace: Workspace,
        flags: Mapping[str, Override],
        *,
        emit: Emit,
        passwords: Passwords = NO_PASSWORDS,
        read_only: bool = False,
    ) -> Self:
        """Open a lab; lab.yaml is parsed only if it or a flag changed since the last run.

        Raises:
            StateError: the state folder is not this user's own; nothing in it was used.
            SpecError: lab.yaml or a flag cannot be used; all problems at once.
        """
        stamp.check(workspace.state)
        source = LabDefinition(workspace, flags)
        lab = cls(workspace, source, emit=emit, passwords=passwords, read_only=read_only)
        made_of = source.digest()
        kept = node_list.recall(workspace.node_list, made_of)
        if kept is not None:
            lab._node_list = kept
        elif stamp.is_stamped(workspace.state) and not read_only:
            node_list.keep(workspace.node_list, made_of, lab._node_list)
        return lab

    @cached_property
    def spec(self) -> LabSpec:
        """The specification of the lab.

        Raises:
            SpecError: lab.yaml or a flag cannot be used; all problems at once.
        """
        return self._spec.read() if isinstance(self._spec, LabDefinition) else self._spec

    def line(self, path: tuple[str | int, ...]) -> int | None:
        """See `LabDefinition.line`."""
        return self._spec.line(path) if isinstance(self._spec, LabDefinition) else None

    @cached_property
    def _node_list(self) -> NodeList:
        return NodeList.of(self.spec)

    @cached_property
    def secret_store(self) -> SecretStore:
        """The lab's secrets."""
        return SecretStore(
            self.workspace.private, self.name, self.workspace.make, read_only=self._read_only
        )

    @cached_property
    def proxy(self) -> ProxySettings | None:
        """The lab's proxies, None if it has none; see `proxy_settings` for what it raises."""
        return proxy_settings(self.spec, self.secret_store)

    # These do not parse lab.yaml as long as it has not changed since the last run.

    @property
    def name(self) -> str:
        """The name of the lab."""
        return self._node_list.lab

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, in the lab's order."""
        return self._node_list.nodes

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of the nodes, in the lab's order."""
        return tuple(node.name for node in self.nodes)

    @cached_property
    def parallel(self) -> int:
        """The number of nodes that labctl works on at once."""
        cap, nodes = self._node_list.parallel, len(self.nodes)
        return affordable(cap, nodes, lambda text: self.emit(Notice("", text)))

    @property
    def is_class(self) -> bool:
        """True if lab.yaml describes a class: each student has a lab like this one."""
        return bool(self._node_list.roster)

    @property
    def site(self) -> Site | None:
        """Where a student's machines are; None: not the lab of a student."""
        return None

    @property
    def uses_vagrant(self) -> bool:
        """True if Vagrant creates the nodes; False if lab.yaml lists existing machines."""
        return self._node_list.existing is None

    def node(self, name: str) -> Node:
        """Return the node `name`; raise `UsageError` if the lab has no such node."""
        found = next((node for node in self.nodes if node.name == name), None)
        if found is None:
            raise unknown_node(name, self.node_names)
        return found

    def select(self, limit: Iterable[str] = ()) -> list[str]:
        """Return the names of the nodes that `limit` chooses; see `labctl.lab.selection.select`."""
        return select(limit, self.node_names)

    def target(self, name: str) -> Target:
        """Return how a node is reached.

        Raises:
            MachineError: it was never brought up.
        """
        if self._node_list.existing is not None:
            return self._node_list.existing[name]
        target = self.state.node(name).target
        if target is None:
            raise MachineError(
                "was never brought up", node=name, hint="bring the lab up with `labctl up`"
            )
        return target

    def write_ssh_config(self) -> Path:
        """Write the lab's ssh_config for plain ssh and scp; return the file.

        `State` also writes it whenever a machine comes up. Nodes that were never brought up are
        not in it.
        """
        if not self._read_only:
            self.workspace.make()
        existing = self._node_list.existing
        self.state.write_ssh_config(None if existing is None else existing.values())
        return self.workspace.ssh_config

    def connection(
        self, name: str, *, patience: float = 0.0, timeout: float = CONNECT_TIMEOUT
    ) -> Connection:
        """Return a connection to a node, which opens when it is first used.

        Parameters:
            name: the node's name.
            patience: seconds to keep trying while nothing answers.
            timeout: seconds for each step of one attempt.

        Raises:
            MachineError: the node was never brought up.
        """
        target = self.target(name)
        from labctl.remote.connection import Connection  # loads Fabric, which takes 0.2 s
        from labctl.remote.log import log_to

        log_to(self.workspace.log("lab", "ssh"))
        connection = Connection(
            target, self.hostkeys, passwords=self.passwords, patience=patience, timeout=timeout
        )
        self.stop.add(connection.end)
        return connection

    @property
    def provider(self) -> str:
        """The provider of the lab's machines, chosen and checked on first use.

        Raises:
            ProviderMissing: none can be used.
            SpecError: the provider does not support a setting of the lab.
        """
        if not self._provider:
            self._provider, _ = providers.choose(self.spec.provider, self.state.provider())
            if problems := providers.problems(self.spec, self._provider):
                raise SpecError(str(self.workspace.spec_file or "the lab"), problems)
        return self._provider

    def machines(self) -> Machines:
        """Return the lab's machines, with the provider that created them if there is one.

        Raises:
            VagrantMissing: the lab uses Vagrant, and Vagrant is not installed.
            ProviderMissing: no provider can be used, or not that one.
        """
        if self._node_list.existing is not None:
            return StaticMachines(self._node_list.existing)
        from labctl.machines.vagrant import VagrantMachines
        from labctl.machines.vagrant_program import find_vagrant

        find_vagrant()
        made_with = self.state.provider()
        return VagrantMachines(
            self.workspace.state,
            providers.get(providers.choose(None, made_with)[0] if made_with else self.provider),
            lambda node: self.workspace.log(node or "lab", "vagrant"),
            self.spec.boot_timeout,
            self.stop,
            self.emit,
            self.proxy.environment if self.proxy else {},
        )

    @cached_property
    def kit(self) -> Kit | None:
        """The kit that everything comes from; None if the lab uses the network."""
        from labctl.kit.folder import Kit

        return None if self.spec.kit is None else Kit.open(Path(self.spec.kit))

    @cached_property
    def supply(self) -> KitSupply:
        """Lets nodes reach the kit."""
        from labctl.kit.supply import KitSupply

        return KitSupply(lambda: self.kit, self.connection, self.emit)

    def playbooks(self, extra: Iterable[str] = ()) -> tuple[Playbook, ...]:
        """Load the lab's playbooks and then the `extra` ones, each after the playbooks it needs.

        Only this runs the Python files of the lab's folder. Afterwards `spec` has the keys of
        lab.yaml that its own playbooks declare.

        Raises:
            UsageError: `extra` names a playbook that does not exist.
            PlaybookError: one cannot be found or loaded.
            SpecError: a key of a playbook has an invalid value.
        """
        from labctl.kit.redirect import redirected
        from labctl.provision.loader import load_all

        added = [playbook_name(name) for name in extra]
        expect_playbooks(added, available(self.workspace.playbooks))
        names = tuple(dict.fromkeys([*self.state.past(), *self.spec.all_playbooks, *added]))
        if names not in self._playbooks:
            books = redirected(load_all(names, self.workspace.playbooks), self.kit)
            settings = {
                book.name: book.settings
                for book in books
                if book.settings is not None
                and book.settings.file.is_relative_to(self.workspace.playbooks[0])
            }
            if not settings.keys() <= self._own_settings.keys():
                self._own_settings |= settings
                if isinstance(self._spec, LabDefinition):
                    self.spec = self._spec.read(self._own_settings)
            self._playbooks[names] = books
        return self._playbooks[names]

    def play(
        self,
        name: str,
        facts: Facts,
        choices: dict[str, Any],
        playbooks: Sequence[Playbook] = (),
        user: str | None = None,
    ) -> Play:
        """Return the argument of a node's plays; `playbooks` are all that run."""
        from labctl.provision.play import Play

        return Play(
            lab=self.spec,
            node=self.node(name),
            facts=facts,
            user=self.target(name).user if user is None else user,
            addresses={node.name: node.address for node in self.nodes if node.address is not None},
            choices=choices,
            templates=self.workspace.templates,
            playbooks=tuple(book.name for book in playbooks),
            secrets=self.secret_store,
            proxy=self.proxy,
            daemon_functions=tuple(book.daemon_json for book in playbooks if book.daemon_json),
        )
