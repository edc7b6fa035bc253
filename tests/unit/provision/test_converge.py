"""The loop: how many exchanges a run takes, what it does and does not send, and how it fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from labctl.errors import ChangeFailed, DidNotConverge, PlaybookError, ProtocolError, UsageError
from labctl.events import ChangeDone, ChangeStarted, Decided, Exchanged
from labctl.playbook import File
from labctl.provision.converge import Outcome, converge
from labctl.provision.expand import expand
from labctl.provision.facts import PROBE, Facts
from labctl.provision.loader import Playbook
from labctl.provision.play import Play, Plays
from labctl.provision.resources.base import Resource
from labctl.remote.exchange import Observed
from tests.unit.fakes import CENTOS, FakeNode, Heard, Setting, lab_spec, planner, playbook

A, B, C = Setting("a", "1"), Setting("b", "2"), Setting("c", "3")
D, E = Setting("d", "4"), Setting("e", "5")


def run(
    node: FakeNode, *playbooks: Playbook, heard: Heard | None = None, **options: Any
) -> Outcome:
    """Converge with the node's facts known, unless `options` says otherwise."""
    options = {"facts": CENTOS, **options}
    emit = Heard() if heard is None else heard
    return converge(node, playbooks, planner(), emit=emit, **options)


def answer(key: str) -> Callable[[Observed], str]:
    def decide(seen: Observed) -> str:
        return f"{key}={seen.output}"

    return decide


# -- exchanges


def test_nothing_to_do_is_one_exchange() -> None:
    node, heard = FakeNode(settings={"a": "1", "b": "2", "c": "3"}), Heard()
    outcome = run(node, playbook("one", [A, B]), playbook("two", [C]), heard=heard)
    assert outcome == Outcome("node1", (), 1, CENTOS, {}, True)
    assert node.scripts == [[PROBE, "get a", "get b", "get c"]]
    assert [type(event) for event in heard] == [Exchanged]
    assert heard.of(Exchanged)[0].snippets == 4


def test_no_resources_are_one_exchange() -> None:
    assert run(FakeNode(), playbook("empty", [])).exchanges == 1


@pytest.mark.parametrize("wrong", ["a", "b", "c", "ab", "ac", "bc", "abc"])
def test_each_change_is_one_exchange_more(wrong: str) -> None:
    settings = {"a": "1", "b": "2", "c": "3"}
    node = FakeNode(settings={k: "old" if k in wrong else v for k, v in settings.items()})
    heard = Heard()
    outcome = run(node, playbook("one", [A, B, C]), heard=heard)
    assert node.settings == settings
    assert [change.resource for change in outcome.changes] == [f"setting:{key}" for key in wrong]
    assert outcome.exchanges == heard.exchanges == len(node.scripts) == 1 + len(wrong)
    assert run(node, playbook("one", [A, B, C])).exchanges == 1


def test_facts_that_are_not_known_are_one_exchange_more() -> None:
    node = FakeNode(settings={"a": "1"})
    outcome = run(node, playbook("one", [A]), facts=None)
    assert (outcome.exchanges, outcome.facts) == (2, CENTOS)


def test_a_change_carries_a_look_at_itself_and_up_to_the_next_one_that_was_wrong() -> None:
    node = FakeNode(settings={"b": "2", "d": "4"})
    run(node, playbook("one", [A, B, C, D, E]))
    assert node.scripts[1:] == [
        ["set a 1", "get a", "get b", "get c"],
        ["set c 3", "get c", "get d", "get e"],
        ["set e 5", "get e"],
    ]


class Righting(FakeNode):
    """A node on which ``set a 1`` changes other settings along with its own."""

    def __init__(self, along: Mapping[str, str], **known: Any) -> None:
        super().__init__(**known)
        self.along = along

    def _obey(self, snippet: str) -> tuple[int, bytes]:
        if snippet == "set a 1":
            self.settings |= self.along
        return super()._obey(snippet)


def test_a_look_more_where_a_change_righted_a_later_resource() -> None:
    node = Righting({"b": "2", "d": "4"})
    outcome = run(node, playbook("one", [A, B, C, D, E]))
    assert [change.resource for change in outcome.changes] == [
        "setting:a",
        "setting:c",
        "setting:e",
    ]
    assert node.scripts[1:] == [
        ["set a 1", "get a", "get b"],
        ["get c"],
        ["set c 3", "get c", "get d"],
        ["get e"],
        ["set e 5", "get e"],
    ]


def test_several_repeated_resources_cost_no_further_probe() -> None:
    """As daemon.json and its service, which the playbooks engine and mirrors both want."""
    node = FakeNode()
    pair = (Setting("file", "1"), Setting("service", "1"))
    between = Setting("member", "1")
    node.settings["member"] = "1"
    outcome = run(node, playbook("engine", (*pair, between)), playbook("mirrors", pair))
    assert [change.resource for change in outcome.changes] == ["setting:file", "setting:service"]
    assert outcome.exchanges == 1 + 2


def test_a_repeated_resource_is_fixed_by_one_change_without_another_probe() -> None:
    node = FakeNode(settings={"b": "2", "c": "3"})
    outcome = run(node, playbook("one", [A, B]), playbook("two", [A, C]))
    assert [change.resource for change in outcome.changes] == ["setting:a"]
    assert node.scripts[1:] == [["set a 1", "get a", "get b", "get a", "get c"]]


def test_what_a_change_spoils_is_seen_and_righted() -> None:
    node = Righting({"c": "spoiled"}, settings={"b": "2", "c": "3"})
    outcome = run(node, playbook("one", [A, B, C]))
    assert node.settings == {"a": "1", "b": "2", "c": "3"}
    assert outcome.exchanges == 3


def test_no_plan_is_made_from_a_stale_look() -> None:
    """The first change brings what the second resource wants: it is seen, and not done twice."""
    both = Setting("a", "1", script="set b 2")

    class Node(FakeNode):
        def _obey(self, snippet: str) -> tuple[int, bytes]:
            if snippet == "set b 2":
                self.settings["a"] = "1"
            return super()._obey(snippet)

    node = Node()
    outcome = run(node, playbook("one", [both, B]))
    assert [change.resource for change in outcome.changes] == ["setting:a"]
    assert outcome.exchanges == 2


def test_a_resource_that_a_later_playbook_undoes_is_applied_again_if_repeated() -> None:
    class Node(FakeNode):
        def _obey(self, snippet: str) -> tuple[int, bytes]:
            if snippet == "set b 2":
                self.settings["a"] = "undone"
            return super()._obey(snippet)

    node = Node()
    outcome = run(node, playbook("one", [A]), playbook("two", [B, A]))
    assert node.settings == {"a": "1", "b": "2"}
    assert [(c.playbook, c.resource) for c in outcome.changes] == [
        ("one", "setting:a"),
        ("two", "setting:b"),
        ("two", "setting:a"),
    ]


def test_events_tell_what_was_done_and_when() -> None:
    heard = Heard()
    outcome = run(FakeNode(), playbook("one", [A]), heard=heard)
    assert [type(event) for event in heard] == [Exchanged, ChangeStarted, Exchanged, ChangeDone]
    started, done = heard.of(ChangeStarted)[0], heard.of(ChangeDone)[0]
    (change,) = outcome.changes
    assert (started.node, started.playbook, started.resource) == ("node1", "one", "setting:a")
    assert (started.summary, started.diff) == (change.summary, change.diff) == ("set a", "-\n+1")
    assert (done.resource, done.summary, started.check) == ("setting:a", "set a", False)


def test_only_the_requested_playbooks_run() -> None:
    node = FakeNode()
    run(node, playbook("one", [A]), playbook("two", asking("k", [B])), only=iter(["two"]))
    assert node.settings == {"b": "2", "answer-k": "k=k-measured"}


# -- failures


class Sparing(FakeNode):
    """A node that keeps what was really run on it."""

    def __init__(self, **known: Any) -> None:
        super().__init__(**known)
        self.obeyed: list[str] = []

    def _obey(self, snippet: str) -> tuple[int, bytes]:
        self.obeyed.append(snippet)
        return super()._obey(snippet)


def test_a_change_that_fails_stops_the_node_and_shows_its_output() -> None:
    node = FakeNode()
    failing = Setting("a", "1", script="fail no package docker-ce available")
    with pytest.raises(ChangeFailed, match=r"set a: failed with exit code 7") as caught:
        run(node, playbook("one", [failing, B]))
    assert caught.value.resource == "setting:a"
    assert caught.value.node == "node1"
    assert caught.value.details == "no package docker-ce available"
    assert node.sent("set") == []


def test_a_change_that_fails_is_followed_by_no_look_and_no_measurement() -> None:
    """Each may wait for a network that is not there."""
    node = Sparing()
    failing = Setting("a", "1", script="fail no route to host")
    with pytest.raises(ChangeFailed):
        run(node, playbook("one", asking("k", [], before=(failing,))))
    assert node.scripts[-1] == ["fail no route to host", "get a", "pass k-measured"]
    assert node.obeyed == [PROBE, "get a", "fail no route to host"]


def test_a_change_without_effect_is_an_error() -> None:
    node = FakeNode(settings={"a": "old"})
    idle = Setting("a", "1", script="pass all is well")
    with pytest.raises(
        DidNotConverge, match="set a: no error, but setting:a is still not"
    ) as caught:
        run(node, playbook("one", [idle, B]))
    assert caught.value.details == "all is well\n-old\n+1"
    assert node.sent("set") == []


def test_long_output_is_cut_to_its_end() -> None:
    node = FakeNode(instead={"set a 1": (1, b"x" * 10_000 + b"the end")})
    with pytest.raises(ChangeFailed) as caught:
        run(node, playbook("one", [A]))
    assert caught.value.details.endswith("the end")
    assert len(caught.value.details) == 4000


@dataclass(frozen=True)
class Confused(Setting):
    def plan(self, observed: Observed) -> None:
        raise ValueError(f"the marks are damaged: {observed.output}")


def test_what_cannot_be_understood_is_named_with_its_resource() -> None:
    node = FakeNode(settings={"b": "caf\udce9"})
    with pytest.raises(ChangeFailed) as caught:
        run(node, playbook("one", [A, Confused("b", "2"), C]))
    assert caught.value.message == "setting:b: the marks are damaged: caf\\xe9"
    assert node.settings == {"a": "1", "b": "caf\udce9"}


class Cut(FakeNode):
    """A node whose answer is cut off, from a number of exchanges on."""

    after = 1

    def run(self, script: str) -> bytes:
        cut = len(self.scripts) >= self.after
        return super().run(script)[:-1] if cut else super().run(script)


def test_a_connection_that_breaks_during_a_change_names_the_change() -> None:
    """The change may be the reason, as when docker's bridge takes the instructor's network."""
    with pytest.raises(ChangeFailed, match="set a: only 1 of 2") as caught:
        run(Cut(), playbook("one", [A]))
    assert caught.value.resource == "setting:a"
    assert "this change may have cut it off" in caught.value.hint
    assert "`bip` in docker.daemon" in caught.value.hint


def test_a_connection_that_breaks_before_a_change_is_no_fault_of_it() -> None:
    node = Cut()
    node.after = 0
    with pytest.raises(ProtocolError, match="only 1 of 2"):
        run(node, playbook("one", [A]))


@pytest.mark.parametrize("output", [b"caf\xe9", b"\xff\x00\x80"])
def test_bytes_of_the_node_can_be_written_everywhere(output: bytes) -> None:
    """Events become JSON lines, an error's details a line of text: neither takes a surrogate."""
    shown = output.decode("utf-8", "backslashreplace")
    node, heard = FakeNode(instead={"get a": (0, output), "set a 1": (1, output)}), Heard()
    with pytest.raises(ChangeFailed) as failed:
        run(node, playbook("one", [A]), heard=heard)
    node.instead["set a 1"] = (0, output)
    with pytest.raises(DidNotConverge) as unmet:
        run(node, playbook("one", [A]), heard=heard)
    checked = run(node, playbook("one", [A]), heard=heard, check=True)
    for text in (
        failed.value.details,
        unmet.value.details,
        checked.changes[0].diff,
        *(event.diff for event in heard.of(ChangeStarted)),
    ):
        assert shown in text
        text.encode("utf-8")


# -- check


def test_check_changes_nothing_and_reports_what_would_change() -> None:
    node, heard = FakeNode(settings={"b": "2"}), Heard()
    outcome = run(node, playbook("one", [A, B, C]), check=True, heard=heard)
    assert [change.resource for change in outcome.changes] == ["setting:a", "setting:c"]
    assert (outcome.exchanges, outcome.complete) == (1, True)
    assert node.sent("set") == []
    assert [event.check for event in heard.of(ChangeStarted)] == [True, True]
    assert heard.of(ChangeDone) == []


def test_check_sends_no_change_of_any_playbook() -> None:
    node = FakeNode()
    playbooks = [
        playbook("one", [A, Setting("x", "1", script="fail never sent")]),
        playbook("two", asking("k", [B])),
    ]
    run(node, *playbooks, check=True)
    assert node.sent("set") + node.sent("fail") == []


def test_check_counts_a_change_once() -> None:
    node = FakeNode()
    outcome = run(node, playbook("one", [A]), playbook("two", [B, A]), check=True)
    assert [(c.playbook, c.resource) for c in outcome.changes] == [
        ("one", "setting:a"),
        ("two", "setting:b"),
    ]


# -- questions


def asking(
    key: str, after: list[Resource], before: tuple[Resource, ...] = (), script: str = ""
) -> Callable[[Play], Iterator[Resource]]:
    """Return a play that asks after `before`, and wants the answer as a setting of its own."""

    def play(play: Play) -> Plays:
        yield from before
        found = play.choose(key, script or f"pass {key}-measured", answer(key))
        yield from after
        yield Setting(f"answer-{key}", found)

    return play


def test_a_question_is_measured_once_and_kept() -> None:
    node, heard = FakeNode(), Heard()
    book = playbook("one", asking("k", []))
    first = run(node, book, heard=heard)
    assert node.settings == {"answer-k": "k=k-measured"}
    assert first.choices == {"k": {"script": "pass k-measured", "answer": "k=k-measured"}}
    assert [(e.key, e.answer) for e in heard.of(Decided)] == [("k", "k=k-measured")]
    node.scripts.clear()
    second = run(node, book, choices=first.choices)
    assert node.sent("pass") == []
    assert (second.exchanges, second.changes, second.choices) == (1, (), first.choices)


def test_a_stored_answer_is_kept_though_the_world_changed() -> None:
    node = FakeNode(settings={"answer-k": "k=before"})
    stored = {"k": {"script": "pass k-measured", "answer": "k=before"}}
    assert run(node, playbook("one", asking("k", [])), choices=stored).changes == ()


@pytest.mark.parametrize("stored", [{}, {"k": {"script": "pass other", "answer": "x"}}, {"k": "x"}])
def test_a_changed_question_is_measured_again(stored: dict[str, Any]) -> None:
    node = FakeNode()
    outcome = run(node, playbook("one", asking("k", [])), choices=stored)
    assert outcome.choices["k"] == {"script": "pass k-measured", "answer": "k=k-measured"}


def test_resources_before_a_question_are_applied_before_it_is_measured() -> None:
    node = FakeNode()
    run(node, playbook("one", asking("k", [C], before=(A, B))))
    flat = [snippet for snippets in node.scripts for snippet in snippets]
    assert flat.index("set b 2") < flat.index("pass k-measured") < flat.index("set c 3")


def test_a_question_goes_along_with_the_last_change_before_it() -> None:
    node = FakeNode()
    outcome = run(node, playbook("one", asking("k", [C], before=(A, B))))
    assert node.scripts == [
        [PROBE, "get a", "get b"],
        ["set a 1", "get a", "get b"],
        ["set b 2", "get b", "pass k-measured"],
        [PROBE, "get c", "get answer-k"],
        ["set c 3", "get c", "get answer-k"],
        ["set answer-k k=k-measured", "get answer-k"],
    ]
    assert outcome.exchanges == 6


def test_a_question_before_which_nothing_changes_takes_an_exchange() -> None:
    node = FakeNode(settings={"a": "1", "c": "3"})
    run(node, playbook("one", asking("k", [C], before=(A,))))
    assert node.scripts[:3] == [
        [PROBE, "get a"],
        ["pass k-measured"],
        [PROBE, "get c", "get answer-k"],
    ]


def test_an_answer_from_before_an_unforeseen_change_is_measured_again() -> None:
    class Node(Righting):
        def _obey(self, snippet: str) -> tuple[int, bytes]:
            if snippet == "set b 2":
                self.settings["k"] = "2"
            return super()._obey(snippet)

    node = Node({"b": "spoiled", "k": "1"}, settings={"b": "2"})
    outcome = run(node, playbook("one", asking("k", [], before=(A, B), script="get k")))
    assert node.sent("get").count("get k") == 2
    assert outcome.choices["k"]["answer"] == "k=2"


def test_what_stood_before_a_question_is_looked_at_again_where_the_answer_changes_it() -> None:
    def first(play: Play) -> Plays:
        yield Setting("a", play.known("k") or "0")

    node = FakeNode()
    run(node, playbook("one", first), playbook("two", asking("k", [])))
    assert node.settings == {"a": "k=k-measured", "answer-k": "k=k-measured"}


def test_a_question_that_follows_from_another() -> None:
    def play(play: Play) -> Plays:
        first = play.choose("first", "pass x", answer("first"))
        second = play.choose("second", f"pass {first}", answer("second"))
        yield Setting("s", second)

    node = FakeNode()
    outcome = run(node, playbook("one", play))
    assert node.settings == {"s": "second=first=x"}
    assert list(outcome.choices) == ["first", "second"]


def test_check_does_not_measure_after_a_pending_change() -> None:
    node = FakeNode()
    outcome = run(node, playbook("one", asking("k", [C], before=(A,))), check=True)
    assert (outcome.complete, outcome.exchanges) == (False, 1)
    assert [change.resource for change in outcome.changes] == ["setting:a"]
    assert outcome.choices == {}
    assert node.sent("pass") == []


def test_check_measures_where_nothing_is_pending() -> None:
    node = FakeNode(settings={"a": "1"})
    outcome = run(node, playbook("one", asking("k", [C], before=(A,))), check=True)
    assert outcome.complete
    assert [change.resource for change in outcome.changes] == ["setting:c", "setting:answer-k"]
    assert node.sent("set") == []


STORED = {
    "k": {"script": "pass k-measured", "answer": "k=before"},
    "l": {"script": "pass l-measured", "answer": "l=before"},
}


def test_a_refresh_measures_questions_again() -> None:
    node = FakeNode(settings={"answer-k": "k=before"})
    outcome = run(node, playbook("one", asking("k", [])), choices=STORED, refresh=True)
    assert node.settings == {"answer-k": "k=k-measured"}
    assert node.sent("pass") == ["pass k-measured"]
    # What no play asks any more would be older than the rest, should one ask it again.
    assert outcome.choices == {"k": {"script": "pass k-measured", "answer": "k=k-measured"}}


def test_a_refresh_of_one_playbook_keeps_the_answers_of_others() -> None:
    books = playbook("one", asking("k", [])), playbook("two", asking("l", []))
    outcome = run(FakeNode(), *books, choices=STORED, refresh=True, only=["two"])
    assert outcome.choices == {
        "k": STORED["k"],
        "l": {"script": "pass l-measured", "answer": "l=l-measured"},
    }


def test_answers_of_other_playbooks_are_known_in_a_refresh() -> None:
    def second(play: Play) -> Plays:
        yield Setting("mirror", play.known("k") or "none")

    node = FakeNode(settings={"mirror": "k=before"})
    books = playbook("one", asking("k", [])), playbook("two", second)
    outcome = run(node, *books, choices=STORED, refresh=True, only=["two"])
    assert (outcome.changes, outcome.exchanges, outcome.choices) == ((), 1, STORED)
    run(node, *books, choices=STORED, refresh=True)
    assert node.settings["mirror"] == "k=k-measured"


def test_a_damaged_answer_is_measured_again_by_a_refresh() -> None:
    node = FakeNode()
    outcome = run(node, playbook("one", asking("k", [])), choices={"k": "x"}, refresh=True)
    assert outcome.choices["k"]["answer"] == "k=k-measured"


def test_another_machine_gets_no_old_answers_by_a_refresh_either() -> None:
    book = playbook("one", asking("k", []))
    outcome = run(FakeNode(), book, facts=OTHER, choices=STORED, refresh=True, only=["one"])
    assert outcome.choices == {"k": {"script": "pass k-measured", "answer": "k=k-measured"}}


def test_what_was_measured_is_given_away_before_a_later_change_can_fail() -> None:
    kept: list[tuple[Facts, dict[str, Any]]] = []
    failing = Setting("a", "1", script="fail no space left")
    with pytest.raises(ChangeFailed):
        run(
            FakeNode(),
            playbook("one", asking("k", [failing])),
            choices=STORED,
            refresh=True,
            keep=lambda facts, choices: kept.append((facts, choices)),
        )
    measured = {"script": "pass k-measured", "answer": "k=k-measured"}
    assert kept == [(CENTOS, {"k": measured, "l": STORED["l"]})]


def test_two_scripts_for_one_key_end_the_run() -> None:
    books = [
        playbook("one", asking("k", [], script="pass 1")),
        playbook("two", asking("k", [], script="pass 2")),
    ]
    with pytest.raises(PlaybookError, match="k is measured by two different scripts") as caught:
        run(FakeNode(), *books)
    assert caught.value.node == "node1"


@pytest.mark.parametrize(
    ("decided", "kept"),
    [
        (("a", "b"), ["a", "b"]),
        ({"a": (1,)}, {"a": [1]}),
        ({1: "a"}, {"1": "a"}),
        ("caf\udce9", "caf\udce9"),
        (None, None),
        (False, False),
    ],
)
def test_the_first_run_sees_what_the_second_will_read(decided: object, kept: object) -> None:
    seen: list[object] = []

    def play(play: Play) -> Plays:
        seen.append(play.choose("k", "pass x", lambda _: decided))
        yield A

    first = run(FakeNode(), playbook("one", play))
    stored = json.loads(json.dumps(first.choices))
    run(FakeNode(), playbook("one", play), choices=stored)
    assert seen == [kept, kept]


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("odd"), IndexError("odd")])
def test_an_answer_that_cannot_be_made(error: Exception) -> None:
    def play(play: Play) -> Plays:
        def decide(_: Observed) -> str:
            raise error

        yield Setting("s", play.choose("k", "pass what was seen", decide))

    with pytest.raises(PlaybookError, match=r"k could not be decided: .*odd") as caught:
        run(FakeNode(), playbook("one", play))
    assert caught.value.details == "what was seen"


def test_an_answer_that_cannot_be_kept() -> None:
    def play(play: Play) -> Plays:
        yield Setting("s", str(play.choose("k", "pass x", lambda _: {"a set"})))

    with pytest.raises(PlaybookError, match=r"k could not be decided: .*JSON"):
        run(FakeNode(), playbook("one", play))


# -- facts


OTHER = Facts("0000", "aarch64", "centos", "7")


def test_another_machine_gets_a_plan_of_its_own_and_no_old_answers() -> None:
    def play(play: Play) -> Plays:
        yield Setting("arch", play.facts.architecture)
        yield Setting("mirror", play.choose("k", "pass new", answer("k")))

    stored = {"k": {"script": "pass new", "answer": "k=old"}}
    node = FakeNode()
    outcome = run(node, playbook("one", play), facts=OTHER, choices=stored)
    assert node.settings == {"arch": "x86_64", "mirror": "k=new"}
    assert node.sent("set") == ["set arch x86_64", "set mirror k=new"]
    assert outcome.facts == CENTOS
    assert outcome.choices["k"]["answer"] == "k=new"


def test_a_wrong_memory_costs_one_exchange() -> None:
    node = FakeNode(settings={"a": "1"})
    assert run(node, playbook("one", [A]), facts=OTHER).exchanges == 2


def test_changes_stay_reported_though_they_changed_the_facts() -> None:
    class Node(FakeNode):
        def _obey(self, snippet: str) -> tuple[int, bytes]:
            if snippet == "set a 1":
                self.facts = Facts("4f9c", "x86_64", "centos", "8")
            return super()._obey(snippet)

    outcome = run(Node(), playbook("one", asking("k", [B], before=(A,))))
    assert [c.resource for c in outcome.changes] == ["setting:a", "setting:b", "setting:answer-k"]
    assert outcome.facts.version == "8"


def test_check_drops_its_report_about_another_machine() -> None:
    """The first plan was made for a machine that is gone; none of it would happen."""

    def play(play: Play) -> Plays:
        yield Setting("arch", play.facts.architecture)

    node = FakeNode(settings={"arch": "x86_64"})
    assert run(node, playbook("one", play), facts=OTHER, check=True).changes == ()


@pytest.mark.parametrize(
    ("output", "facts"),
    [
        ("4f9c\nx86_64\ncentos\n7\n", CENTOS),
        ("unknown\naarch64\nubuntu\n24.04\n", Facts("unknown", "aarch64", "ubuntu", "24.04")),
        ("4f9c\nx86_64\n", Facts("4f9c", "x86_64", "", "")),
        ("", Facts("", "", "", "")),
    ],
)
def test_facts_are_read(output: str, facts: Facts) -> None:
    assert Facts.read(Observed(0, output)) == facts


@pytest.mark.parametrize(
    ("version", "major"), [("7", "7"), ("8.5", "8"), ("24.04", "24"), ("", "")]
)
def test_major_version(version: str, major: str) -> None:
    assert Facts("", "", "", version).major == major


# -- plays


def play_argument() -> Play:
    return planner()(CENTOS, {})


def test_the_same_wish_twice_is_looked_at_twice() -> None:
    items, question = expand([playbook("one", [A, B]), playbook("two", [A])], play_argument())
    assert question is None
    assert [(item.playbook, item.resource) for item in items] == [
        ("one", A),
        ("one", B),
        ("two", A),
    ]


def test_two_wishes_for_one_thing_are_refused() -> None:
    books = [playbook("one", [A]), playbook("two", [Setting("a", "other")])]
    with pytest.raises(PlaybookError, match="one and two define setting:a differently"):
        expand(books, play_argument())


def test_a_file_and_the_engines_configuration_are_one_thing() -> None:
    from labctl.playbook import DaemonJson

    path = "/etc/docker/daemon.json"
    books = [playbook("one", [DaemonJson("{}\n")]), playbook("two", [File(path, "{}\n")])]
    with pytest.raises(PlaybookError, match=f"define file:{path} differently"):
        expand(books, play_argument())


def test_two_wishes_are_refused_before_anything_is_sent() -> None:
    node = FakeNode()
    with pytest.raises(PlaybookError):
        run(node, playbook("one", [A, Setting("a", "other")]))
    assert node.scripts == []


def _raises(play: Play) -> Plays:
    yield A
    raise KeyError("colour")


def _none(play: Play) -> Any:
    return None


def _texts(play: Play) -> Any:
    yield "install docker"


@pytest.mark.parametrize(
    ("play", "message"),
    [
        (_raises, "the playbook one failed: KeyError: 'colour'"),
        (_none, "the playbook one failed: TypeError: 'NoneType' object is not iterable"),
        (_texts, "the playbook one failed: AttributeError"),
    ],
)
def test_an_error_in_a_play_names_the_playbook(play: Callable[..., Any], message: str) -> None:
    node = FakeNode()
    with pytest.raises(PlaybookError) as caught:
        run(node, playbook("one", play))
    assert caught.value.message.startswith(message)
    assert caught.value.node == "docker-node1"
    assert "play.py" in caught.value.hint
    assert node.scripts == []


def test_an_expected_error_of_a_play_stays_as_it_is() -> None:
    def play(play: Play) -> Plays:
        yield File("/a", play.render("missing.j2"))

    with pytest.raises(UsageError, match="missing"):
        expand([playbook("one", play)], play_argument())


def test_plays_know_their_node() -> None:
    argument = planner(lab_spec(nodes=3), user="anna")(CENTOS, {})
    assert argument.node.name == "docker-node1"
    assert argument.addresses == {
        "docker-node1": "192.168.56.11",
        "docker-node2": "192.168.56.12",
        "docker-node3": "192.168.56.13",
    }
