"""The passwords of a run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Passwords:
    """What the user typed at the start of a run. It stays in memory and is never stored.

    Parameters:
        login: for ssh, to hosts that accept no key; None: use keys only.
        sudo: for login users who need one; None: sudo must not ask.
    """

    login: str | None = field(default=None, repr=False)
    sudo: str | None = field(default=None, repr=False)


NO_PASSWORDS = Passwords()
