"""Copy files between this computer and nodes: the use case behind `labctl scp`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from labctl.errors import TransferError, UsageError
from labctl.events import Notice
from labctl.messages import msg
from labctl.parallel import Result, each
from labctl.remote.transfer.entry import EntrySource
from labctl.remote.transfer.local_sink import FolderSink
from labctl.remote.transfer.local_source import Tree, expand
from labctl.remote.transfer.location import Location, expanded, parse_all
from labctl.remote.transfer.node_sink import NodeSink
from labctl.remote.transfer.node_source import NodeSource
from labctl.remote.transfer.skipped import Skipped

if TYPE_CHECKING:
    from labctl.lab.lab import Lab
    from labctl.lab.workspace import Workspace
    from labctl.remote.connection import Connection


_MOST_SKIPPED = 1000
_MOST_NOTICES = 20


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How to copy.

    Parameters:
        sudo: read and write as root on nodes.
        owner: ``user:group`` that owns copied files on a node; empty: the login user.
        follow: copy the targets of links instead of the links.
        in_place: write to files that exist, instead of replacing them.
    """

    sudo: bool = False
    owner: str = ""
    follow: bool = False
    in_place: bool = False


@dataclass(frozen=True, slots=True)
class Copied:
    """The files copied to or from a node.

    Parameters:
        files: how many.
        bytes: of all files.
        seconds: including those for connecting.
        skipped: what could not be copied, while the rest was.
        more_skipped: how many more there are.
    """

    files: int
    bytes: int
    seconds: float
    skipped: tuple[Skipped, ...] = ()
    more_skipped: int = 0


class Meter(Protocol):
    """Receives the progress of a copy, from several threads."""

    @property
    def wants_sizes(self) -> bool:
        """True if the size of a node's folder should be read beforehand."""
        ...

    def expect(self, node: str, size: int) -> None:
        """`size` more bytes of files will be moved to or from a node."""
        ...

    def moved(self, node: str, size: int) -> None:
        """`size` bytes of files have been moved."""
        ...


class _Sink(Protocol):
    def take(self, source: EntrySource, moved: Callable[[int], None], *, into: bool) -> int: ...


def copy(
    lab: Lab, places: Sequence[str], options: CopyOptions, meter: Meter
) -> list[Result[Copied]]:
    """Copy files to nodes, from nodes, or from node to node.

    Parameters:
        lab: the lab.
        places: sources, and the destination last, as `labctl.remote.transfer.location` parses them.
        options: how to copy.
        meter: receives the progress.

    Returns:
        A result for each node that was written to; for a copy to this computer, for each source
        node.

    Raises:
        UsageError: the arguments make no sense; nothing was touched.
        TransferError: a local source cannot be read; nothing was touched.
    """
    nodes = lab.node_names
    sources, destination = parse_all(places, nodes, os.path.lexists, windows=os.name == "nt")
    local = [path for source in sources if not source.remote for path in expand(source.path)]
    tree = Tree(local, follow=options.follow) if local else None
    lab.workspace.make()  # host keys are recorded there
    remote = [(node, source.path) for source in sources for node in source.nodes]
    if not destination.remote:
        return _fetch(lab, sources, destination.path, options, meter)
    if options.owner.startswith("-") or any(c.isspace() for c in options.owner):
        raise UsageError(msg("--owner {owner!r} is not a user or user:group", owner=options.owner))

    def work(node: str) -> Copied:
        run = _Run(node, meter, lab)
        with lab.connection(node) as target:

            def sink(origins: Sequence[str] = ()) -> NodeSink:
                return NodeSink(
                    target,
                    destination.path,
                    sudo=options.sudo or bool(options.owner),
                    owner=options.owner,
                    notice=lambda message: lab.emit(Notice(node, message)),
                    in_place=options.in_place,
                    origins=origins,
                )

            several = len(local) + len(remote) > 1
            if tree is not None:
                run.skipped += tree.skipped
                run.take(sink(), tree.reported(run.skip, run.notice), into=several)
            for other, path in remote:
                with lab.connection(other) as origin:
                    found = _source(origin, path, options, run)
                    into = several or found.several
                    run.take(sink(found.paths if other == node else ()), found, into=into)
        return run.copied()

    return each(destination.nodes, work, cap=lab.parallel, stop=lab.stop)


def _fetch(
    lab: Lab, sources: Sequence[Location], path: str, options: CopyOptions, meter: Meter
) -> list[Result[Copied]]:
    """Copy from nodes to this computer; from several nodes, each into a folder with its name.

    As for one node, the last part of `path` need not exist.
    """
    nodes = list(dict.fromkeys(node for source in sources for node in source.nodes))
    several_nodes = len(nodes) > 1
    folder = Path(expanded(path))
    if several_nodes and not folder.is_dir():
        hint = msg("files of several nodes go into a folder, with a subfolder for each node")
        if os.path.lexists(folder):
            raise UsageError(msg("{path} is not a folder", path=path), hint=hint)
        if not folder.parent.is_dir():
            raise UsageError(msg("{path}: no such folder", path=folder.parent), hint=hint)

    def work(node: str) -> Copied:
        run = _Run(node, meter, lab)
        place = path
        paths = [source.path for source in sources if node in source.nodes]
        with lab.connection(node) as origin:
            found = [_source(origin, path, options, run) for path in paths]
            if several_nodes:
                own = folder / node
                try:
                    own.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise TransferError(
                        msg("{what}: {why}", what=own, why=error.strerror)
                    ) from error
                place = str(own)
            several = len(found) > 1 or found[0].several
            sink = FolderSink(
                place,
                labs=[lab.workspace.folder],
                lab_files=_state_files(lab.workspace),
                in_place=options.in_place,
                skip=lambda path, why: run.skip(Skipped("", path, why)),
            )
            for source in found:
                run.take(sink, source, into=several)
        return run.copied()

    return each(nodes, work, cap=lab.parallel, stop=lab.stop)


def _state_files(workspace: Workspace) -> list[Path]:
    """Return what a copy from a node must not write, wherever it is.

    LABCTL_STATE_DIR may name a shared folder such as /tmp, so only labctl's own files count.
    """
    files = [
        *(workspace.vagrantfile, workspace.ssh_config, workspace.known_hosts, workspace.flags),
        *(workspace.provider, workspace.node_list, workspace.wanted, workspace.private),
        *(workspace.lock, workspace.holder, workspace.logs, workspace.rehearsal),
        *(workspace.state / "nodes", workspace.state / ".vagrant"),
    ]
    return files if workspace.spec_file is None else [*files, workspace.spec_file]


def _source(connection: Connection, path: str, options: CopyOptions, run: _Run) -> NodeSource:
    return NodeSource(
        connection,
        path,
        follow=options.follow,
        sudo=options.sudo,
        measure=run.wants_sizes,
        skip=run.skip,
        notice=run.notice,
    )


class _Run:
    """Counts what is copied to or from a node."""

    def __init__(self, node: str, meter: Meter, lab: Lab) -> None:
        self._node = node
        self._meter = meter
        self._emit = lab.emit
        self._began = time.monotonic()
        self._files = 0
        self._bytes = 0
        self._notices = 0
        self._more_skipped = 0
        self.skipped: list[Skipped] = []

    @property
    def wants_sizes(self) -> bool:
        return self._meter.wants_sizes

    def take(self, sink: _Sink, source: EntrySource, *, into: bool) -> None:
        """Copy a source and count it."""
        self._meter.expect(self._node, source.size)
        self._files += sink.take(source, self._moved, into=into)

    def skip(self, skipped: Skipped) -> None:
        """Count something that was left out."""
        if len(self.skipped) < _MOST_SKIPPED:
            self.skipped.append(skipped)
        else:
            self._more_skipped += 1

    def notice(self, message: str) -> None:
        """Pass a sentence on to the user; a node may send any number of them."""
        self._notices += 1
        if self._notices <= _MOST_NOTICES:
            self._emit(Notice(self._node, message))

    def copied(self) -> Copied:
        """Return the counts."""
        seconds = time.monotonic() - self._began
        skipped = tuple(self.skipped)
        return Copied(self._files, self._bytes, seconds, skipped, self._more_skipped)

    def _moved(self, size: int) -> None:
        self._bytes += size
        self._meter.moved(self._node, size)
