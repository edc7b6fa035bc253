"""Files, folders and playbooks that lab.yaml names: whether they exist, and how boxes are named."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from labctl.config import guest_folders
from labctl.config.existing_files import file_of, missing_folder
from labctl.config.load import load
from labctl.errors import SpecError


def lab_yaml(text: str) -> Path:
    path = Path("lab.yaml")
    path.write_text(text, "utf-8")
    return path.absolute()


def problems(text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(SpecError) as caught:
        load(lab_yaml(text))
    return [(p.where, p.message, p.hint) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("boxes/c7.box", "boxes/c7.box"),
        ("boxes/my box.box", "boxes/my%20box.box"),
        ("下载/x.box", "%E4%B8%8B%E8%BD%BD/x.box"),
    ],
)
def test_a_box_may_be_named_by_its_path(tmp_path: Path, name: str, url: str) -> None:
    file = tmp_path / name
    file.parent.mkdir()
    file.write_bytes(b"")
    for given in (name, str(file), file.as_uri()):
        box = load(lab_yaml(f"box: {{url: '{given}'}}\n")).box
        assert box.url == f"{tmp_path.as_uri()}/{url}"
        assert box.is_file
        assert box.pinned_version is None
        assert file_of(box.url) == file


def test_a_path_of_windows_becomes_a_url() -> None:
    # The file cannot be there, so the problem shows what the path became.
    ((where, message, _),) = problems("box: {url: 'D:\\下载\\x.box'}\n")
    assert where == "box.url"
    assert "D:/下载/x.box" in message.replace("\\", "/")


@pytest.mark.parametrize(
    ("url", "is_file"),
    [
        ("https://mirror.example/c7.box", True),
        ("https://mirror.example/c7.box?signed=yes", True),
        ("https://mirror.example/c7.json", False),
        ("https://app.vagrantup.com/centos/boxes/7", False),
    ],
)
def test_only_a_box_file_has_no_version(url: str, is_file: bool) -> None:
    text = f"box: {{version: '2004.01', url: '{url}'}}\n"
    if is_file:
        assert [where for where, *_ in problems(text)] == ["box.version"]
    else:
        assert load(lab_yaml(text)).box.version == "2004.01"


def test_a_mistyped_folder_comes_with_its_neighbour() -> None:
    Path("exercises").mkdir()
    ((where, message, hint),) = problems("synced_folders: [{host: exercise, guest: /srv/labs}]\n")
    assert where == "synced_folders[0].host"
    assert message.endswith("exercise: no such folder")
    assert hint.endswith("exercises?")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "labs").write_text("")
    fault = missing_folder(("x",), str(tmp_path / "labs"))
    assert fault is not None
    assert fault.message.endswith("is not a folder")
    assert missing_folder(("x",), str(tmp_path)) is None


def test_a_playbook_of_the_lab_is_known() -> None:
    Path("playbooks/greeting").mkdir(parents=True)
    Path("playbooks/greeting/play.py").write_text("def play(play): yield from ()\n")
    load(lab_yaml("playbooks: [repos, greeting]\n"))
    ((where, message, hint),) = problems("playbooks: [repos, greting]\n")
    assert (where, message) == ("playbooks[1]", "unknown playbook 'greting'")
    assert hint.startswith("did you mean greeting?")


def test_all_that_is_missing_is_said_at_once() -> None:
    found = problems(
        "synced_folders:\n  - {host: a, guest: /srv/a}\n  - {host: b, guest: /etc}\n"
        "playbooks: [nothing]\nbox: {url: c.box}\n"
    )
    assert [where for where, *_ in found] == [
        *("synced_folders[0].host", "synced_folders[1].guest", "synced_folders[1].host"),
        *("playbooks[0]", "box.url"),
    ]


@pytest.mark.parametrize(
    "place",
    ["/srv/labs", "/vagrant", "/opt/labs", "/home/vagrant/labs", "/var/www", "/usr/local/labs",
     "/usr/local/src/x", "/tmp/x", "/etcetera", "/mnt/data", "/data", "/homes/a"],
)  # fmt: skip
def test_folders_that_may_be_replaced(place: str) -> None:
    assert guest_folders._problem(PurePosixPath(place)) == ""


@pytest.mark.parametrize(
    "place",
    ["/", "/etc", "/etc/docker", "/home", "/home/anna", "/home/anna/.ssh", "/home/anna/.config/x",
     "/root", "/root/labs", "/usr", "/usr/bin", "/usr/local", "/usr/local/bin", "/usr/local/lib/x",
     "/var", "/var/lib/docker", "/var/lib/x", "/var/log", "/tmp", "/opt", "/opt/containerd/bin",
     "/var/tmp/rehearse", "/proc", "/dev/shm", "/boot", "/lib64/x"],
)  # fmt: skip
def test_folders_that_must_not_be_replaced(place: str) -> None:
    assert guest_folders._problem(PurePosixPath(place)) != ""
