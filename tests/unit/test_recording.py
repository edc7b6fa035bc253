"""The recording of the README: what a command draws, as frames and as an SVG."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET

import pytest

if sys.platform == "win32":
    pytest.skip("recordings are made in a pseudoterminal", allow_module_level=True)

from tools.recording import Frame, Run, record, svg, thin

DRAWS = r"""
import time
print("\x1b[32mone\x1b[0m  \x1b[1mtwo\x1b[0m", flush=True)
time.sleep(0.8)
print("\x1b[A\x1b[2K<three>", flush=True)
"""


def test_a_command_is_recorded_as_people_see_it() -> None:
    frames, code = record([sys.executable, "-c", DRAWS])
    lines = [frame.screen[0] for frame in frames]
    assert code == 0
    assert (Run(0, "one", "green", False), Run(5, "two", "default", True)) in lines
    assert lines[-1] == (Run(0, "<three>", "default", False),)


def test_a_command_that_fails_is_no_recording() -> None:
    assert record([sys.executable, "-c", "raise SystemExit(3)"])[1] == 3


def test_a_long_recording_has_few_frames_and_its_end() -> None:
    frames = [Frame(float(at), ((Run(0, str(at), "default", False),),)) for at in range(1000)]
    thinned = thin(frames, 20)
    assert len(thinned) <= 20
    assert (thinned[0], thinned[-1]) == (frames[0], frames[-1])


def test_the_svg_holds_every_frame_and_needs_nothing_else() -> None:
    frames = [
        Frame(0.0, ((Run(0, "a < b", "red", False),),)),
        Frame(50.0, ((Run(4, "done", "default", True),), ())),
    ]
    text = svg(frames, "labctl up")
    root = ET.fromstring(text)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("labctl up") == 2
    assert {"a < b", "done"} <= set(texts)
    assert "script" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
