"""Marked blocks of lines, for pyinfra.

Not by files.block: it takes the marks for patterns, and these have parentheses.
"""

import io

from pyinfra import host
from pyinfra.facts.files import FileContents
from pyinfra.operations import files


def put_blocks(blocks):
    """Write every block into its file; each file is read once for all of its blocks."""
    for path in sorted({block["path"] for block in blocks}):
        text = "\n".join(host.get_fact(FileContents, path=path) or []) + "\n"
        wanted = text
        for block in blocks:
            whole = "\n".join((block["begin"], *block["lines"], block["end"])) + "\n"
            there = whole in wanted if block["lines"] else block["begin"] not in wanted
            if block["path"] == path and not there:
                wanted = with_block(wanted, block)
        if wanted != text:
            files.put(name=f"Blocks of {path}", src=io.StringIO(wanted), dest=path, mode="644")


def with_block(text, block):
    """Return a text with the block in it, as its marks have it; without it if it has no lines."""
    begin, _, rest = text.partition(block["begin"] + "\n")
    if rest:
        text = begin + rest.partition(block["end"] + "\n")[2]
    if not block["lines"]:
        return text
    return text + "\n".join((block["begin"], *block["lines"], block["end"])) + "\n"
