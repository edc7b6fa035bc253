"""The language of the command line, and translation from English.

The core, JSON and files are English only. Text for people goes through `_` just before it is
printed. Without a translation, English is printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import labctl.messages
from labctl.messages import Message, msg

if TYPE_CHECKING:
    from gettext import GNUTranslations

DOMAIN = "labctl"
LOCALES = Path(labctl.messages.__file__).parent
OWN_VARIABLE = "LABCTL_LANG"
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""The variables that gettext reads, in its order."""

_BY_LANGUAGE = {"zh": "zh_CN"}
"""The catalogue for a language whose territory, such as zh_TW, has none of its own."""


class _Chosen:
    """The choice of `activate`, which belongs to the process, as the standard streams do."""

    name = ""
    translations: GNUTranslations | None = None


def _(text: str, /, **values: object) -> str:
    """Return a text in the language of the user; in English if it has no translation.

    Parameters:
        text: a message, or a template for `values` as in `msg`.
        values: translated as well, if they are messages or sentences.
    """
    if values:
        text = msg(text, **values)
    found = _Chosen.translations
    if found is None or not text:
        return text
    if not isinstance(text, Message) or not text.values:
        return found.gettext(text)
    inner = {
        # A single word may be a name. A text with a space is a sentence, if it has a translation.
        name: _(value)
        if isinstance(value, Message) or (isinstance(value, str) and " " in value)
        else value
        for name, value in text.values.items()
    }
    return found.gettext(text.template).format(**inner)


def is_english() -> bool:
    """Return True if nothing needs to be translated."""
    return _Chosen.translations is None


def localized(name: str) -> str | None:
    """Return the text of a file in the user's language; None if there is no such file.

    Parameters:
        name: of a file in the language's folder, ``lab.yaml``.
    """
    path = LOCALES / _Chosen.name / name
    return path.read_text("utf-8") if _Chosen.name and path.is_file() else None


def activate(environ: Mapping[str, str] = os.environ) -> None:
    """Choose the language of everything printed from now on, and let the streams encode it."""
    _Chosen.name, _Chosen.translations = "", None
    for stream in (sys.stdout, sys.stderr):
        _never_raising(stream)
    name = chosen(environ)
    if name and all(_holds(stream, "中文") for stream in (sys.stdout, sys.stderr)):
        from gettext import GNUTranslations

        with _compiled(name).open("rb") as file:
            _Chosen.name, _Chosen.translations = name, GNUTranslations(file)


def chosen(
    environ: Mapping[str, str], platform: str = sys.platform, home: Path | None = None
) -> str:
    """Return the name of the catalogue to use, such as "zh_CN"; empty for English.

    Parameters:
        environ: the environment; `LABCTL_LANG` first, then gettext's variables in its order; if
            none is set, the system's language.
        platform: as `sys.platform` has it.
        home: the user's home; default: the one of this process.
    """
    for variable in (OWN_VARIABLE, *VARIABLES):
        if environ.get(variable):
            return first_known(environ[variable].split(":"))
    return first_known(system_languages(platform, home or Path.home()))


def first_known(tags: Sequence[str]) -> str:
    """Return the catalogue for the first of `tags` (zh_CN.UTF-8, zh-Hans, en) that labctl has.

    English has the empty name.
    """
    for tag in tags:
        name = tag.partition(".")[0].partition("@")[0].replace("-", "_")
        language = name.partition("_")[0].lower()
        if language in ("en", "c", "posix"):
            return ""
        # Windows' C library calls it "Chinese (Simplified)".
        language = "zh" if language.startswith("chinese") else language
        for known in (name, _BY_LANGUAGE.get(language, "")):
            if known and _compiled(known).is_file():
                return known
    return ""


def _compiled(name: str) -> Path:
    return LOCALES / name / "LC_MESSAGES" / f"{DOMAIN}.mo"


def system_languages(platform: str, home: Path) -> list[str]:
    """Return the languages of the user's desktop; may be none.

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


def _holds(stream: object, text: str) -> bool:
    """Return True if a stream can encode `text`."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _never_raising(stream: object) -> None:
    """Let a stream print "?" for characters that its encoding lacks, as on a GBK console."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure and not _holds(stream, "→✓…中文🐳"):
        reconfigure(errors="replace")
