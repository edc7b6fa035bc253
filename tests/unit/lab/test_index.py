"""The labs of this machine: what is noted, what is struck out, and what a new lab gets."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from labctl.errors import StateError, UsageError
from labctl.lab import index
from labctl.lab.index import POOL, Clash, Entry, LabIndex, clash, free_name, free_network
from labctl.storage import exclusive


@pytest.fixture
def notes(tmp_path: Path) -> LabIndex:
    return LabIndex(tmp_path / "state" / "labs.json")


def entry(folder: Path, network: str = POOL[0], name: str = "lab", there: bool = True) -> Entry:
    state = folder / ".labctl"
    if there:
        state.mkdir(parents=True, exist_ok=True)
    return Entry(str(folder), str(state), name, network, ("docker-node1",))


def test_a_lab_is_noted_once_and_struck_out(notes: LabIndex, tmp_path: Path) -> None:
    first, second = entry(tmp_path / "b"), entry(tmp_path / "a", POOL[1])
    assert notes.entries() == []
    for noted in (first, second, first):
        notes.note(noted)
    assert notes.entries() == [second, first]  # in the order of their folders
    assert notes.others(tmp_path / "a" / ".labctl") == [first]
    changed = entry(tmp_path / "b", POOL[2])
    notes.note(changed)
    assert notes.entries() == [second, changed]
    notes.strike(tmp_path / "b" / ".labctl")
    notes.strike(tmp_path / "never" / ".labctl")
    assert notes.entries() == [second]


def test_a_network_is_claimed_once(notes: LabIndex, tmp_path: Path) -> None:
    first, second = entry(tmp_path / "a"), entry(tmp_path / "b")
    assert notes.claim(first) is None
    assert notes.claim(first) is None  # its own
    assert notes.claim(second) == Clash(POOL[0], POOL[0], first)
    assert notes.entries() == [first]
    other = entry(tmp_path / "b", POOL[1])
    assert notes.claim(other) is None
    assert notes.entries() == [first, other]


def test_the_network_of_a_lab_that_is_gone_can_be_claimed(notes: LabIndex, tmp_path: Path) -> None:
    gone = entry(tmp_path / "a", there=False)
    notes.note(gone)
    second, third = entry(tmp_path / "b"), entry(tmp_path / "c")
    assert notes.claim(second) == Clash(POOL[0], POOL[0], gone)
    assert notes.entries() == [gone, second]
    assert notes.claim(third) == Clash(
        POOL[0], POOL[0], second
    )  # which is there, though it stands behind
    assert notes.entries() == [gone, second]


def test_the_notes_are_for_their_owner_alone(notes: LabIndex, tmp_path: Path) -> None:
    notes.note(entry(tmp_path / "a"))
    assert notes.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text", ["", "{", "[1, null, []]", '{"a": 1}', "null", '[{"folder": 7}]', "\x00"]
)
def test_damaged_notes_are_none(notes: LabIndex, tmp_path: Path, text: str) -> None:
    notes.path.parent.mkdir()
    notes.path.write_text(text)
    assert notes.entries() == []
    notes.note(entry(tmp_path / "a"))
    assert len(notes.entries()) == 1


def test_one_note_of_another_version_does_not_cost_the_others(
    notes: LabIndex, tmp_path: Path
) -> None:
    good = entry(tmp_path / "a")
    notes.note(good)
    (data,) = json.loads(notes.path.read_text())
    strange = [{**data, "folder": "/b", "colour": "red"}, {"folder": "/c"}, data]
    notes.path.write_text(json.dumps(strange))
    assert [noted.folder for noted in notes.entries()] == ["/b", good.folder]


def test_the_file_that_a_lab_was_opened_by_is_noted(notes: LabIndex, tmp_path: Path) -> None:
    opened = replace(entry(tmp_path / "a"), spec=str(tmp_path / "a" / "other.yaml"))
    notes.note(opened)
    assert notes.entries() == [opened]
    # As an earlier labctl noted it, which knew nothing of the file.
    (data,) = json.loads(notes.path.read_text())
    del data["spec"]
    notes.path.write_text(json.dumps([data]))
    assert notes.entries() == [replace(opened, spec="")]
    notes.path.write_text(json.dumps([{**data, "spec": 7}]))
    assert notes.entries() == []


def test_labs_that_are_gone_are_pruned(notes: LabIndex, tmp_path: Path) -> None:
    there, gone = entry(tmp_path / "a"), entry(tmp_path / "b", there=False)
    for noted in (there, gone):
        notes.note(noted)
    assert [noted.gone for noted in notes.entries()] == [False, True]
    assert notes.prune() == [gone]
    assert notes.entries() == [there]
    assert notes.prune() == []


_NOTE = """\
import sys
from pathlib import Path
from labctl.lab.index import Entry, LabIndex
for number in range(15):
    folder = f"/{sys.argv[2]}{number}"
    LabIndex(Path(sys.argv[1])).note(Entry(folder, folder, "lab", "192.168.56.0/24", ()))
"""


def test_labs_that_come_up_at_once_are_all_noted(notes: LabIndex) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", _NOTE, str(notes.path), name]) for name in "abc"
    ]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    assert len(notes.entries()) == 45


def test_notes_that_another_process_holds(
    notes: LabIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_PATIENCE", 0.0)
    notes.note(entry(tmp_path / "a"))
    lock = notes.path.with_suffix(".lock")
    with exclusive(lock, timeout=0), pytest.raises(StateError) as caught:
        notes.note(entry(tmp_path / "b"))
    assert str(lock) in caught.value.hint


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError) as caught:
        LabIndex(tmp_path / "file" / "labs.json").note(entry(tmp_path / "a"))
    assert "LABCTL_HOME" in caught.value.hint


@pytest.mark.parametrize("chosen", ["", "elsewhere"])
def test_where_the_notes_are(chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABCTL_HOME")
    if chosen:
        monkeypatch.setenv("LABCTL_HOME", str(tmp_path / chosen))
    found = LabIndex().path
    assert found.name == "labs.json"
    assert (found.parent == tmp_path / "elsewhere") is bool(chosen)


@pytest.mark.parametrize(
    ("mine", "theirs", "clashes"),
    [
        ("192.168.56.0/24", ["192.168.56.0/24"], True),
        ("192.168.56.0/24", ["192.168.57.0/24"], False),
        ("192.168.56.0/25", ["192.168.56.128/25"], False),
        ("192.168.56.0/21", ["10.0.0.0/8", "192.168.63.0/24"], True),
        ("192.168.56.0/24", ["nonsense", ""], False),
        ("192.168.56.0/24", [], False),
    ],
)
def test_clash(mine: str, theirs: list[str], clashes: bool, tmp_path: Path) -> None:
    others = [entry(tmp_path / str(i), network) for i, network in enumerate(theirs)]
    assert (clash((mine,), others) is not None) is clashes


def test_further_networks_are_claimed_too(notes: LabIndex, tmp_path: Path) -> None:
    """Each of a lab's networks is compared with each of another's."""
    first = replace(entry(tmp_path / "a", POOL[0]), further=("10.20.0.0/16", "nonsense"))
    assert notes.claim(first) is None
    assert notes.entries() == [first]
    own = replace(entry(tmp_path / "b", POOL[1]), further=(POOL[0],))
    assert notes.claim(own) == Clash(POOL[0], POOL[0], first)
    theirs = replace(entry(tmp_path / "b", POOL[1]), further=("10.20.30.0/24",))
    assert notes.claim(theirs) == Clash("10.20.30.0/24", "10.20.0.0/16", first)
    assert notes.claim(entry(tmp_path / "b", "10.20.1.0/24")) is not None
    assert notes.claim(replace(theirs, further=("10.21.0.0/24",))) is None


def test_a_new_lab_avoids_further_networks(tmp_path: Path) -> None:
    other = replace(entry(tmp_path / "a", POOL[0]), further=(POOL[1],))
    assert free_network([other]) == POOL[2]
    assert free_network([other], further=[POOL[2]]) == POOL[3]


def test_the_network_of_a_new_lab(tmp_path: Path) -> None:
    assert free_network([]) == POOL[0]
    taken = [entry(tmp_path / "0", POOL[0]), entry(tmp_path / "2", POOL[2])]
    assert free_network(taken) == POOL[1]
    gone = [entry(tmp_path / str(i), network, there=i != 3) for i, network in enumerate(POOL)]
    assert free_network(gone) == POOL[3]  # rather that of a lab that is gone than none
    full = [entry(tmp_path / str(i), network) for i, network in enumerate(POOL)]
    with pytest.raises(UsageError) as caught:
        free_network(full)
    assert "status --all" in caught.value.hint


@pytest.mark.parametrize(
    ("taken", "name"),
    [([], "lab"), (["other"], "lab"), (["lab"], "lab-2"), (["lab", "lab-2", "lab-4"], "lab-3")],
)
def test_the_name_of_a_new_lab(taken: list[str], name: str, tmp_path: Path) -> None:
    assert free_name("lab", [entry(tmp_path / n, name=n) for n in taken]) == name
