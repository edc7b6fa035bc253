"""`python -m tools.messages`: bring the catalogues up to date with the source.

New messages come in without a translation, messages that are gone go, and labctl.mo is written
anew. It prints what is still to be translated, and with ``--check`` changes nothing and ends with
1 where something is.
"""

from __future__ import annotations

import sys

from tools.messages import store

LANGUAGES = ("zh_CN",)


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    check = arguments == ["--check"]
    if arguments and not check:
        print(__doc__)
        return 2
    found = store.messages()
    stale = False
    for language in LANGUAGES:
        path = store.po(language)
        catalogue = store.refresh(store.load(language), found)
        text, compiled = store.as_po(catalogue, language), store.as_mo(catalogue)
        mo = path.with_suffix(".mo")
        old = store.translations(mo.read_bytes()) if mo.is_file() else {}
        if path.read_bytes() != text:
            stale = True
            if not check:
                path.write_bytes(text)
        if old != store.translations(compiled):
            stale = True
            if not check:
                mo.write_bytes(compiled)
        missing = store.missing(catalogue)
        print(f"{path}: {len(found)} messages, {len(missing)} to be translated")
        for message in missing:
            print(f"  {message!r}")
        stale = stale or bool(missing)
    return 1 if check and stale else 0


sys.exit(main(sys.argv[1:]))
