"""The images that a class uses: those of lab.yaml, of the playbooks, and of the course."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from labctl.config import patterns
from labctl.config.image_name import ImageName
from labctl.config.values import Is, Part
from labctl.errors import UsageError
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.lab.lab import Lab

FILE = "images.toml"
"""In a folder of the course: the images of its exercises, by the word that they use for it."""


def class_images(lab: Lab) -> tuple[ImageName, ...]:
    """Return the images that a class uses, each once, in a stable order.

    Raises:
        PlaybookError: a playbook cannot be loaded.
        UsageError: the course's list of images cannot be read.
    """
    names = [*_of_lab(lab), *sorted(course_images(lab.workspace.course).values())]
    return tuple({image.source: image for image in map(ImageName.parse, names)}.values())


def course_images(folders: tuple[Path, ...]) -> dict[str, str]:
    """Return the images of the course's exercises, by the word that they use for each.

    Parameters:
        folders: of exercises; the first one's names replace those of the others.

    Raises:
        UsageError: a file is not TOML, or a value is not text.
    """
    names: dict[str, str] = {}
    for folder in reversed(folders):
        file = folder / FILE
        if not file.is_file():
            continue
        try:
            found = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise _unreadable(file, str(error)) from error
        for word, name in found.items():
            if not isinstance(name, str):
                raise _unreadable(file, msg("{word} must be a text", word=word))
            names[word] = name
    return names


def _of_lab(lab: Lab) -> Iterator[str]:
    """Yield the images that keys of the lab's playbooks name; see `labctl.config.keys`."""
    for book in lab.playbooks():
        if book.settings is not None and book.settings.keys is not None:
            for key, field in book.settings.keys.model_fields.items():
                yield from _images(getattr(lab.spec, key), field.annotation, field.metadata)


def _images(value: object, kind: object, metadata: Iterable[object]) -> Iterator[str]:
    """Yield the images in a value of lab.yaml.

    Parameters:
        value: the value.
        kind: its annotation.
        metadata: what the annotation says besides.
    """
    if isinstance(value, Part):
        for key, field in type(value).model_fields.items():
            yield from _images(getattr(value, key), field.annotation, field.metadata)
    elif isinstance(value, tuple):
        inner = get_args(kind)[0]
        for item in value:
            yield from _images(item, inner, getattr(inner, "__metadata__", ()))
    elif isinstance(value, str) and any(
        isinstance(one, Is) and one.shape is patterns.IMAGE for one in metadata
    ):
        yield value


def _unreadable(file: Path, why: str) -> UsageError:
    return UsageError(
        msg("{path} cannot be read: {reason}", path=file, reason=why),
        hint=msg('each line names an image: redis = "redis:5-alpine"'),
    )
