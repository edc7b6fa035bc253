"""Synced folders: what `auto` means for a box and a provider, and which options a type takes.

Pure. Options end in a Vagrantfile, and from there in mount's and rsync's command lines and in
/etc/exports, so each must match a pattern, and options that start programs are missing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.config import patterns
from labctl.config.faults import Fault
from labctl.config.patterns import Pattern
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.config.sections import Box, SyncedFolder

_WITH_ADDITIONS = re.compile(r"(bento|ubuntu|hashicorp|generic)/.+")
"""Boxes that are known to contain VirtualBox's Guest Additions. centos/7 has none."""

_ENTERPRISE = re.compile(r"centos/[67]")
"""Boxes whose kernel has no 9p: Red Hat does not build it."""

_OWNER = Pattern(r"[A-Za-z_][A-Za-z0-9._-]{0,63}|[0-9]{1,9}", "a user's or group's name or number")
_MOUNT = Pattern(
    r"[A-Za-z0-9][A-Za-z0-9_.:=,/+@-]*", "an option of mount such as 'ro' or 'dmode=775'"
)
# -e, -M and their long forms choose the program that rsync starts.
_ARGUMENT = Pattern(
    r"-[a-dfgh-zA-LN-Z]+|"
    r"--(?!(rsh|rsync-path|remote-option)(=|$))[a-z][a-z0-9-]*(=[A-Za-z0-9_.:,/*+@-]+)?",
    "an option of rsync such as '-a' or '--delete' that starts no program",
)
_ACCESS = Pattern(r"passthrough|mapped|squash", "passthrough, mapped or squash")
_VERSION = Pattern(r"[34](\.[0-9])?", "a version such as 3, 4 or '4.1'")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of Vagrant's `synced_folder`.

    Parameters:
        kind: bool, int, str or list; a list holds strings.
        types: the types of folders that it applies to.
        shape: pattern of a string, or of each string in a list.
    """

    kind: type
    types: tuple[str, ...]
    shape: Pattern = patterns.TEXT


OF_ONE_PROVIDER = frozenset({"virtualbox", "9p"})
"""Types that one provider has and the others do not."""

_ALL = ("auto", "rsync", "virtualbox", "nfs", "sshfs", "9p", "disabled")
_RSYNC, _NFS = ("auto", "rsync"), ("nfs",)
OPTIONS: dict[str, Option] = {
    "create": Option(bool, _ALL),
    "owner": Option(str, ("auto", "rsync", "virtualbox", "9p"), _OWNER),
    "group": Option(str, ("auto", "rsync", "virtualbox"), _OWNER),
    "mount_options": Option(list, ("virtualbox", "nfs"), _MOUNT),
    "rsync__args": Option(list, _RSYNC, _ARGUMENT),
    "rsync__auto": Option(bool, _RSYNC),
    "rsync__chown": Option(bool, _RSYNC),
    "rsync__exclude": Option(list, _RSYNC),
    "rsync__verbose": Option(bool, _RSYNC),
    "automount": Option(bool, ("virtualbox",)),
    "SharedFoldersEnableSymlinksCreate": Option(bool, ("virtualbox",)),
    "nfs_export": Option(bool, _NFS),
    "nfs_udp": Option(bool, _NFS),
    "nfs_version": Option(str, _NFS, _VERSION),
    "map_uid": Option(int, _NFS),
    "map_gid": Option(int, _NFS),
    "linux__nfs_options": Option(list, _NFS, _MOUNT),
    "bsd__nfs_options": Option(list, _NFS, _MOUNT),
    "accessmode": Option(str, ("9p",), _ACCESS),
    "mount": Option(bool, ("9p",)),
}
"""The allowed `options`, by Vagrant's names."""

_KINDS = {
    bool: msg("true or false"),
    int: msg("a whole number"),
    str: msg("a string"),
    list: msg("a list of strings"),
}


def resolved(
    folder: SyncedFolder,
    spec: LabSpec,
    own: Collection[str],
    *,
    additions: bool = True,
    box: Box | None = None,
) -> str:
    """Return the type of a folder, with auto resolved.

    Parameters:
        folder: of the lab.
        spec: the lab.
        own: the types that only the lab's provider has; see `Provider.folder_types`.
        additions: vbguest can install Guest Additions here.
        box: of the node; None: the lab's.
    """
    if folder.type != "auto":
        return folder.type
    name = (box or spec.box).name
    there = bool(_WITH_ADDITIONS.fullmatch(name)) or (spec.vbguest and additions)
    return "virtualbox" if "virtualbox" in own and there else "rsync"


def options(folder: SyncedFolder, kind: str) -> dict[str, Any]:
    """Return the options of a folder of the type `kind`, as Vagrant gets them.

    rsync always excludes labctl's state, because it holds the keys of the nodes.
    """
    found = {
        key: list(value) if isinstance(value, list | tuple) else value
        for key, value in folder.options.items()
        if kind in OPTIONS[key].types
    }
    if kind == "rsync":
        found["rsync__exclude"] = [".labctl/", *found.get("rsync__exclude", [])]
    return found


def check(spec: LabSpec) -> Iterator[Fault]:
    """Yield what is wrong with the options of the lab's folders."""
    for index, folder in enumerate(spec.synced_folders):
        yield from _options(("synced_folders", index, "options"), folder.options, folder.type)


def _options(at: tuple[str | int, ...], values: Mapping[str, Any], type_: str) -> Iterator[Fault]:
    fitting = [key for key, option in OPTIONS.items() if type_ in option.types]
    for key, value in values.items():
        option = OPTIONS.get(key)
        if option is None:
            known = msg("options of type {type}: {fitting}", type=type_, fitting=", ".join(fitting))
            yield Fault((*at, key), "is not an option of a synced folder", known)
        elif type_ not in option.types:
            yield Fault(
                (*at, key),
                msg("has no effect on a folder of type {type}", type=type_),
                "leave it out",
            )
        elif problem := _value_problem(value, option):
            yield Fault((*at, key), problem)


def _value_problem(value: object, option: Option) -> str | None:
    listed = list(value) if isinstance(value, list | tuple) else value
    # True is an int in Python, but not here.
    if type(listed) is not option.kind:
        return msg(
            "must be {wanted}, is {value}", wanted=_KINDS[option.kind], value=patterns.shown(value)
        )
    texts = listed if isinstance(listed, list) else [listed] if isinstance(listed, str) else []
    for text in texts:
        if not isinstance(text, str):
            return msg("must be a list of strings, has {text}", text=patterns.shown(text))
        if problem := option.shape.problem(text):
            return problem
    return None


def unfit(folder: SyncedFolder, spec: LabSpec, *, additions: bool = True) -> tuple[str, str] | None:
    """Return (message, hint) if a box of the lab cannot mount a folder of this type, else None.

    Only boxes that are known by name are judged. A box from the user's own file may support all.
    """
    boxes = dict.fromkeys(((spec.box.name, spec.box.url),)) | {
        (node.box.name, node.box.url): None for node in spec.node_options if node.box
    }
    found = (_unfit(folder, name, spec, additions) for name, url in boxes if url is None)
    return next((problem for problem in found if problem), None)


def _unfit(
    folder: SyncedFolder, box: str, spec: LabSpec, additions: bool
) -> tuple[str, str] | None:
    if folder.type == "9p" and _ENTERPRISE.fullmatch(box):
        return msg("the kernel of {box} has no 9p", box=box), msg("use type rsync or nfs")
    if folder.type == "virtualbox" and box.startswith("centos/"):
        if not spec.vbguest:
            hint = msg("use type rsync, or set vbguest: true to have the plugin install them")
            return msg("the box {name} has no Guest Additions", name=box), hint
        if not additions:
            message = msg("vagrant-vbguest crashes on the Ruby of this Vagrant (3.2 or newer)")
            return message, msg("use type rsync; the plugin is no longer maintained")
    return None
