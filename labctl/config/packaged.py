"""The folders that labctl brings with it: playbooks, templates and the course's exercises."""

from __future__ import annotations

from pathlib import Path


def packaged(name: str) -> Path:
    """Return labctl's own folder `name`.

    An installed labctl has it in its package, below _data; a checkout has it beside the package.
    """
    package = Path(__file__).parents[1]
    installed = package / "_data" / name
    return installed if installed.is_dir() else package.parent / name
