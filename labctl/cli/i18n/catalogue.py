"""Translated sentences, found again by their shape.

The core says "cannot read lab.yaml: No such file or directory"; the catalogue holds "cannot read
{}: {}". So a sentence is looked up as it stands, and else it is matched against the templates, the
most specific first; the values found in it go into the translation, translated themselves where
they are sentences. What nothing matches stays English, which is better than no word at all.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterable, Mapping
from functools import cached_property

from labctl.cli.i18n.locale import LOCALES

DOMAIN = "labctl"
HOLE = re.compile(r"\{\{|\}\}|\{[0-9]*\}")
_LISTS = (("\n", "\n"), ("; ", "；"))
"""What separates sentences that are told together, in English and in Chinese."""


class Template:
    """A message with holes, `{}` each; a brace that is meant is doubled.

    Parameters:
        message: the English one.
        translation: whose holes may be numbered from 0: ``{1}``.
    """

    def __init__(self, message: str, translation: str) -> None:
        self.message = message
        self.translation = translation
        self.texts = tuple(texts(message))
        self.letters = sum(map(len, self.texts))

    def values(self, sentence: str) -> tuple[str, ...] | None:
        """Return what stands in the holes, None if `sentence` has not this shape."""
        at = 0
        for text in self.texts:  # quicker than an expression, of which most would be in vain
            at = sentence.find(text, at)
            if at < 0:
                return None
            at += len(text)
        found = self._pattern.fullmatch(sentence)
        return found.groups() if found else None

    def filled(self, values: Iterable[str]) -> str:
        """Return the translation with `values` in its holes."""
        return self.translation.format(*values)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pattern = re.escape(self.texts[0])
        for index, text in enumerate(self.texts[1:]):
            # Two holes side by side: the second is what a condition adds, behind a comma.
            beside = index > 0 and not self.texts[index]
            pattern += ("(|, .*?)" if beside else "(.*?)") + re.escape(text)
        return re.compile(pattern, re.DOTALL)


class Catalogue:
    """The messages of one language.

    Parameters:
        messages: translations by English message.
        name: of the language, ``zh_CN``.
    """

    def __init__(self, messages: Mapping[str, str], name: str = "") -> None:
        self._messages = messages
        self.name = name

    @classmethod
    def load(cls, name: str) -> Catalogue:
        """Return labctl's catalogue of that name."""
        with (LOCALES / name / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as file:
            loaded = gettext.GNUTranslations(file)
        # gettext finds single messages only; all of them stand in this dictionary since Python 2.
        messages: dict[str, str] = vars(loaded)["_catalog"]
        return cls({key: text for key, text in messages.items() if key and text}, name)

    def word(self, text: str) -> str:
        """Return the translation of a message as it stands in the source, else the message."""
        return self._messages.get(text, text)

    def sentence(self, text: str) -> str:
        """Return the translation of a sentence that may have values in it, else the sentence."""
        found = self._sentence(text)
        return text if found is None else found

    def help(self, text: str) -> str:
        """Return a help text of several paragraphs, each one translated; blank lines part them."""
        paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
        return "\n\n".join(map(self.word, paragraphs))

    @cached_property
    def _templates(self) -> list[Template]:
        found = [Template(key, text) for key, text in self._messages.items() if is_template(key)]
        return sorted(found, key=lambda t: (-t.letters, len(t.texts), t.message))

    def _sentence(self, text: str) -> str | None:
        exact = self._messages.get(text)
        if exact is not None and not is_template(text):
            return exact
        for template in self._templates:
            values = template.values(text)
            if values is not None:
                return template.filled(map(self._value, values))
        return self._several(text)

    def _several(self, text: str) -> str | None:
        """Translate what is joined of sentences, or is a sentence behind a name and a colon."""
        for separator, chinese in _LISTS:
            if separator in text:
                parts = text.split(separator)
                found = [self._part(part) for part in parts]
                if any(part is not None for part in found):
                    both = zip(parts, found, strict=True)
                    return chinese.join(old if new is None else new for old, new in both)
        at = text.find(": ")
        while at >= 0:
            behind = self._part(text[at + 2 :])
            if behind is not None:
                return f"{self._value(text[:at])}：{behind}"
            at = text.find(": ", at + 1)
        return None

    def _part(self, text: str) -> str | None:
        # One word may be anybody's name; what has a blank in it and is known is a sentence.
        return self._sentence(text) if " " in text.strip() else None

    def _value(self, text: str) -> str:
        if text.startswith(", "):
            found = self._part(text[2:])
            return text if found is None else f"，{found}"
        found = self._part(text)
        return text if found is None else found


def is_template(message: str) -> bool:
    """Tell whether a message has holes."""
    return any(found not in ("{{", "}}") for found in HOLE.findall(message))


def texts(message: str) -> list[str]:
    """Return what stands before, between and behind the holes of a template."""
    found = [""]
    at = 0
    for hole in HOLE.finditer(message):
        found[-1] += message[at : hole.start()]
        at = hole.end()
        if hole.group() in ("{{", "}}"):
            found[-1] += hole.group()[0]
        else:
            found.append("")
    found[-1] += message[at:]
    return found
