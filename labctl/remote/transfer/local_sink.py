"""A local folder as the destination of a copy."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer.entry import Entry, EntrySource, Kind, Root
from labctl.remote.transfer.lab_files import LabFiles
from labctl.remote.transfer.local_folder import Folder
from labctl.remote.transfer.location import expanded
from labctl.remote.transfer.placing import place
from labctl.remote.transfer.staging import Stage, check_for_windows, temporary

OF_A_LAB = msg("belongs to a lab, and a copy from a node does not write there")


class FolderSink:
    """Puts entries in place on this computer, completely or not at all.

    Parameters:
        path: the destination: entries go into it if it is a folder; else the one root becomes it.
        windows: whether to refuse names that Windows cannot store.
        labs: folders of labs, into whose files nothing is written.
        lab_files: further files and folders of labs.
        in_place: write to files that exist, instead of replacing them.
        skip: called with the path and the reason of each entry that is left out.
    """

    def __init__(
        self,
        path: str,
        *,
        windows: bool = os.name == "nt",
        labs: Sequence[Path] = (),
        lab_files: Sequence[Path] = (),
        in_place: bool = False,
        skip: Callable[[str, str], None] = lambda path, why: None,
    ) -> None:
        self._slash = path.endswith(("/", "\\") if windows else "/")
        self._path = Path(expanded(path))
        self._windows = windows
        self._labs = labs
        self._lab_files = lab_files
        self._in_place = in_place
        self._skip = skip

    def take(self, source: EntrySource, moved: Callable[[int], None], *, into: bool) -> int:
        """Copy all of a source; return the number of files and links.

        Parameters:
            source: what is copied.
            moved: called with the number of bytes of files that arrived.
            into: the path must be a folder, because there are several sources.

        Raises:
            TransferError: it cannot be copied; no partial file has a final name.
            RemoteError: the node broke off.
        """
        try:
            at, name = self._where(source.roots, into)
            if self._windows and not name:
                for root in source.roots:
                    check_for_windows(root.name)  # "..\x" and "C:\x" lead elsewhere
            kept_out = _KeptOut(self, at, source.roots, name)
            with Folder.open(at) as final, temporary(final) as (folder, own_name):
                count = 0
                stage = Stage(folder, windows=self._windows, moved=moved)
                for member in source.members():
                    if own_name in member.path:
                        raise TransferError(
                            msg("{path}: a folder cannot be copied into itself", path=self._path)
                        )
                    if kept_out.has(member):
                        continue
                    with _named(kept_out.place(member)):
                        stage.add(member)
                    count += member.kind is not Kind.FOLDER
                stage.close()
                place(folder, final, kept_out.placed(), in_place=self._in_place)
        except OSError as error:
            raise TransferError(
                msg("{what}: {why}", what=error.filename or self._path, why=error.strerror or error)
            ) from error
        except (UnicodeError, OverflowError) as error:
            raise TransferError(
                msg("{what}: {why}", what=self._path, why=error),
                hint="this computer cannot store a name or a time from the node",
            ) from error
        return count

    def _where(self, roots: Sequence[Root], into: bool) -> tuple[Path, str]:
        """Return the folder that takes the roots, and the new name of the one root, if any."""
        if self._path.is_dir():
            return self._path, ""
        files = any(root.kind is Kind.FILE for root in roots)
        if into or (self._slash and files):
            what = (
                msg("Not a directory") if self._path.exists() else msg("No such file or directory")
            )
            raise TransferError(msg("{what}: {why}", what=self._path, why=what))
        path = self._path
        if path.is_symlink() and path.is_file():
            path = path.resolve()  # as with scp, a file goes to where a link leads
        if not path.parent.is_dir():
            raise TransferError(msg("{path}: No such file or directory", path=path.parent))
        return path.parent, path.name


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Give an error the final path of what could not be written."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


class _KeptOut:
    """Finds entries that must not be written, because they would become files of a lab."""

    def __init__(self, sink: FolderSink, at: Path, roots: Sequence[Root], name: str) -> None:
        self._at = at
        self._names = [name or root.name for root in roots]
        self._skip = sink._skip
        self._roots: list[int] = []
        self._left_out: set[tuple[int, tuple[str, ...]]] = set()
        self._files: LabFiles | None = None
        if name and all(root.kind is Kind.FILE for root in roots):
            return  # the user named exactly this file
        self._files = LabFiles(at, sink._labs, sink._lab_files)
        if self._files.inside():
            raise TransferError(
                msg("{path}: {why}", path=at, why=OF_A_LAB),
                hint="use the file itself as the destination",
            )

    def has(self, member: Entry) -> bool:
        """Return whether an entry is left out, and tell the user about it."""
        key = (member.root, member.path)
        if member.path and (member.root, member.path[:-1]) in self._left_out:
            self._left_out.add(key)
            return True
        if member.same_as in self._left_out or self._includes(member):
            self._left_out.add(key)
            self._skip(str(self.place(member)), OF_A_LAB)
            return True
        if not member.path:
            self._roots.append(member.root)
        return False

    def place(self, member: Entry) -> Path:
        """Return the final path of an entry."""
        return self._at.joinpath(*self._final(member))

    def placed(self) -> list[tuple[str, str]]:
        """Return the name of each root in the temporary folder, and its final name."""
        return [(str(root), self._names[root]) for root in self._roots]

    def _includes(self, member: Entry) -> bool:
        path = self._final(member)
        return self._files is not None and bool(path) and self._files.includes(path)

    def _final(self, member: Entry) -> tuple[str, ...]:
        name = self._names[member.root]
        return (name, *member.path) if name else member.path
