"""The secrets of a lab on the instructor's computer: keys of certificates, and passwords.

Each secret is created on first use and then stays, because a new one in each run would change the
nodes in each run. They are files in ``private`` in the lab's state folder, readable by its owner
only. This is the one module that imports bcrypt. Most labs need no certificate, so the module that
issues them is only imported on use.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import StateError
from labctl.messages import msg
from labctl.storage import exclusive, write

if TYPE_CHECKING:
    from labctl.provision.certificates import Issued

# No letters or digits that look alike, because a class reads passwords from a screen.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_LOCK_SECONDS = 30.0
_BCRYPT_ROUNDS = 10
_AUTHORITY_MARGIN = 400
"""Days that an authority must stay valid: longer than the certificates that it signs."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A user, a password, its bcrypt hash as htpasswd files have it, and where they are used."""

    user: str
    password: str
    hash: str
    address: str = ""

    @property
    def htpasswd(self) -> str:
        """The line of an htpasswd file."""
        return f"{self.user}:{self.hash}\n"


class SecretStore:
    """The secrets of one lab; safe for several threads and processes.

    Parameters:
        folder: where they are; created on first use.
        lab: the lab's name, for the authority's subject.
    """

    def __init__(self, folder: Path, lab: str) -> None:
        self.folder = folder
        self._lab = lab
        self._guard = threading.RLock()
        self._known: dict[str, Issued | Credential] = {}

    def authority(self) -> Issued:
        """Return the lab's certificate authority; it is renewed before it expires.

        Raises:
            StateError: it cannot be saved.
        """
        with self._making():
            return self._authority()

    def certificate(
        self, service: str, names: Sequence[str], addresses: Sequence[str] = ()
    ) -> Issued:
        """Return a service's certificate and key, signed by the lab's authority.

        It is renewed before it expires, and when a name, an address or the authority changes.

        Parameters:
            service: name that it is saved under.
            names: DNS names of the service.
            addresses: IPv4 addresses of the service.

        Raises:
            StateError: it cannot be saved.
        """
        from labctl.provision.certificates import fits, lasts, leaf

        with self._making():
            by = self._authority()
            known = self._pem(service)
            if known is None or not fits(known, by, names, addresses) or not lasts(known, _now()):
                known = self._keep(service, leaf(by, names, addresses, _now()))
            return known

    def credential(
        self, service: str, user: str, password: str | None = None, *, address: str = ""
    ) -> Credential:
        """Return the user and password of a service.

        Parameters:
            service: name that they are saved under.
            user: the user's name.
            password: the password; None creates one on first use.
            address: HOST:PORT of the service, for people who want to use it.

        Raises:
            StateError: they cannot be saved.
        """
        with self._making():
            known = self.known(service)
            if known and known.user == user and password in (None, known.password):
                if known.address == address:
                    return known
                made = replace(known, address=address)
            else:
                import bcrypt

                if password is None:
                    password = known.password if known else _password()
                hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_BCRYPT_ROUNDS))
                made = Credential(user, password, hashed.decode(), address)
            write(self._file(service, "json"), json.dumps(asdict(made)) + "\n")
            self._known[f"{service}.json"] = made
            return made

    def known(self, service: str) -> Credential | None:
        """Return the user and password of a service; None if they have not been created."""
        name = f"{service}.json"
        if name not in self._known:
            try:
                self._known[name] = Credential(**json.loads(self._read(name)))
            except (FileNotFoundError, ValueError, TypeError):
                return None
        found = self._known[name]
        return found if isinstance(found, Credential) else None

    def _authority(self) -> Issued:
        from labctl.provision.certificates import authority, lasts

        known = self._pem("ca")
        if known is None or not lasts(known, _now(), _AUTHORITY_MARGIN):
            known = self._keep("ca", authority(f"labctl CA of {self._lab}", _now()))
        return known

    def _pem(self, name: str) -> Issued | None:
        from labctl.provision.certificates import Issued, lasts

        file = f"{name}.pem"
        if file not in self._known:
            try:
                read = Issued.read(self._read(file))
                lasts(read, _now())  # raises ValueError if it is damaged
                self._known[file] = read
            except (FileNotFoundError, ValueError):
                return None
        found = self._known[file]
        return found if isinstance(found, Issued) else None

    def _keep(self, name: str, issued: Issued) -> Issued:
        write(self._file(name, "pem"), issued.pem)
        self._known[f"{name}.pem"] = issued
        return issued

    def _file(self, name: str, end: str) -> Path:
        return self.folder / f"{name}.{end}"

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text("utf-8")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StateError(
                msg(
                    "{path} cannot be read: {reason}",
                    path=self.folder / name,
                    reason=error.strerror,
                )
            ) from error

    @contextlib.contextmanager
    def _making(self) -> Iterator[None]:
        """Lock the store, so that no other thread or process creates the same secret."""
        with self._guard:
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StateError(
                    msg(
                        "{parent} cannot be made: {reason}",
                        parent=self.folder,
                        reason=error.strerror,
                    ),
                    hint="make room or give write access",
                ) from error
            try:
                with exclusive(self.folder / "lock", _LOCK_SECONDS):
                    yield
            except TimeoutError:
                raise StateError(
                    msg("{folder} is in use by another labctl", folder=self.folder),
                    hint="run the command again",
                ) from None


def _password() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
