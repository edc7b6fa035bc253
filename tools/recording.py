"""Record a command in a terminal as an animated SVG.

    python -m tools.recording OUTPUT -- COMMAND…

The command runs in a pseudoterminal, and `pyte` interprets what it draws. The SVG has the frames
one below the other, and a style sheet shows them in turn. It needs no script, so GitHub and every
browser play it. Readers who prefer reduced motion see the last frame.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import shlex
import struct
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import pyte

COLUMNS, ROWS = 88, 14
SAMPLE = 0.5
"""Seconds between two samples of the terminal."""
LENGTH, PAUSE = 24.0, 6.0
"""Seconds that a whole recording plays, and how long its last frame stays."""
FRAMES = 48
"""Maximum number of frames of a recording."""

WIDTH, HEIGHT, MARGIN, BAR = 8.4, 19.0, 14.0, 30.0
"""Pixels: the size of a character, and the margins around the terminal."""
COLOURS = {
    "default": "#d8dee9",
    "black": "#4c566a",
    "red": "#ff6e6e",
    "green": "#8bd58b",
    "brown": "#f0c674",
    "blue": "#81a2be",
    "magenta": "#b294bb",
    "cyan": "#7fd1d8",
    "white": "#eceff4",
}


@dataclass(frozen=True)
class Run:
    """Characters of one line that look alike, from a column on."""

    column: int
    text: str
    colour: str
    bold: bool


Screen = tuple[tuple[Run, ...], ...]


@dataclass(frozen=True)
class Frame:
    """A screen and its time in seconds."""

    at: float
    screen: Screen


def record(command: Sequence[str]) -> tuple[list[Frame], int]:
    """Run a command in a terminal; return its frames and its exit code."""
    terminal = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(terminal)
    process, master = pty.fork()
    if process == 0:
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
        os.execvp(command[0], list(command))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began = time.monotonic()
    frames = [Frame(0.0, look(terminal))]
    while True:
        if select.select([master], [], [], SAMPLE / 4)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:  # Linux reports the end of a terminal that nobody has open any more
                data = b""
            if not data:
                break
            stream.feed(data)
        now = time.monotonic() - began
        if now - frames[-1].at >= SAMPLE and (seen := look(terminal)) != frames[-1].screen:
            frames.append(Frame(now, seen))
    frames.append(Frame(time.monotonic() - began, look(terminal)))
    return frames, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def look(terminal: pyte.Screen) -> Screen:
    """Return the content of a terminal."""
    return tuple(tuple(_runs(terminal, row)) for row in range(terminal.lines))


def _runs(terminal: pyte.Screen, row: int) -> Iterator[Run]:
    cells = [(column, terminal.buffer[row][column]) for column in range(terminal.columns)]
    for (colour, bold), group in groupby(cells, lambda cell: (cell[1].fg, cell[1].bold)):
        part = list(group)
        text = "".join(cell.data for _, cell in part)
        if text.strip():
            lead = len(text) - len(text.lstrip())
            yield Run(part[lead][0], text.strip(), colour, bold)


def thin(frames: Sequence[Frame], most: int = FRAMES) -> list[Frame]:
    """Return at most `most` of the frames, evenly spread over the time; the last one stays."""
    step = frames[-1].at / max(most - 1, 1)
    kept: list[Frame] = []
    for frame in frames[:-1]:
        if not kept or frame.at - kept[-1].at >= step:
            kept.append(frame)
    return [*kept[: most - 1], frames[-1]]


def svg(frames: Sequence[Frame], command: str) -> str:
    """Return the animation of frames; `command` stands at the prompt above them."""
    rows = max(
        (number for frame in frames for number, line in enumerate(frame.screen, 1) if line),
        default=1,
    )
    speed = max(1.0, frames[-1].at / LENGTH)
    length = frames[-1].at / speed + PAUSE
    width, tall = COLUMNS * WIDTH, (rows + 2) * HEIGHT
    steps = "".join(
        f"{frame.at / speed / length:.2%}{{transform:translateY({-number * tall:g}px)}}"
        for number, frame in enumerate(frames)
    )
    last = f"transform:translateY({-(len(frames) - 1) * tall:g}px)"
    pages = "".join(
        f'<g transform="translate(0 {number * tall:g})">{_page(frame.screen, command)}</g>\n'
        for number, frame in enumerate(frames)
    )
    note = f"recorded on emulated machines, {speed:.0f}× speed"
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 2 * MARGIN:g} \
{tall + BAR + MARGIN:g}" font-family="ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace" \
font-size="14" role="img">
<title>{escape(command)} in a terminal</title>
<style>
text{{fill:{COLOURS["default"]};white-space:pre}}
.b{{font-weight:bold}}
#film{{animation:play {length:.1f}s step-end infinite}}
@keyframes play{{{steps}100%{{{last}}}}}
@media (prefers-reduced-motion:reduce){{#film{{animation:none;{last}}}}}
</style>
<rect width="100%" height="100%" rx="8" fill="#22262e"/>
<circle cx="20" cy="15" r="5" fill="#ff6e6e"/><circle cx="37" cy="15" r="5" fill="#f0c674"/>\
<circle cx="54" cy="15" r="5" fill="#8bd58b"/>
<text x="{width + MARGIN:g}" y="19" text-anchor="end" font-size="11" fill-opacity="0.6">\
{escape(note)}</text>
<svg x="{MARGIN:g}" y="{BAR:g}" width="{width:g}" height="{tall:g}"><g id="film">
{pages}</g></svg>
</svg>
"""


def _page(screen: Screen, command: str) -> str:
    prompt = (Run(0, "$", "green", True), Run(2, command, "default", True))
    return "".join(
        _text(run, number) for number, line in enumerate((prompt, *screen)) for run in line
    )


def _text(run: Run, row: int) -> str:
    colour = COLOURS.get(run.colour, f"#{run.colour}")
    fill = "" if run.colour == "default" else f' style="fill:{colour}"'
    bold = ' class="b"' if run.bold else ""
    # The length is set so that columns are aligned in every font.
    return (
        f'<text x="{run.column * WIDTH:g}" y="{(row + 1) * HEIGHT - 5:g}"{bold}{fill} '
        f'textLength="{len(run.text) * WIDTH:g}">{escape(run.text)}</text>'
    )


def main() -> int:
    """Record the command of the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.recording", description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    chosen = parser.parse_args()
    command = chosen.command[1:] if chosen.command[:1] == ["--"] else chosen.command
    if not command:
        parser.error("pass a command after --")
    frames, code = record(command)
    if code:
        print("\n".join(_plain(frames[-1].screen)), file=sys.stderr)
        return code
    frames = thin(frames)
    assert all(before.at <= after.at for before, after in pairwise(frames))
    chosen.output.write_text(svg(frames, shlex.join(command)), "utf-8")
    print(f"{chosen.output}: {len(frames)} frames of {frames[-1].at:.0f} s")
    return 0


def _plain(screen: Screen) -> Iterator[str]:
    for line in screen:
        text = ""
        for run in line:
            text = text.ljust(run.column) + run.text
        yield text


if __name__ == "__main__":
    sys.exit(main())
