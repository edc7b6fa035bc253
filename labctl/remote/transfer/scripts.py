"""The scripts that send and receive files on a node: POSIX sh, coreutils and tar, no Python.

Every path and name is passed as an argument, never as text of a script. Paths are absolute or begin
with "./", so that no tool takes one for an option. labctl shows the tools' errors to the
user unchanged.
"""

from __future__ import annotations

from labctl.storage import read_script

RECEIVE = read_script(__file__, "receive.sh")
LIST = read_script(__file__, "list.sh")
SEND = read_script(__file__, "send.sh")


def from_home(script: str, user: str) -> str:
    """Return a script that runs in the home of `user`, a valid login name or empty.

    A command over ssh, and sudo in it, begins in the login user's home; that needs no line.
    """
    return f"cd ~{user} || exit 1\n{script}" if user else script
