"""The secrets of a lab on the instructor's computer: keys of certificates, and passwords.

Each secret is created on first use and then stays, because a new one in each run would change the
nodes in each run. They are files in ``private`` in the lab's state folder, readable by its owner
only. A damaged file is an error and stays: a new authority or password in its place would lock out
whoever trusts the old one. A secret that is replaced for a reason is kept beside the new one, as
``NAME.old``. This is the one module that imports bcrypt. Most labs need no certificate, so the
module that issues them is only imported on use.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import StateError
from labctl.messages import msg
from labctl.storage import build, check_own, exclusive, read, read_json, write

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
        prepare: creates the folder above `folder`, before the first secret is written.
        read_only: keep new secrets in memory and write nothing.
    """

    def __init__(
        self,
        folder: Path,
        lab: str,
        prepare: Callable[[], None] = lambda: None,
        *,
        read_only: bool = False,
    ) -> None:
        self.folder = folder
        self._lab = lab
        self._prepare = prepare
        self._read_only = read_only
        self._guard = threading.RLock()
        self._known: dict[str, Issued | Credential] = {}

    def authority(self) -> Issued:
        """Return the lab's certificate authority; it is renewed before it expires.

        Raises:
            StateError: it is damaged or not valid yet, or cannot be saved.
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
            StateError: it is damaged or not valid yet, or cannot be saved.
        """
        from labctl.provision.certificates import fits, lasts, leaf

        with self._making():
            by = self._authority()
            known = self._pem(service)
            if known is None or not fits(known, by, names, addresses) or not lasts(known, _now()):
                known = leaf(by, names, addresses, _now())
                self._keep(f"{service}.pem", known.pem, known)
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
            StateError: they are damaged, or cannot be saved.
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
            self._keep(f"{service}.json", json.dumps(asdict(made)) + "\n", made)
            return made

    def keep_password(self, service: str, user: str, password: str, address: str) -> None:
        """Save a password of somebody else's service, so that later runs need not be told.

        Raises:
            StateError: the saved one is damaged, or it cannot be saved.
        """
        with self._making():
            given = Credential(user, password, "", address)
            if self.known(service) != given:
                self._keep(f"{service}.json", json.dumps(asdict(given)) + "\n", given)

    def known(self, service: str) -> Credential | None:
        """Return the user and password of a service; None if they have not been created.

        Raises:
            StateError: they are damaged.
        """
        name = f"{service}.json"
        if name not in self._known:
            path = self.folder / name
            try:
                self._known[name] = build(Credential, read_json(path))
            except FileNotFoundError:
                return None
            except ValueError as error:
                raise _damaged(path, msg("the password in it cannot be read")) from error
        found = self._known[name]
        return found if isinstance(found, Credential) else None

    def _authority(self) -> Issued:
        from labctl.provision.certificates import authority, ended, lasts

        known = self._pem("ca")
        if known is not None and ended(known, _now()):
            raise _damaged(self.folder / "ca.pem", msg("its certificate has expired"), clock=True)
        if known is None or not lasts(known, _now(), _AUTHORITY_MARGIN):
            known = authority(f"labctl CA of {self._lab}", _now())
            self._keep("ca.pem", known.pem, known)
        return known

    def _pem(self, name: str) -> Issued | None:
        from labctl.provision.certificates import Issued, begun, matches

        file = f"{name}.pem"
        if file not in self._known:
            path = self.folder / file
            try:
                found = Issued.read(read(path))
                if not matches(found):
                    raise _damaged(path, msg("its key and its certificate do not match"))
                if not begun(found, _now()):
                    raise _damaged(path, msg("its certificate is not valid yet"), clock=True)
                self._known[file] = found
            except FileNotFoundError:
                return None
            except ValueError as error:
                raise _damaged(path, msg("no key and certificate can be read from it")) from error
        known = self._known[file]
        return known if isinstance(known, Issued) else None

    def _keep(self, name: str, text: str, secret: Issued | Credential) -> None:
        """Save a secret; the one that it replaces becomes NAME.old."""
        if not self._read_only:
            path = self.folder / name
            with contextlib.suppress(FileNotFoundError, ValueError):
                write(self.folder / f"{name}.old", read(path))
            write(path, text)
        self._known[name] = secret

    @contextlib.contextmanager
    def _making(self) -> Iterator[None]:
        """Lock the store, so that no other thread or process creates the same secret."""
        with self._guard:
            if self._read_only:
                yield
                return
            try:
                self._prepare()
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                check_own(self.folder)
            except OSError as error:
                raise StateError(
                    msg(
                        "{parent} cannot be created: {reason}",
                        parent=self.folder,
                        reason=error.strerror,
                    ),
                    hint="free disk space or grant write access",
                ) from error
            try:
                with exclusive(self.folder / "lock", _LOCK_SECONDS):
                    yield
            except TimeoutError:
                raise StateError(
                    msg("{folder} is in use by another labctl", folder=self.folder),
                    hint="run the command again",
                ) from None


def _damaged(path: Path, why: str, *, clock: bool = False) -> StateError:
    """Return the error for a secret that cannot be used; `clock`: a wrong clock may be why."""
    hint = msg(
        "restore the file from a backup. Or rename it: labctl then creates a new "
        "one, and the next `labctl provision` copies it to the nodes"
    )
    if clock:
        hint = msg(
            "check this computer's clock. If it is right, rename the file: labctl "
            "then creates a new one, and the next `labctl provision` copies it to "
            "the nodes"
        )
    return StateError(msg("{path} cannot be used: {why}", path=path, why=why), hint=hint)


def _password() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
