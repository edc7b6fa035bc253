"""The images that the files of an application name: in docker-compose.yml and in Dockerfiles."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_IMAGE = re.compile(r"""(?m)^\s*(?:-\s+)?image:\s*["']?([^\s"'#]+)""")
_FROM = re.compile(r"(?mi)^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?")
_ARG = re.compile(r"(?mi)^\s*ARG\s+(\w+)=[\"']?([^\s\"']*)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")


def images(folder: Path, compose: str) -> Iterator[str]:
    """Yield the images that an application pulls.

    Parameters:
        folder: of the application.
        compose: the name of its compose file.
    """
    dotenv = folder / ".env"
    values = dict(re.findall(r"(?m)^\s*(\w+)=[\"']?([^\s\"']*)", _text(dotenv)))
    for name in _IMAGE.findall(_text(folder / compose)):
        yield _replaced(name, values)
    for file in sorted(folder.rglob("Dockerfile*")):
        text = _text(file)
        stages = {"scratch"}
        for name, stage in _FROM.findall(text):
            image = _replaced(name, dict(_ARG.findall(text)))
            if image.lower() not in stages:
                yield image
            stages.add(stage.lower())


def _text(file: Path) -> str:
    return file.read_text("utf-8", "replace") if file.is_file() else ""


def _replaced(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its variables replaced, as docker-compose does."""
    return _VARIABLE.sub(lambda found: values.get(found[1] or found[3], found[2] or ""), text)
