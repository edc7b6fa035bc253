"""The catalogue: its files agree, and every sentence finds its own translation."""

from __future__ import annotations

import ast
import re
from itertools import cycle

from labctl.cli.i18n.catalogue import HOLE, Catalogue, Template, is_template, texts
from tools.messages import store
from tools.messages.sentences import Found, Source, sentences

PO = store.load("zh_CN")
ENTRIES = [(str(m.id), str(m.string)) for m in PO if m.id and m.string and not m.fuzzy]
SAMPLES = ("v1", "/srv/v2", "v-3", "4", "v5")


def holes(text: str) -> list[int]:
    """Return which values a text takes, in the numbers of the message's."""
    found = [hole for hole in HOLE.findall(text) if hole not in ("{{", "}}")]
    return [int(hole[1:-1]) if hole != "{}" else index for index, hole in enumerate(found)]


def test_the_compiled_catalogue_is_that_of_the_text() -> None:
    compiled = store.po("zh_CN").with_suffix(".mo").read_bytes()
    assert store.translations(compiled) == dict(ENTRIES), "run `make messages`"


def test_a_translation_takes_the_values_of_its_message() -> None:
    wrong = []
    for message, translation in ENTRIES:
        # English shows a plural with a letter behind its word, which Chinese does without.
        plural = {i for i, text in enumerate(texts(message)[:-1]) if re.search("[a-z]$", text)}
        taken, given = set(holes(translation)), set(holes(message))
        numbered = re.search(r"\{[0-9]", translation)
        if not given - plural <= taken <= given or (numbered and "{}" in translation):
            wrong.append((message, translation))
    assert wrong == []


def test_blanks_behind_a_message_stay() -> None:
    """In front Chinese may have one, before a Latin word; line breaks are kept."""
    wrong = [
        (message, translation)
        for message, translation in ENTRIES
        if message.count("\n") != translation.count("\n")
        or (translation.endswith(" ") and not message.endswith(" "))
        or (message.startswith("  ") and not translation.startswith("  "))
    ]
    assert wrong == []


def test_no_template_swallows_the_sentence_of_another() -> None:
    catalogue = Catalogue(dict(ENTRIES))
    wrong = []
    for message, translation in ENTRIES:
        if is_template(message):
            parts = texts(message)
            # Of two holes side by side the second is what a condition adds, behind a comma.
            values = [
                f", {sample}" if index and not parts[index] else sample
                for index, sample in zip(range(len(parts) - 1), cycle(SAMPLES), strict=False)
            ]
            sentence = message.format(*values)
            if catalogue.sentence(sentence) != translation.format(*values):
                wrong.append((sentence, catalogue.sentence(sentence)))
        elif catalogue.sentence(message) != translation:
            wrong.append((message, catalogue.sentence(message)))
    assert wrong == []


def test_a_template_without_words_is_none() -> None:
    bare = [
        m for m, _ in ENTRIES if is_template(m) and not re.search("[A-Za-z:]", "".join(texts(m)))
    ]
    assert bare == []


def test_the_most_specific_template_wins() -> None:
    catalogue = Catalogue({"use {}": "用{}", "use {} or {}": "用{}或{}", "use that": "用那个"})
    assert catalogue.sentence("use a") == "用a"
    assert catalogue.sentence("use a or b") == "用a或b"
    assert catalogue.sentence("use that") == "用那个"


def test_values_that_are_sentences_are_translated() -> None:
    catalogue = Catalogue(
        {
            "it failed: {}": "失败：{}",
            "no such file": "没有文件",
            "word": "词",
            ", line {}": "第{}行",
        }
    )
    assert catalogue.sentence("it failed: no such file") == "失败：没有文件"
    assert catalogue.sentence("it failed: word") == "失败：word"
    assert catalogue.sentence("a: no such file") == "a：没有文件"
    assert catalogue.sentence("no such file; it failed: 1") == "没有文件；失败：1"
    assert catalogue.sentence("no such file\nother") == "没有文件\nother"


def test_braces_that_are_meant_are_kept() -> None:
    template = Template('add {{"{}": 1}}', '加 {{"{}": 1}}')
    assert template.values('add {"x": 1}') == ("x",)
    assert template.filled(["{0}"]) == '加 {"{0}": 1}'
    assert not is_template("`box: {url: …}`")


SOURCE = '''
TABLE = (("pattern one", "the first cure"), ("pattern two", "the second cure"))
class OurError(Exception): ...
def why(x):
    if x:
        return f"because of {x}"
    return "for no reason"
def speak(x, y):
    """A docstring is no message."""
    hint = "try this" if x else f"try {y}"
    for pattern, cure in TABLE:
        run("echo not this one")
        raise OurError(f"{x} broke: {why(y)}", hint=hint)
    error.hint = cure
    emit(Notice("node name", "this happened " + y))
    return Change("set " + x, f"chmod {x} {y}")
'''


def test_sentences_are_found_where_they_end_and_followed_back() -> None:
    found = sentences(Source({"labctl/x.py": ast.parse(SOURCE)}))
    assert {one.message for one in found} == {
        *("{} broke: {}", "because of {}", "for no reason", "try this", "try {}"),
        *("the first cure", "the second cure", "this happened {}", "set {}"),
    }
    assert Found("{} broke: {}", "labctl/x.py", ("x", "why(y)")) in found
