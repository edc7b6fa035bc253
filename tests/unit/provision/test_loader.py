"""Finding and loading playbooks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl.config.packaged import packaged
from labctl.errors import PlaybookError
from labctl.playbook import File
from labctl.provision.loader import load, locate
from tests.unit.fakes import CENTOS, planner

PLAY = """\
from labctl.playbook import File, Play, Plays

def play(play: Play) -> Plays:
    yield File("/etc/motd", f"{__name__} on {play.node.name}\\n")
"""


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("labctl_playbooks.motd"):
            del sys.modules[name]


def put(folder: Path, name: str, text: str | bytes = PLAY) -> Path:
    path = folder / name / "play.py"
    path.parent.mkdir(parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path.parent


def test_a_playbook_is_loaded_with_its_name(tmp_path: Path) -> None:
    folder = put(tmp_path, "motd")
    (book,) = load(["motd"], [tmp_path])
    assert (book.name, book.folder, book.verify) == ("motd", folder, None)
    resources = list(book.play(planner()(CENTOS, {})))
    assert resources == [File("/etc/motd", "labctl_playbooks.motd.play on docker-node1\n")]


def test_the_order_is_as_requested(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        put(tmp_path, name)
    assert [book.name for book in load(["c", "a", "b"], [tmp_path])] == ["c", "a", "b"]


def test_checks_belong_to_a_playbook_that_has_some(tmp_path: Path) -> None:
    folder = put(tmp_path, "motd")
    (folder / "verify.py").touch()
    (book,) = load(["motd"], [tmp_path])
    assert book.verify == folder / "verify.py"


def test_the_labs_own_playbook_wins(tmp_path: Path) -> None:
    own, ours = tmp_path / "lab", tmp_path / "packaged"
    put(ours, "motd")
    assert locate("motd", [own, ours]) == ours / "motd"
    put(own, "motd")
    assert locate("motd", [own, ours]) == own / "motd"


def test_a_folder_without_play_does_not_hide_one_with(tmp_path: Path) -> None:
    own, ours = tmp_path / "lab", tmp_path / "packaged"
    (own / "motd").mkdir(parents=True)
    put(ours, "motd")
    assert locate("motd", [own, ours]) == ours / "motd"


def test_a_missing_playbook_names_those_that_there_are(tmp_path: Path) -> None:
    own, ours = tmp_path / "lab", tmp_path / "packaged"
    put(own, "zsh")
    put(ours, "engine")
    put(ours, "hosts")
    with pytest.raises(PlaybookError, match="unknown playbook 'engin'") as caught:
        load(["engin"], [own, ours])
    assert "available: engine, hosts, zsh;" in caught.value.hint
    assert "playbooks/engin/play.py" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def play(play):\n    yield (\n",
            r"play\.py cannot be loaded: SyntaxError: .*never closed",
        ),
        ("import nothing_of_that_name\n", r"cannot be loaded: ModuleNotFoundError"),
        ("1 / 0\n", r"cannot be loaded: ZeroDivisionError"),
        (b"x = 'caf\xe9'\n", r"cannot be loaded: SyntaxError"),
        ("", r"has no function 'play'"),
        ("play = 1\n", r"has no function 'play'"),
    ],
)
def test_a_playbook_that_is_wrong(tmp_path: Path, text: str | bytes, message: str) -> None:
    put(tmp_path, "wrong", text)
    with pytest.raises(PlaybookError, match=message):
        load(["wrong"], [tmp_path])


def test_a_failed_playbook_can_be_fixed_and_loaded(tmp_path: Path) -> None:
    folder = put(tmp_path, "motd", "1 / 0\n")
    with pytest.raises(PlaybookError):
        load(["motd"], [tmp_path])
    assert "labctl_playbooks.motd.play" not in sys.modules
    (folder / "play.py").write_text(PLAY)
    assert load(["motd"], [tmp_path])


def test_loading_leaves_the_import_path_alone(tmp_path: Path) -> None:
    put(tmp_path, "motd")
    before = list(sys.path)
    load(["motd"], [tmp_path])
    assert sys.path == before


def test_every_shipped_playbook_loads_and_has_checks() -> None:
    folder = packaged("playbooks")
    names = sorted(path.parent.name for path in folder.glob("*/play.py"))
    assert {"repos", "hosts", "engine", "mirrors", "compose"} <= set(names)
    for book in load(names, [folder]):
        assert book.verify is not None, f"{book.name} proves nothing"


def test_choose_gives_a_stored_answer_of_that_very_script() -> None:
    from labctl.provision.play import Undecided

    play = planner()(CENTOS, {"k": {"script": "a", "answer": None}})
    assert play.choose("k", "a", lambda _: "other") is None
    for key, script in (("k", "b"), ("l", "a")):
        with pytest.raises(Undecided) as caught:
            play.choose(key, script, lambda _: "other")
        assert (caught.value.question.key, caught.value.question.script) == (key, script)
