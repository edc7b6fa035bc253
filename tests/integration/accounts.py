"""Accounts with passwords, for an sshd whose /etc/passwd and /etc/shadow are its own.

They exist in the mount namespace of that sshd alone, so the machine that the tests run on stays as
it is. The accounts have no rights there, and sudo does not know them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_FIRST = 61000
_INSIDE = """\
folder=$1
shift
for file in passwd shadow pam.d/sshd; do
  mkdir -p "$(dirname "/etc/$file")"
  [ -e "/etc/$file" ] || exit 2
  mount --bind "$folder/$file" "/etc/$file" || exit 2
done
exec "$@"
"""


class Accounts:
    """Accounts named by `passwords`, each with a home below a folder.

    Parameters:
        folder: for their homes and files; others must be able to enter it.
        passwords: by name.
        expired: PAM also asks for a new password.
    """

    def __init__(self, folder: Path, passwords: Mapping[str, str], *, expired: bool) -> None:
        self._folder = folder
        (folder / "pam.d").mkdir()
        for name in ("passwd", "shadow"):
            shutil.copy(f"/etc/{name}", folder / name)
        kinds = ("auth", "account", "password")
        service = [f"{kind} required pam_unix.so" for kind in kinds]
        (folder / "pam.d/sshd").write_text(
            "\n".join([*service, "session required pam_permit.so\n"])
        )
        for number, (name, password) in enumerate(passwords.items(), _FIRST):
            home = self.home(name)
            home.mkdir()
            os.chown(home, number, number)
            with (folder / "passwd").open("a") as file:
                file.write(f"{name}:x:{number}:{number}::{home}:/bin/sh\n")
            made = subprocess.run(
                ["openssl", "passwd", "-6", "-stdin"],
                input=f"{password}\n",
                capture_output=True,
                text=True,
                check=True,
            )
            with (folder / "shadow").open("a") as file:
                file.write(f"{name}:{made.stdout.strip()}:{0 if expired else 19000}:0:99999:7:::\n")

    def home(self, name: str) -> Path:
        """Return the home of an account."""
        return self._folder / name

    @property
    def inside(self) -> tuple[str, ...]:
        """A command that runs another one where the accounts exist."""
        return (
            *("unshare", "--mount", "--propagation=private"),
            *("sh", "-c", _INSIDE, "sh", str(self._folder)),
        )
