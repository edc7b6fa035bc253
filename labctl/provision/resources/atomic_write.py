"""How a file is replaced on a node: whole or not at all, and never without telling its service.

File, Block and DaemonJson all end in the script that is built here.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Literal

from labctl.provision.resources.base import PENDING, printer, quote


@dataclass(frozen=True, slots=True)
class LoadedBy:
    """The service that reads a file, and how it takes notice of a new one.

    Before the file is replaced, a mark is left on the node (see `PENDING`) and the old file is kept
    beside it. The `Service` resource restarts or reloads, and takes the mark away only when that
    went well: a run that dies in between loses no restart, and a service that does not come back
    gets its old file.
    """

    service: str
    how: Literal["restart", "reload"] = "restart"

    def marking(self, path: str) -> list[str]:
        """Return the lines of sh that leave the mark for `path`."""
        kept = f"{PENDING}/{self.service}.old{path}"
        return [
            f"mkdir -p {quote(posixpath.dirname(kept))}",
            f"if [ -e {quote(path)} ]; then",
            f"  [ -e {quote(kept)} ] || cp -p {quote(path)} {quote(kept)}",
            f"else : >{quote(kept + '.absent')}; fi",
            f": >{quote(f'{PENDING}/{self.service}.{self.how}')}",
        ]


def replacing(
    path: str,
    content: str,
    *,
    mode: str = "",
    owner: str = "",
    check: str = "",
    loaded_by: LoadedBy | None = None,
    backup: str = "",
) -> str:
    """Return sh that replaces the file `path` with `content`.

    The new text goes to a temporary file in the same folder and takes the final name by one rename,
    so a full disk, a kill or a failing `check` leave the old file as it was.

    Parameters:
        path: absolute path on the node; a link is followed, so that the link itself stays.
        content: the whole new text.
        mode: octal mode; empty keeps the one of the file that stands there, else 0644.
        owner: ``user:group``; empty keeps the one of the file that stands there.
        check: sh that judges the new file, given as ``$new``; non-zero refuses it.
        loaded_by: the service that has to take notice.
        backup: path to keep a copy of the first file found there, once; empty keeps none.
    """
    lines = [
        "set -eu",
        f"mkdir -p {quote(posixpath.dirname(path))}",
        f"target=$(readlink -m {quote(path)})",
        'new=$(mktemp "$target.XXXXXX")',
        "trap 'rm -f \"$new\"' EXIT",
        f'{printer(content)} >"$new"',
    ]
    if owner:
        lines.append(f'chown {quote(owner)} "$new"')
    else:
        lines.append('if [ -e "$target" ]; then chown --reference="$target" "$new"; fi')
    # After the owner: chown takes set-id bits away.
    if mode:
        lines.append(f'chmod {quote(mode)} "$new"')
    else:
        lines.append('chmod 0644 "$new"')
        lines.append('if [ -e "$target" ]; then chmod --reference="$target" "$new"; fi')
    if check:
        # Not `( … ) || …`, in which a shell would ignore the check's own `set -e`.
        lines += [
            f"set +e\n( {check}\n)\nstatus=$?\nset -e",
            "[ $status = 0 ] || { echo 'the new file was refused by its check'; exit 1; }",
        ]
    if backup:
        lines.append(
            f'if [ -e "$target" ] && [ ! -e {quote(backup)} ]; '
            f'then cp -p "$target" {quote(backup)}; fi'
        )
    if loaded_by is not None:
        lines += loaded_by.marking(path)
    lines += [
        # -T: where a folder stands in the way, fail instead of moving the file into it.
        'mv -fT "$new" "$target"',
        "trap - EXIT",
        # A file made by mktemp has the folder's SELinux type, which is not always the file's own.
        'if command -v restorecon >/dev/null 2>&1; then restorecon "$target" || :; fi',
    ]
    return "\n".join(lines)
