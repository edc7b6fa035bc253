"""Sections, the page and its timeline, as far as no node and no browser is needed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from labctl.checks.exercises.html import page
from labctl.checks.exercises.result import Rehearsal
from labctl.checks.exercises.timeline import clock, timeline
from labctl.checks.redact import HIDDEN, Secrets
from labctl.config.packaged import packaged
from labctl.errors import PlaybookError, UsageError
from labctl.lab.lab import Lab
from labctl.lab.sections import ORDER, Section, choose, discover, shared
from labctl.lab.workspace import Workspace
from tests.unit.fakes import lab_spec
from tests.unit.rehearsals import HOSTILE, check, green, hostile, red, rehearsal, report

TEMPLATES = (packaged("templates"),)


def lab(folder: Path, **spec: Any) -> Lab:
    machines = [{"name": "docker-node1", "host": "127.0.0.1"}]
    workspace = Workspace.at(folder, folder / ".labctl")
    return Lab(workspace, lab_spec(machines=machines, **spec), emit=lambda _: None)


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


# -- sections


def test_the_labs_own_sections_come_after_the_courses_and_replace_them(
    tmp_path: Path,
) -> None:
    own = write(tmp_path / "course" / "volumes.py")
    other = write(tmp_path / "course" / "zebra.py")
    for name in ("conftest.py", "_helper.py", ".hidden.py", "images.toml"):
        write(tmp_path / "course" / name)
    sections = {section.name: section.files for section in discover(lab(tmp_path))}
    assert sections["volumes"] == (own,)
    assert sections["zebra"] == (other,)
    assert list(sections)[-1] == "zebra"
    theirs = {path.stem for path in packaged("course").glob("*.py")} - {"conftest"}
    assert sections.keys() == theirs | {"volumes", "zebra"}
    assert [name for name in sections if name in ORDER] == [n for n in ORDER if n in sections]


def test_a_playbook_brings_its_section_or_adds_to_one(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    files = []
    for name in ("motd", "compose"):
        write(tmp_path / "playbooks" / name / "play.py", "def play(play):\n    return iter(())\n")
        files.append(write(tmp_path / "playbooks" / name / "rehearse.py"))
    own = write(tmp_path / "course" / "compose.py")
    write(tmp_path / "playbooks" / "unused" / "rehearse.py")
    found = {s.name: s.files for s in discover(lab(tmp_path, playbooks=["motd", "compose"]))}
    assert found["motd"] == (files[0],)
    assert found["compose"] == (own, files[1])
    assert "unused" not in found
    found = {s.name: s.files for s in discover(lab(tmp_path, playbooks=["compose"]), ["motd"])}
    assert found["motd"] == (files[0],)
    assert found["compose"] == (own, files[1])


def test_an_unknown_playbook(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match="unknown playbook 'nope'"):
        discover(lab(tmp_path, playbooks=["nope"]))


def test_conftest_files_of_the_course_and_of_the_lab(tmp_path: Path) -> None:
    own = write(tmp_path / "course" / "conftest.py")
    theirs = packaged("course") / "conftest.py"
    assert shared(lab(tmp_path)) == (theirs, own)


def test_choosing_sections() -> None:
    sections = tuple(Section(name, ()) for name in ("engine", "images", "motd"))
    assert choose(sections, ()) == sections
    assert choose(sections, ("motd", "engine", "motd")) == (sections[0], sections[2])
    with pytest.raises(UsageError) as refused:
        choose(sections, ("image", "engine", "docker"))
    assert "'docker', 'image'" in refused.value.message
    assert "engine, images, motd" in refused.value.hint
    with pytest.raises(UsageError) as refused:
        choose((), ("engine",))
    assert "course/NAME.py" in refused.value.hint


# -- what it came to


@pytest.mark.parametrize(
    ("made", "ok", "verdict"),
    [
        (green(2), True, "6 passed, 0 failed, 0 not applicable"),
        (
            red(),
            False,
            "1 passed, 2 failed, 1 not applicable; not rehearsed: docker-node2",
        ),
        (
            rehearsal(report("docker-node1", check("engine", "a", "skipped"))),
            True,
            "0 passed, 0 failed, 1 not applicable",
        ),
    ],
)
def test_verdict(made: Rehearsal, ok: bool, verdict: str) -> None:
    assert (made.ok, made.verdict) == (ok, verdict)


# -- the page


class Reader(HTMLParser):
    """Takes a page apart: its elements, its attributes, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


@pytest.mark.parametrize("made", [green(), green(8), red(), red(8), hostile()])
def test_the_page_needs_nothing_from_outside(made: Rehearsal) -> None:
    text = page(made, TEMPLATES)
    reader = Reader(text)
    assert text.lstrip().startswith("<!doctype html>")
    assert not reader.tags & {"script", "img", "iframe", "object", "form", "base", "audio", "video"}
    links = [a.get("href") or "" for tag in ("a", "link") for a in reader.of(tag)]
    assert all(link.startswith("#") or link == "data:," for link in links)
    for _, attributes in reader.elements:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_allows_its_own_style_and_nothing_else() -> None:
    text = page(red(), TEMPLATES)
    (policy,) = [m for m in Reader(text).of("meta") if "http-equiv" in m]
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def test_hostile_texts_stay_text() -> None:
    reader = Reader(page(hostile(), TEMPLATES))
    assert HOSTILE in " ".join(reader.texts)
    for control in ("\x1b", "\x07", "\u202e", "[31m"):
        assert control not in " ".join(reader.texts)


@pytest.mark.parametrize(
    ("made", "heading"),
    [
        (green(), "Every exercise that applies to this lab passed"),
        (
            red(),
            "2 of 3 sections failed: containers, network; 1 node could not be rehearsed:"
            " docker-node2",
        ),
        (
            rehearsal(report("docker-node1", check("engine", "a", "skipped", message="old"))),
            "No exercise applies to this lab",
        ),
    ],
)
def test_the_pages_heading(made: Rehearsal, heading: str) -> None:
    assert heading in Reader(page(made, TEMPLATES)).text


def test_a_failure_on_several_nodes_is_printed_once() -> None:
    text = Reader(page(red(8), TEMPLATES)).text
    assert text.count("docker run --memory 8m busybox") == 7  # the command of each node
    failures = [a for a in Reader(page(red(8), TEMPLATES)).of("details") if "failure" in str(a)]
    assert len(failures) == 2
    assert "mkdir /var/tmp/rehearse" not in text  # setup passed, so it explains nothing


def test_not_applicable_is_never_green() -> None:
    only = rehearsal(report("docker-node1", check("engine", "a", "skipped", message="too old")))
    reader = Reader(page(only, TEMPLATES))
    assert "too old" in reader.text
    cells = [str(a.get("class")) for a in reader.of("div") if "cell" in str(a.get("class")).split()]
    assert cells == ["cell none", "cell lost", "cell lost"]  # not applicable; not rehearsed


def test_a_template_of_the_labs_own_wins(tmp_path: Path) -> None:
    write(tmp_path / "rehearsal.html.j2", "{{ lab }}: {{ verdict }}")
    text = page(hostile(), (tmp_path, *TEMPLATES))
    assert text.startswith("&lt;/script&gt;")


# -- the timeline


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_bars_are_to_scale() -> None:
    (lane,) = timeline(green())["lanes"]
    assert [(bar["left"], bar["width"]) for bar in lane["bars"]] == [
        (5.0, 10.0),
        (15.0, 30.0),
        (45.0, 50.0),
    ]
    assert [(s["name"], s["left"], s["width"]) for s in lane["sections"]] == [
        ("engine", 5.0, 10.0),
        ("containers", 15.0, 30.0),
        ("network", 45.0, 50.0),
    ]


@pytest.mark.parametrize("seconds", [0.01, 1, 7, 59, 61, 600, 5000, 200_000])
def test_the_axis_has_few_marks_within_it(seconds: float) -> None:
    made = green()
    marks = timeline(Rehearsal("a", (), (), made.began, seconds))["marks"]
    assert 1 <= len(marks) <= 15
    places = [mark["at"] for mark in marks]
    assert places == sorted(set(places))
    assert places[0] == 0
    assert places[-1] <= 100


def test_a_clock_that_was_set_back_breaks_no_timeline() -> None:
    made = rehearsal(report("docker-node1", check("engine", "a", at=-50, seconds=500)))
    (lane,) = timeline(made)["lanes"]
    (bar,) = lane["bars"]
    assert bar["left"] == 0
    assert bar["width"] <= 100


# -- passwords


def test_passwords_are_found_and_hidden() -> None:
    wanted = {
        "name": "docker-node1",
        "registry": {"user": "course", "password": "hunter22", "hosts": ["docker-node1"]},
        "apps": [{"redis_password": "hunter22-and-more"}, {"secret": "abc"}],
    }
    secrets = Secrets.within(wanted)
    text = "login -p hunter22 course docker-node1; AUTH hunter22-and-more; abc"
    assert secrets.hide(text) == f"login -p {HIDDEN} course docker-node1; AUTH {HIDDEN}; abc"
    assert json.loads(json.dumps(wanted)) == wanted
