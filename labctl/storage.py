"""The files of labctl's state: safe reads, atomic writes, locks, and scripts beside modules.

No file of the state is opened through a link, and none that belongs to another user: whoever may
write in one of its folders could otherwise choose which file labctl reads or overwrites. The
operating system releases a lock when its holder ends, even when it is killed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from labctl.errors import StateError
from labctl.messages import msg

T = TypeVar("T")

_MOST = 16 << 20
"""Bytes of the largest state file that is read; labctl itself writes a few kilobytes."""


def stranger(status: os.stat_result) -> str:
    """Return the name of a file's owner if that is not this user; else an empty text.

    Windows has no such owners; there the answer is always empty.
    """
    if not hasattr(os, "geteuid") or status.st_uid == os.geteuid():
        return ""
    return owner_name(status.st_uid)


def owner_name(uid: int) -> str:
    """Return the name of a user id of this computer, or the id if it has no name."""
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)


def check_own(path: Path) -> None:
    """Check that `path` is a file or folder of this user, and not a link.

    Raises:
        StateError: it is a link, or belongs to another user.
        OSError: it does not exist, or its folder is not accessible.
    """
    status = path.lstat()
    junction = getattr(path, "is_junction", lambda: False)
    if stat.S_ISLNK(status.st_mode) or junction():
        raise _linked(path)
    _refuse_stranger(path, status)


def opener(path: str, flags: int) -> int:
    """Open a state file for the built-in `open`; a file that it creates is its owner's alone.

    Raises:
        StateError: it is a link or no regular file, or belongs to another user.
    """
    place = Path(path)
    if place.is_symlink():
        raise _linked(place)
    # Without O_NONBLOCK, opening a named pipe would wait for its other end.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise StateError(
                msg("{path} is not a regular file", path=place),
                hint="remove it and run the command again",
            )
        _refuse_stranger(place, status)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def contents(path: Path) -> bytes:
    """Return the content of a file of a lab, which may be anything that has its name.

    Raises:
        OSError: it cannot be read, is a pipe, a device or a folder, or is larger than 16 MiB.
    """
    # Without O_NONBLOCK, opening a named pipe would wait for its other end.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, msg("it is not a regular file"), str(path))
        data = file.read(_MOST + 1)
    if len(data) > _MOST:
        raise OSError(errno.EFBIG, msg("it is larger than 16 MiB"), str(path))
    return data


def read(path: Path) -> str:
    """Return the text of a state file.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is not UTF-8, or larger than labctl ever writes one.
        StateError: it cannot be read, is a link, or belongs to another user.
    """
    try:
        with open(path, "rb", opener=opener) as file:
            data = file.read(_MOST + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StateError(
            msg("{path} cannot be read: {reason}", path=path, reason=error.strerror),
            hint="grant yourself read access; another user's labctl may have created it",
        ) from error
    if len(data) > _MOST:
        raise ValueError("too large")
    return data.decode("utf-8")


def read_json(path: Path) -> Any:
    """Return the value in a JSON state file.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is not JSON, or nested too deeply.
        StateError: it cannot be read, is a link, or belongs to another user.
    """
    try:
        return json.loads(read(path))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_again(path: Path) -> str:
    """Return the text of a file that labctl can write again; empty if it is missing or damaged.

    Raises:
        StateError: it cannot be read, is a link, or belongs to another user.
    """
    try:
        return read(path)
    except (FileNotFoundError, ValueError):
        return ""


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}


def build(kind: type[T], data: object) -> T:
    """Return the dataclass that a JSON mapping describes.

    Parameters:
        kind: a dataclass with fields of the kinds text, number and tuple of texts.
        data: its fields by name.

    Raises:
        ValueError: a key is missing or unknown, or a value has another type.
    """
    if not isinstance(data, dict):
        raise ValueError("not a mapping")
    values = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name not in data:
            continue
        value = data[field.name]
        if field.type == "tuple[str, ...]":
            good = isinstance(value, list) and all(isinstance(item, str) for item in value)
            value = tuple(value) if good else value
        else:
            good = isinstance(value, _KINDS[str(field.type)])
            good = good and isinstance(value, bool) is (field.type == "bool")
        if not good:
            raise ValueError(msg("{key}: wrong type", key=field.name))
        values[field.name] = value
    try:
        if data.keys() - values.keys():
            raise ValueError("unknown keys")
        return kind(**values)
    except TypeError as error:
        raise ValueError(str(error)) from None


def keep_aside(path: Path) -> Path:
    """Rename a damaged file, so that nothing in it is lost, and return its new path.

    Raises:
        StateError: it cannot be renamed.
    """
    numbers = range(1, 1000)
    free = (path.with_name(f"{path.name}.damaged-{number}") for number in numbers)
    aside = next(other for other in free if not os.path.lexists(other))
    try:
        path.rename(aside)
    except OSError as error:
        raise StateError(
            msg("{path} cannot be written: {reason}", path=path, reason=error.strerror),
            hint="free disk space or grant write access, then run the same command again",
        ) from error
    return aside


def _linked(path: Path) -> StateError:
    return StateError(
        msg("{path} is a link; labctl does not follow links in its state folder", path=path),
        hint="remove the link; to keep the state elsewhere, set LABCTL_STATE_DIR",
    )


def _refuse_stranger(path: Path, status: os.stat_result) -> None:
    if owner := stranger(status):
        raise StateError(
            msg("{path} belongs to another user ({owner})", path=path, owner=owner),
            hint="run labctl as that user, or remove it if you did not put it there",
        )


@contextlib.contextmanager
def exclusive(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock file `path`.

    Parameters:
        path: the lock file; created if missing, readable only by its owner.
        timeout: seconds to wait for another holder.

    Raises:
        TimeoutError: another process held it the whole time.
        StateError: the file system does not support locks, or access was denied.
    """
    from filelock import FileLock

    with contextlib.suppress(OSError):
        check_own(path)
    lock = FileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=timeout)
    except TimeoutError:
        raise
    except (OSError, NotImplementedError) as error:
        raise StateError(
            msg("{path} cannot be locked: {error}", path=path, error=error),
            hint="check who owns it; on a network drive, set LABCTL_STATE_DIR",
        ) from error
    try:
        yield
    finally:
        lock.release()


def write(path: Path, text: str) -> None:
    """Replace the file `path` with `text` atomically, readable only by its owner.

    Raises:
        StateError: it cannot be written, for example on a full disk; the old file is unchanged.
    """
    new = ""
    try:
        descriptor, new = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123
            file.write(text)
        Path(new).replace(path)
    except OSError as error:
        if new:
            with contextlib.suppress(OSError):
                Path(new).unlink()
        raise StateError(
            msg("{path} cannot be written: {reason}", path=path, reason=error.strerror),
            hint="free disk space or grant write access, then run the same command again",
        ) from error


def read_script(module: str, name: str) -> str:
    """Return the shell script `name` that lies beside a Python module.

    Parameters:
        module: the module's ``__file__``.
        name: file name of the script, such as ``receive.sh``.
    """
    return Path(module).with_name(name).read_text("utf-8")
