"""Which images a class uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.errors import UsageError
from labctl.lab.class_images import class_images, course_images
from tests.unit.fakes import FakeLab, FakeMachines


def test_those_of_lab_yaml_the_playbooks_and_the_course() -> None:
    lab = FakeLab(FakeMachines(), images=["nginx:1.22", "redis:5-alpine"], playbooks=["images"])
    names = [image.source for image in class_images(lab)]
    assert {"nginx:1.22", "registry:2", "redis:5-alpine", "busybox:1.35-musl"} <= set(names)
    assert len(names) == len(set(names))


def test_a_playbook_that_does_not_run_has_none() -> None:
    lab = FakeLab(FakeMachines(), images=["nginx:1.22"], playbooks=["engine"])
    names = {image.source for image in class_images(lab)}
    assert not names & {"nginx:1.22", "registry:2"}


def test_a_lab_replaces_single_images(tmp_path: Path) -> None:
    own, ours = tmp_path / "own", tmp_path / "ours"
    for folder, text in ((own, 'redis = "own/redis"\n'), (ours, 'redis = "r"\nnginx = "n"\n')):
        folder.mkdir()
        (folder / "images.toml").write_text(text)
    assert course_images((own, ours)) == {"redis": "own/redis", "nginx": "n"}


@pytest.mark.parametrize("text", ["redis", "redis = 5", "redis = ["])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "images.toml").write_text(text)
    with pytest.raises(UsageError, match=r"images\.toml cannot be read"):
        course_images((tmp_path,))
