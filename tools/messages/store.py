"""The catalogue's files: labctl.po for people, labctl.mo for programs."""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterable
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from labctl.cli.i18n.catalogue import DOMAIN
from labctl.cli.i18n.locale import LOCALES
from tools.messages import screens, sentences, words
from tools.messages.sentences import Found

ROOT = Path(__file__).parents[2]


def messages() -> list[Found]:
    """Return every message of labctl, those of the command line first; none twice."""
    found: dict[str, Found] = {}
    core = sentences.sentences(sentences.read(ROOT))
    others = [Found(text, "tools/messages/words.py") for text in _others()]
    for one in (*screens.helps(), *screens.marked(ROOT), *core, *screens.states(), *others):
        found.setdefault(one.message, one)
    return list(found.values())


def po(language: str) -> Path:
    """Return where the catalogue of a language is kept."""
    return LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def load(language: str) -> Catalog:
    """Return the catalogue of a language as it is kept."""
    with po(language).open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def refresh(old: Catalog, found: Iterable[Found]) -> Catalog:
    """Return a catalogue of the messages found, with the translations that `old` has of them."""
    new = Catalog(
        locale=old.locale,
        domain=DOMAIN,
        header_comment=old.header_comment,
        project="labctl",
        creation_date=old.creation_date,
        revision_date=old.revision_date,
        last_translator=old.last_translator,
        language_team=old.language_team,
        fuzzy=False,
    )
    for one in found:
        known = old.get(one.message)
        holes = [", ".join(f"{{{i}}} {hole}" for i, hole in enumerate(one.holes))]
        new.add(
            one.message,
            known.string if known else "",
            locations=[(one.file, None)],  # type: ignore[list-item]  # numbers would churn
            auto_comments=holes if one.holes else [],
            user_comments=known.user_comments if known else [],
            flags={flag for flag in known.flags if flag == "fuzzy"} if known else set(),
        )
    return new


def as_po(catalogue: Catalog, language: str) -> bytes:
    """Return the text of a .po file, behind the head that the file has.

    The head is kept as people wrote it; Babel's own would change with its version and the time.
    """
    file = io.BytesIO()
    write_po(file, catalogue, width=100, include_lineno=False, omit_header=True)
    head = po(language).read_bytes().partition(b"\n\n")[0]
    # Babel marks what has braces as Python's format; the holes here are labctl's own.
    return head + b"\n\n" + file.getvalue().replace(b"#, python-brace-format\n", b"")


def as_mo(catalogue: Catalog) -> bytes:
    """Return a .mo file: what is translated, and not fuzzy."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def translations(mo: bytes) -> dict[str, str]:
    """Return what a .mo file holds, but for its head."""
    held: dict[str, str] = vars(gettext.GNUTranslations(io.BytesIO(mo)))["_catalog"]
    return {key: text for key, text in held.items() if key}


def missing(catalogue: Catalog) -> list[str]:
    """Return the messages that have no translation, or only a fuzzy one."""
    return [str(m.id) for m in catalogue if m.id and (not m.string or m.fuzzy)]


def _others() -> Iterable[str]:
    return (*words.TYPER, *words.SYSTEM, *words.JOINED)
