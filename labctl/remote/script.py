"""Command lines that run a script of labctl's on a node, whatever the user's login shell is.

The login shell parses the command line of an ssh command. csh, fish and sh agree on single quotes
around words without quotes, backslashes, ``!`` and newlines, and on little else. So the line only
starts a POSIX sh, which reads any other script from its stdin.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from labctl.errors import ProtocolError, RemoteError, SudoRefused
from labctl.messages import msg
from labctl.remote.channel import MARK
from labctl.remote.target import Target

_DIFFERS = frozenset("'\\!\n")
"""Characters that mean different things within single quotes."""

_BEGIN = f"echo {MARK.decode().strip()}; echo {MARK.decode().strip()} >&2"


def launch(script: str, arguments: Sequence[str] = ()) -> tuple[str, bytes]:
    """Return how to run a script that prints `MARK` to stdout and stderr before anything else.

    Parameters:
        script: POSIX sh.
        arguments: its $1, $2 and so on.

    Returns:
        The command line, and what has to be written to its stdin before the script's own input.
    """
    if arguments:
        script = f"set -- {shlex.join(arguments)}\n{script}"
    if _DIFFERS.isdisjoint(script):
        return f"sh -c '{_BEGIN}; {script}'", b""
    text = script.encode("utf-8", "surrogateescape")
    # head reads no further than it has to.
    return f"sh -c '{_BEGIN}; eval \"$(head -c {len(text)})\"'", text


def refused(err: bytes, target: Target) -> SudoRefused:
    """Return the error for what sudo wrote to stderr instead of running a script."""
    text = err.decode("utf-8", "replace").strip()
    hint = msg("allow the login user to run sudo")
    if "you must have a tty" in text:
        hint = msg("remove 'Defaults requiretty' from the sudoers files of the node")
    elif "password is required" in text or "a terminal is required" in text:
        hint = msg("run it with --ask-sudo-password, or let the user run sudo without a password")
    elif "incorrect password" in text or "try again" in text:
        hint = msg("the sudo password is wrong")
    return SudoRefused(
        msg("{user} cannot become root", user=_user(target)),
        node=target.name,
        hint=hint,
        details=text,
    )


def not_begun(before: tuple[bytes, bytes], target: Target, *, root: bool) -> RemoteError:
    """Return the error for a script that ended without having begun.

    Parameters:
        before: what was written to stdout and stderr instead.
        target: the node and its login user.
        root: whether the script was to run as root.
    """
    out, err = before
    if root and target.user != "root" and err.strip():
        return refused(err, target)
    text = "\n".join((out + err).decode("utf-8", "replace").strip().splitlines()[-10:])[-1000:]
    if not text:
        return ProtocolError(
            "the node closed the connection",
            node=target.name,
            hint="check that the node runs, then run the same command again",
        )
    return RemoteError(
        msg("the login shell of {user} does not run commands", user=_user(target)),
        node=target.name,
        hint=msg("on the node, give the user another shell: `chsh -s /bin/bash USER`"),
        details=text,
    )


def _user(target: Target) -> str:
    return target.user or msg("the login user")
