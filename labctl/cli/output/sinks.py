"""The sinks for the events of a run: a live table, plain lines, or JSON lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from labctl.cli.output.lines import JsonLines, PlainLines
from labctl.cli.output.terminal import DUMB, is_terminal
from labctl.events import Emit


def is_live(*, verbose: bool) -> bool:
    """Return whether the events of a run are shown as a live table."""
    return is_terminal(sys.stderr) and os.environ.get("TERM") not in DUMB and not verbose


@contextmanager
def sink(*, as_json: bool, verbose: bool) -> Iterator[Emit]:
    """Yield the sink that suits the terminal and the options."""
    if as_json:
        yield JsonLines()
    elif is_live(verbose=verbose):
        # Rich takes time to import.
        from labctl.cli.output.live import LiveTable

        with LiveTable() as table:
            yield table
    else:
        yield PlainLines(verbose=verbose)
