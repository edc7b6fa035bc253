"""The README of a kit: how to use it, for somebody who has nothing but the kit."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.storage import read_script

_FILES = {"README.md": "readme.en.md", "README.zh-CN.md": "readme.zh.md"}


def texts(lab: str, pythons: Sequence[str]) -> dict[str, str]:
    """Return the README's texts, by file name.

    Parameters:
        lab: the lab's name.
        pythons: the versions of Python that the kit has labctl for.
    """
    return {
        name: read_script(__file__, source)
        .replace("{lab}", lab)
        .replace("{pythons}", ", ".join(pythons))
        for name, source in _FILES.items()
    }
