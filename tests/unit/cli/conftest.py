"""Languages for tests: the real Chinese one, and one that shows what goes through translation."""

from __future__ import annotations

from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from labctl.cli.i18n import locale


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Compile the catalogues, as the build does."""
    for path in locale.LOCALES.glob("*/LC_MESSAGES/*.po"):
        compiled = path.with_suffix(".mo")
        if not compiled.is_file() or compiled.stat().st_mtime < path.stat().st_mtime:
            new = Path(f"{compiled}.{id(path)}")
            with path.open("rb") as source, new.open("wb") as target:
                write_mo(target, read_po(source))
            new.replace(compiled)


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Chinese, with whatever is translated at this moment."""
    monkeypatch.setenv("LABCTL_LANG", "zh")
    locale.activate()
    yield monkeypatch
    monkeypatch.setenv("LABCTL_LANG", "en")
    locale.activate()


class Marked(GNUTranslations):
    """Translates every message: into the same, between 《 and 》."""

    def __init__(self) -> None:
        super().__init__()

    def gettext(self, message: str) -> str:
        return f"《{message}》"


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A language that has every message, and shows where each begins and ends."""

    def activate() -> None:
        monkeypatch.setattr(locale._Chosen, "translations", Marked())

    # The command line activates the user's language, which here is this one.
    monkeypatch.setattr("labctl.cli.main.activate", activate)
    activate()
    return monkeypatch
