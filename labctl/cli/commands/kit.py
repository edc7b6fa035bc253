"""`labctl kit`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.groups import SuggestingGroup
from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, with_json
from labctl.cli.output.terminal import say, say_json
from labctl.cli.session import sink
from labctl.events import Notice
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.errors import LabctlError

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the kit.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(
        cls=SuggestingGroup,
        help="Carry a lab to computers without a network.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands.command("make")(make)
    commands.command("verify")(verify)
    commands.command("serve")(serve)
    commands.command("fetch")(fetch)
    app.add_typer(commands, name="kit")


def make(
    context: typer.Context,
    folder: Folder,
    add: Annotated[
        list[Path] | None,
        typer.Option(
            "--add", metavar="FILE", help="Also carry this file or folder; may be repeated."
        ),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            "--system", metavar="NAME", help="Only for linux, macos or windows; may be repeated."
        ),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option(
            "--python",
            metavar="VERSION",
            help="Only for this Python, such as 3.12; may be repeated.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split", metavar="SIZE", help="Split larger files, such as 4GiB; default on FAT32."
        ),
    ] = None,
    no_wheels: Annotated[
        bool, typer.Option("--no-wheels", help="Leave labctl itself out.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put everything that the lab needs into a folder.

    The content is derived from lab.yaml, its playbooks and its course. Made again, the folder gets
    only what changed; an interrupted run is resumed.
    """
    from labctl.kit.wheels import PYTHONS, SYSTEMS
    from labctl.lab.actions import kit as action
    from labctl.lab.workspace import Workspace

    with_json(context, as_json)
    options = action.KitOptions(
        systems=_chosen(system, SYSTEMS, "--system"),
        pythons=_versions(python) or PYTHONS,
        add=tuple(add or ()),
        limit=None if split is None else _size(split),
        wheels=not no_wheels,
    )
    workspace = Workspace.find(context.obj.lab)
    workspace.expect_lab()
    with sink(context) as emit, _resumable():
        made = action.make(workspace, folder, options, emit)
    if context.obj.as_json:
        say_json(
            {
                "event": "kit",
                "folder": str(made.folder),
                "digest": made.digest,
                "files": made.files,
                "size": made.size,
                "written": made.written,
            }
        )
        return
    say(
        _(
            "{folder}: {files} files, {size}, of which {written} are new",
            folder=made.folder,
            files=made.files,
            size=_bytes(made.size),
            written=_bytes(made.written),
        )
    )
    say(_("digest: {digest}", digest=made.digest))


def verify(
    context: typer.Context,
    folder: Folder,
    digest: Annotated[
        str | None,
        typer.Option("--digest", metavar="HEX", help="The digest that `kit make` printed."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare every file of a kit with its manifest; print its digest."""
    from labctl.kit.folder import Kit
    from labctl.lab.actions.kit_room import is_digest_of

    with_json(context, as_json)
    kit = Kit.open(folder)
    findings = kit.check()
    wrong = ""
    if digest is not None and not is_digest_of(digest, kit.digest):
        wrong = msg("the digest is not {digest}", digest=digest)
    if context.obj.as_json:
        found = [{"path": finding.path, "message": finding.message} for finding in findings]
        say_json(
            {
                "event": "kit",
                "folder": str(folder),
                "digest": kit.digest,
                "matches": not wrong,
                "findings": found,
            }
        )
    else:
        for finding in findings:
            say(f"{finding.path}{_(': ')}{_(finding.message)}")
        say(_("digest: {digest}", digest=kit.digest))
        if wrong:
            say(_(wrong))
        elif not findings:
            say(
                _(
                    "all {count} files are as the manifest lists them",
                    count=len(kit.manifest.files),
                )
            )
    if findings or wrong:
        raise typer.Exit(1)


def serve(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="A kit, for the room; default: the lab's kit."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="For the room.")
    ] = 5443,
    as_json: Json = False,
) -> None:
    """Serve a kit to the lab's nodes, or to the room, until Ctrl-C.

    Without FOLDER, the nodes of this lab pull images and install packages from the lab's kit.

    With FOLDER, other computers copy the kit with `labctl kit fetch`.
    """
    import time

    from labctl.cli.session import notices, open_lab
    from labctl.kit.folder import Kit
    from labctl.lab.actions import kit_room

    with_json(context, as_json)
    with contextlib.ExitStack() as stack:
        emit = notices(context)
        data: dict[str, object]
        if folder is None:
            lab = open_lab(context, emit)
            stack.enter_context(lab.supply)
            nodes = kit_room.serve_nodes(lab)
            data, kit = {"nodes": nodes}, lab.kit
            line = _("the kit is served to {nodes}", nodes=", ".join(nodes))
        else:
            kit = Kit.open(folder)

            def report(error: LabctlError) -> None:
                emit(Notice("", error.message))

            url = stack.enter_context(kit_room.serving(kit, port, report))
            data = {"url": url}
            line = _("labctl kit fetch {url} FOLDER --digest {digest}", url=url, digest=kit.digest)
        assert kit is not None
        if context.obj.as_json:
            say_json({"event": "kit", "digest": kit.digest, **data})
        else:
            say(line)
            say(_("press Ctrl-C to end"), err=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(1)


def fetch(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="As `labctl kit serve` prints it.")],
    folder: Folder,
    digest: Annotated[str, typer.Option("--digest", metavar="HEX", help="The digest of the kit.")],
    as_json: Json = False,
) -> None:
    """Copy a kit from a computer that serves it.

    Every file is compared with the digest. Made again, only what differs is copied.
    """
    from labctl.lab.actions import kit_room

    with_json(context, as_json)
    with sink(context) as emit, _resumable():
        kit = kit_room.fetch(url, folder, digest, emit)
    count, size = len(kit.manifest.files), kit.manifest.size
    if context.obj.as_json:
        say_json({"event": "kit", "folder": str(folder), "digest": kit.digest, "files": count,
                  "size": size})  # fmt: skip
    else:
        say(_("{folder}: {files} files, {size}", folder=folder, files=count, size=_bytes(size)))


@contextlib.contextmanager
def _resumable() -> Iterator[None]:
    """Say after Ctrl-C that nothing is lost."""
    from labctl.errors import Interrupted

    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted", hint="nothing is lost; run the same command again to resume"
        ) from None


def _chosen(values: list[str] | None, known: tuple[str, ...], flag: str) -> tuple[str, ...]:
    from labctl.cli.run_options import names
    from labctl.config.nearest import suggestion
    from labctl.errors import UsageError

    chosen = names(values)
    for name in chosen:
        if name not in known:
            raise UsageError(
                msg("{flag}: unknown {name!r}", flag=flag, name=name),
                hint=suggestion(name, known, msg("available: {known}", known=", ".join(known))),
            )
    return chosen or known


def _versions(values: list[str] | None) -> tuple[str, ...]:
    import re

    from labctl.cli.run_options import names
    from labctl.errors import UsageError

    chosen = names(values)
    for version in chosen:
        if not re.fullmatch(r"3\.[0-9]{1,2}", version) or int(version[2:]) < 11:
            raise UsageError(
                msg("--python: {version!r} is not a version from 3.11 on", version=version),
                hint="such as --python 3.12",
            )
    return chosen


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _size(text: str) -> int:
    """Return the bytes of a size such as ``4GiB``."""
    import re

    from labctl.errors import UsageError

    found = re.fullmatch(r"([0-9]{1,12})\s*([KMG]?)(i?B)?", text.strip(), re.IGNORECASE)
    size = int(found[1]) * _UNITS[found[2].upper()] if found else 0
    if size < 1 << 20:
        raise UsageError(
            msg("--split: {text!r} is not a size from 1MiB on", text=text),
            hint="such as --split 4GiB",
        )
    # The largest file of FAT32 is one byte smaller than the number that people say.
    return size - 1 if size == 4 << 30 else size


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
