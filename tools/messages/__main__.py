"""`python -m tools.messages labctl.pot`: list the messages that people will read in English.

They are those without a translation, and f-strings where a message belongs. None of them is an
error.
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages.pofile import read_po

from tools.messages.extract import unmarked


def main(template: Path) -> None:
    """Print them; `template` holds all messages, as `pybabel extract` writes it."""
    with template.open("rb") as file:
        found = [message.id for message in read_po(file) if message.id]
    for path in sorted(Path("labctl/messages").glob("*/LC_MESSAGES/labctl.po")):
        with path.open("rb") as file:
            known = {entry.id for entry in read_po(file) if entry.string and not entry.fuzzy}
        for text in found:
            if text not in known:
                print(f"{path}: not translated: {text!r}")
    for folder in ("labctl", "playbooks", "course"):
        for path in sorted(Path(folder).rglob("*.py")):
            for line in unmarked(path.read_text("utf-8"), exercises=folder != "labctl"):
                print(f"{path}:{line}: an f-string; use msg() to make it translatable")


main(Path(sys.argv[1]))
