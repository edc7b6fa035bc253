"""A change that needs something of another node: asked only then, and kept secret."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from labctl.errors import ChangeFailed, DependencyFailed, PlaybookError
from labctl.playbook import Change, Observed, PeerQuery
from labctl.provision.converge import Outcome, converge
from labctl.provision.loader import Playbook, load_all
from labctl.provision.play import Play, Plays
from tests.unit.fakes import CENTOS, FakeNode, Heard, Setting, planner, playbook

TOKEN = "SWMTKN-1-very-secret"
ASK = PeerQuery("manager", "overlay", "docker swarm join-token", secret=True)


@dataclass(frozen=True)
class Joined:
    """A setting that is changed with another node's help; `then` is the toy script."""

    then: str = "set swarm in"
    query: PeerQuery = ASK

    @property
    def id(self) -> str:
        return "setting:swarm"

    def probe(self) -> str:
        return "get swarm"

    def plan(self, observed: Observed) -> Change | None:
        return None if observed.output == "in" else Change("join", self.then, "", self.query)


class Told:
    """A `QueryPeer` that has the answer, and records the queries."""

    def __init__(self, answer: str = TOKEN) -> None:
        self.answer = answer
        self.queries: list[PeerQuery] = []

    def __call__(self, query: PeerQuery) -> str:
        self.queries.append(query)
        return self.answer


def run(node: FakeNode, *books: Playbook, **options: Any) -> tuple[Outcome, Heard]:
    heard = Heard()
    return converge(node, books, planner(), emit=heard, facts=CENTOS, **options), heard


class Obeying(FakeNode):
    """A fake node that understands a change with an answer in front of it."""

    def _obey(self, snippet: str) -> tuple[int, bytes]:
        line, newline, rest = snippet.partition("\n")
        if newline and line.startswith("answer="):
            self.settings["answer"] = line.removeprefix("answer=")
            snippet = rest
        return super()._obey(snippet)


def test_nothing_is_asked_where_nothing_has_to_be_changed() -> None:
    told = Told()
    outcome, _ = run(
        Obeying(settings={"swarm": "in"}), playbook("overlay", [Joined()]), query_peer=told
    )
    assert told.queries == []
    assert outcome.exchanges == 1


def test_nothing_is_asked_by_check() -> None:
    told = Told()
    outcome, _ = run(Obeying(), playbook("overlay", [Joined()]), query_peer=told, check=True)
    assert told.queries == []
    assert [change.summary for change in outcome.changes] == ["join"]


def test_the_answer_comes_into_the_script_as_one_word() -> None:
    told = Told("two words; rm -rf /")
    node = Obeying()
    outcome, _ = run(node, playbook("overlay", [Joined()]), query_peer=told)
    assert told.queries == [ASK]
    assert node.settings["answer"] == "'two words; rm -rf /'"
    assert outcome.exchanges == 2


def test_a_secret_answer_is_in_no_event_and_no_error() -> None:
    heard = Heard()
    with pytest.raises(ChangeFailed) as caught:
        converge(
            Obeying(),
            [playbook("overlay", [Joined(then=f"fail refused {TOKEN}")])],
            planner(),
            emit=heard,
            facts=CENTOS,
            query_peer=Told(),
        )
    assert "refused" in caught.value.details
    assert TOKEN not in caught.value.details
    assert TOKEN not in json.dumps([repr(event) for event in heard])


def test_a_public_answer_is_shown() -> None:
    image = Joined(then="fail not sha256:12", query=PeerQuery("manager", "images", "look"))
    with pytest.raises(ChangeFailed) as caught:
        run(Obeying(), playbook("images", [image]), query_peer=Told("sha256:12"))
    assert "sha256:12" in caught.value.details


def test_a_run_without_peers_cannot_query() -> None:
    with pytest.raises(PlaybookError, match="this run cannot query manager"):
        run(Obeying(), playbook("overlay", [Joined()]))


def test_what_the_other_node_failed_to_do_ends_this_one() -> None:
    def fails(_: PeerQuery) -> str:
        raise DependencyFailed("manager failed")

    with pytest.raises(DependencyFailed):
        run(Obeying(), playbook("overlay", [Joined()]), query_peer=fails)


# -- who has come how far


def test_each_playbook_is_reported_as_soon_as_it_is_done() -> None:
    node = FakeNode(settings={"b": "old"})
    told: list[tuple[str, dict[str, str]]] = []
    books = [
        playbook("one", [Setting("a", "1")]),
        playbook("none", []),
        playbook("two", [Setting("b", "2"), Setting("c", "3")]),
    ]
    run(node, *books, on_playbook_done=lambda name: told.append((name, dict(node.settings))))
    first = dict(reversed(told))
    assert set(first) == {"one", "none", "two"}
    assert first["one"] == {"a": "1", "b": "old"}  # before the next one began
    assert first["two"] == {"a": "1", "b": "2", "c": "3"}


def test_one_that_stops_at_a_question_is_not_through() -> None:
    told: list[str] = []

    def asks(play: Play) -> Plays:
        yield Setting("a", "1")
        told.append("(asked)")
        play.choose("key", "get a", lambda seen: seen.output)
        yield Setting("b", "2")

    run(FakeNode(), playbook("one", asks), on_playbook_done=told.append)
    assert told.index("one") > max(i for i, word in enumerate(told) if word == "(asked)")


def test_one_that_failed_is_not_through() -> None:
    told: list[str] = []
    with pytest.raises(ChangeFailed):
        run(
            FakeNode(),
            playbook("one", [Setting("a", "1")]),
            playbook("two", [Setting("b", "2", script="fail no")]),
            on_playbook_done=told.append,
        )
    assert set(told) == {"one"}


def test_check_reports_no_playbook_as_done() -> None:
    told: list[str] = []
    run(FakeNode(), playbook("one", [Setting("a", "1")]), check=True, on_playbook_done=told.append)
    assert told == []


# -- what a playbook needs


def folder_of(tmp_path: Any, **needs: str) -> Any:
    for name, words in needs.items():
        (tmp_path / name).mkdir()
        text = f"NEEDS = {words.split()!r}\ndef play(play):\n    return iter(())\n"
        (tmp_path / name / "play.py").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ("c", "a b c"),
        ("c a", "a b c"),
        ("a c", "a b c"),
        ("b d c", "a b d c"),
        ("d", "d"),
    ],
)
def test_what_is_needed_comes_before_and_once(tmp_path: Any, names: str, order: str) -> None:
    folder = folder_of(tmp_path, a="", b="a", c="a b", d="")
    assert [book.name for book in load_all(names.split(), [folder])] == order.split()


def test_two_that_need_each_other_are_refused(tmp_path: Any) -> None:
    folder = folder_of(tmp_path, a="b", b="a")
    with pytest.raises(PlaybookError, match="a → b → a"):
        load_all(["a"], [folder])
