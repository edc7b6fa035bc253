"""Which language the command line speaks, and the way from English to it.

English is the source: the core raises and emits English sentences and knows no language, JSON and
files stay English, and without a catalogue nothing here is loaded. What people read goes through
two functions just before it is printed: `_` for the command line's own words, and `translated` for
sentences of the core, which have values in them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.cli.i18n.catalogue import Catalogue

LOCALES = Path(__file__).parents[2] / "locale"
OWN_VARIABLE = "LABCTL_LANG"
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""In the order in which gettext asks them."""

_BY_LANGUAGE = {"zh": "zh_CN"}
"""The catalogue for each language whose territory has none of its own, as zh_TW."""

_catalogue: Catalogue | None = None


def _(text: str) -> str:
    """Return a text of the command line in the language that people read; `{}` stays in it."""
    return _catalogue.word(text) if _catalogue else text


def translated(sentence: str) -> str:
    """Return a sentence of the core, with the values that are in it, in that language."""
    return _catalogue.sentence(sentence) if _catalogue else sentence


def catalogue() -> Catalogue | None:
    """Return what is translated with; None where that is not needed."""
    return _catalogue


def localized(name: str) -> str | None:
    """Return the text of a file in the language that people read; None where it has no such file.

    Parameters:
        name: of a file in the language's folder, ``lab.yaml``.
    """
    path = LOCALES / _catalogue.name / name if _catalogue else None
    return path.read_text("utf-8") if path and path.is_file() else None


def activate(environ: Mapping[str, str] = os.environ) -> None:
    """Choose the language for what is printed from now on, and make the streams able to take it."""
    global _catalogue  # noqa: PLW0603 -- as the streams, it belongs to the process
    _catalogue = None
    for stream in (sys.stdout, sys.stderr):
        _never_raising(stream)
    name = chosen(environ)
    if name and all(_holds(stream, "中文") for stream in (sys.stdout, sys.stderr)):
        from labctl.cli.i18n.catalogue import Catalogue

        _catalogue = Catalogue.load(name)


def chosen(
    environ: Mapping[str, str], platform: str = sys.platform, home: Path | None = None
) -> str:
    """Return the name of the catalogue to use, such as "zh_CN"; empty for English.

    Parameters:
        environ: the environment; `LABCTL_LANG` wins, then come gettext's variables in its order,
            and where none of them is set the system's language.
        platform: as `sys.platform` has it.
        home: the user's home; default: the one of this process.
    """
    for variable in (OWN_VARIABLE, *VARIABLES):
        if environ.get(variable):
            return first_known(environ[variable].split(":"))
    return first_known(system_languages(platform, home or Path.home()))


def first_known(tags: Sequence[str]) -> str:
    """Return the catalogue for the first of `tags` (zh_CN.UTF-8, zh-Hans, en) that labctl speaks.

    English is spoken too; its catalogue is the empty name.
    """
    for tag in tags:
        name = tag.partition(".")[0].partition("@")[0].replace("-", "_")
        language = name.partition("_")[0].lower()
        if language in ("en", "c", "posix"):
            return ""
        # Windows' C library calls it "Chinese (Simplified)".
        language = "zh" if language.startswith("chinese") else language
        for known in (name, _BY_LANGUAGE.get(language, "")):
            if known and (LOCALES / known).is_dir():
                return known
    return ""


def system_languages(platform: str, home: Path) -> list[str]:
    """Return the languages of the user's desktop where the environment does not tell; may be none.

    Windows sets none of gettext's variables, and macOS only in its own terminal.
    """
    if platform == "win32":
        import ctypes
        import locale

        library = getattr(ctypes, "windll", None)
        number = library.kernel32.GetUserDefaultUILanguage() if library else 0
        return [locale.windows_locale.get(number, "")]
    if platform == "darwin":
        import plistlib

        try:
            settings = plistlib.loads(
                (home / "Library/Preferences/.GlobalPreferences.plist").read_bytes()
            )
        except (OSError, ValueError, plistlib.InvalidFileException):
            return []
        return [str(tag) for tag in settings.get("AppleLanguages", [])]
    return []


def _encoding(stream: object) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def _holds(stream: object, text: str) -> bool:
    """Tell whether a stream can take `text`."""
    try:
        text.encode(_encoding(stream))
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _never_raising(stream: object) -> None:
    """Let a stream print "?" for what its encoding has not, such as an arrow on a GBK console."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure and not _holds(stream, "→✓…中文🐳"):
        reconfigure(errors="replace")
