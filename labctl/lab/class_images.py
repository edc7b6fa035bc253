"""The images that a class uses: those of lab.yaml, of the playbooks, and of the course."""

from __future__ import annotations

import ast
import contextlib
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from labctl.config import patterns
from labctl.config.image_name import ImageName
from labctl.config.values import Is, Part
from labctl.errors import UsageError
from labctl.lab.sections import discover
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
    names = [
        *_of_lab(lab),
        *_of_tests(lab),
        *sorted(course_images(lab.workspace.course).values()),
    ]
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
    """Yield the images that keys of the lab's playbooks name, and their functions `pulled_images`.

    See `labctl.config.keys` and `labctl.provision.play`.
    """
    for book in lab.playbooks():
        if book.pulled_images is not None:
            yield from _checked(book.pulled_images(lab.spec), book.folder / "play.py")
        if book.settings is not None and book.settings.keys is not None:
            for key, field in book.settings.keys.model_fields.items():
                yield from _images(getattr(lab.spec, key), field.annotation, field.metadata)


def _of_tests(lab: Lab) -> Iterator[str]:
    """Yield the images that checks and exercises list as ``IMAGES``."""
    files = [book.verify for book in lab.playbooks() if book.verify is not None]
    files += [file for section in discover(lab) for file in section.files]
    for file in files:
        yield from _checked(listed_images(file), file)


def listed_images(file: Path) -> tuple[object, ...]:
    """Return the value of ``IMAGES`` in a Python file, which is not run; none if it has none."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (OSError, SyntaxError, ValueError):
        return ()
    for node in tree.body:
        if isinstance(node, ast.Assign) and "IMAGES" in map(ast.unparse, node.targets):
            with contextlib.suppress(ValueError, TypeError):
                return tuple(ast.literal_eval(node.value))
    return ()


def _checked(names: Iterable[object], file: Path) -> Iterator[str]:
    """Yield names of images.

    Raises:
        UsageError: one is not the name of an image.
    """
    for name in map(str, names):
        if problem := patterns.IMAGE.problem(name):
            raise _unreadable(file, problem)
        yield name


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
