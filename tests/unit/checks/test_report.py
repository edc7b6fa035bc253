"""Reports of checks, for programs."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from labctl.checks.junit import junit
from labctl.checks.report import Check, NodeReport
from labctl.events import CheckEnded, CheckOutcome


def check(outcome: str, message: str = "", name: str = "test_a") -> Check:
    return Check(
        "engine", name, "the engine runs", CheckOutcome(outcome), message, 0.12345, 1.7e9 + 0.12345
    )


MIXED = NodeReport(
    "docker-node1",
    (
        check("passed"),
        check("failed", "assert 1 == 2\n +  where 1 = x", "test_b"),
        check("skipped", "no network", "test_c"),
        check("error", "no connection", "test_d[a-1]"),
    ),
    {"engine": "19.03.9", "compose": "1.25.5"},
)


def test_what_counts_as_failed() -> None:
    assert [c.name for c in MIXED.failed] == ["test_b", "test_d[a-1]"]
    assert [c.name for c in MIXED.passed] == ["test_a"]


def test_json() -> None:
    data = json.loads(json.dumps(MIXED.as_json()))
    assert (data["node"], data["versions"]) == ("docker-node1", MIXED.versions)
    assert [c["outcome"] for c in data["checks"]] == ["passed", "failed", "skipped", "error"]
    assert data["checks"][0] == {
        "section": "engine",
        "name": "test_a",
        "title": "the engine runs",
        "outcome": "passed",
        "message": "",
        "seconds": 0.123,
        "started": 1700000000.123,
        "commands": [],
        "wrong": "",
        "because": "",
        "fix": "",
        "details": "",
    }


def test_a_check_has_the_field_names_of_its_event() -> None:
    shared = set(CheckEnded.__slots__) - {"node", "phase", "index", "total"}
    assert set(check("passed").as_json()) == shared | {"commands"}


def parsed(*reports: NodeReport) -> ElementTree.Element:
    return ElementTree.fromstring(junit(reports).encode())


def test_junit_tells_of_a_node_that_was_not_reached() -> None:
    text = junit([NodeReport("docker-node1", (check("passed"),))], {"docker-node2": "no answer"})
    root = ElementTree.fromstring(text.encode())
    assert [(s.get("name"), s.get("tests"), s.get("errors")) for s in root] == [
        ("docker-node1", "1", "0"),
        ("docker-node2", "1", "1"),
    ]
    assert root.get("errors") == "1"
    error = root.find("testsuite[@name='docker-node2']/testcase/error")
    assert error is not None
    assert error.get("message") == "no answer"


def test_junit_has_a_suite_for_each_node() -> None:
    root = parsed(MIXED, NodeReport("docker-node2", (check("passed"),)), NodeReport("empty", ()))
    counts = {"tests": "5", "failures": "1", "errors": "1", "skipped": "1"}
    assert (root.tag, root.attrib) == ("testsuites", counts)
    assert [(s.get("name"), s.get("tests"), s.get("failures")) for s in root] == [
        ("docker-node1", "4", "1"),
        ("docker-node2", "1", "0"),
        ("empty", "0", "0"),
    ]
    passed, failed, skipped, error = root[0]
    assert passed.attrib == {"classname": "docker-node1.engine", "name": "test_a", "time": "0.123"}
    assert [len(case) for case in root[0]] == [0, 1, 1, 1]
    assert (failed[0].tag, failed[0].get("message")) == ("failure", "assert 1 == 2")
    assert failed[0].text == "assert 1 == 2\n +  where 1 = x"
    assert (skipped[0].tag, error[0].tag) == ("skipped", "error")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<&>\"']]>", "<&>\"']]>"),
        ("tab\tand ü 🐳\xa0x", "tab\tand ü 🐳\xa0x"),
        ("\x1b[31mred\x1b[0m", "�[31mred�[0m"),
        ("a\x00b\x07c\x0bd", "a�b�c�d"),
        ("\udce9 \ufffe\uffff", "� ��"),
        ("𐀀\U0010ffff", "𐀀�"),
    ],
)
def test_junit_parses_whatever_a_node_said(text: str, kept: str) -> None:
    (case,) = parsed(NodeReport("a", (check("failed", text, f"test[{text}]"),)))[0]
    assert case.get("name") == f"test[{kept}]"
    assert case[0].text == kept
    assert case[0].get("message") == kept
