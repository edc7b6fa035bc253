"""Labs of public Docker courses: each is valid and can be rendered for each provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.config.packaged import packaged
from labctl.machines import providers, vagrantfile, virtualbox
from tests.courses import COURSES, FILES, FOLDERS, load

NEEDS_VIRTUALBOX = {"mount-options"}


@pytest.fixture(autouse=True)
def _linux_without_networks_conf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtualbox, "NETWORKS_CONF", "/no-such-folder/networks.conf")


def test_there_are_twenty() -> None:
    assert len(COURSES) >= 20


@pytest.mark.parametrize("provider", ["virtualbox", "libvirt"])
@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.stem)
def test_a_course_can_be_rendered(course: Path, provider: str, tmp_path: Path) -> None:
    lab = load(course, tmp_path)
    problems = providers.problems(lab, provider, "linux")
    if provider == "libvirt" and course.stem in NEEDS_VIRTUALBOX:
        assert "does not support synced folders of type virtualbox" in problems[0].message
        return
    assert problems == []
    text = vagrantfile.vagrantfile(lab, providers.get(provider), (packaged("templates"),))
    for name in lab.node_names:
        assert f'"{name}"' in text


@pytest.mark.parametrize("name", [*FOLDERS, *FILES])
def test_every_file_of_the_tests_is_named_by_a_course(name: str) -> None:
    assert any(name in course.read_text("utf-8") for course in COURSES)
