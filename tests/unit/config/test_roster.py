"""Rosters as schools export them, and the ids that students get."""

from __future__ import annotations

import pytest

from labctl.config.load import load
from labctl.config.roster import MOST_STUDENTS, Row, counted, identified, parse, short
from labctl.errors import SpecError


def rows(data: bytes) -> list[tuple[str, str, str]]:
    found, problems = parse(data)
    assert not problems, problems
    return [(row.name, row.full_name, row.host) for row in found]


def wrong(data: bytes) -> list[tuple[int, str]]:
    return [(problem.line, str(problem.message)) for problem in parse(data)[1]]


@pytest.mark.parametrize(
    "data",
    [
        b"anna,Anna May\nbo\n",
        b"\xef\xbb\xbfanna,Anna May\r\nbo\r\n",
        b"anna;Anna May\n\n;;\nbo;\n",
        b"Name\tFull name\nanna\tAnna May\nbo",
        b"# room 5\nname, full name, host\nanna, Anna May\nbo, ,\n",
        "anna,Anna May\r\nbo\r\n".encode("utf-16"),
        b'"anna","Anna May"\r"bo"\r',
    ],
    ids=["plain", "bom-crlf", "semicolons", "tabs", "comment", "utf-16", "old-mac"],
)
def test_forms_of_a_roster(data: bytes) -> None:
    assert rows(data) == [("anna", "Anna May", ""), ("bo", "", "")]


def test_a_head_is_only_the_first_line() -> None:
    assert [row[0] for row in rows("姓名\n王芳\nname\n".encode())] == ["王芳", "name"]


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        ("anna\n王芳\n".encode("gbk"), 2, "the file is not UTF-8"),
        (b"", 1, "the roster has no students"),
        (b"name\n\n", 1, "the roster has no students"),
        (b"anna\n,Bo\n", 2, "the name is missing"),
        (b"anna\n=HYPERLINK(1)\n", 2, "'=HYPERLINK(1)' is a spreadsheet formula"),
        (b"anna,@x\n", 1, "'@x' is a spreadsheet formula"),
        (b"anna\na\x1b[31m\n", 2, "'a\\x1b[31m' has a control character"),
        ("anna\nbo\u202eb\n".encode(), 2, "'bo\\u202eb' has a control character"),
        (b"anna\nbo\nanna\n", 3, "repeats line 1"),
        (b"a,A,10.0.0.1\nb,B,10.0.0.1\n", 2, "10.0.0.1 is already the host of line 1"),
        (b"a,A,10.0.0.1\nb,B\n", 2, "b has no host"),
        (b"a,A,x y\n", 1, "host: must be a host name or an IP address, is 'x y'"),
        (b"a,b,c,d\n", 1, "4 columns"),
        (b"x" * 81, 1, f"'{'x' * 57}...' has more than 80 characters"),
        (b"x" * (1 << 20) + b"y", 1, "the file is larger than 1 MB"),
    ],
)
def test_what_is_wrong_has_its_line(data: bytes, line: int, message: str) -> None:
    assert wrong(data) == [(line, message)]


def test_all_problems_at_once() -> None:
    assert [line for line, _ in wrong(b"=a\nok\n,b\nok\n")] == [1, 3, 4]


def test_a_class_has_a_limit() -> None:
    data = b"".join(b"s%d\n" % n for n in range(MOST_STUDENTS + 1))
    assert wrong(data) == [(MOST_STUDENTS + 1, "a class has at most 200 students")]


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("anna", "anna"),
        ("Anna Müller-Lüdenscheidt", "anna-muller-ludensch"),
        ("O'Brien", "o-brien"),
        ("Weiß", "weiss"),
        ("42", "s-42"),
        ("all", ""),
        ("王芳", ""),
        ("王芳 A", ""),
        ("Ольга", ""),
        ("🎓", ""),
        ("../../etc", "etc"),
    ],
)
def test_an_id_is_made_of_a_name(name: str, student: str) -> None:
    assert short(name) == student


def test_alike_and_chinese_names_get_ids_of_their_own() -> None:
    found, _ = parse("王芳,Fang\n李娜\nAnna\nanna\nAnna,Anna B\ns01\n".encode())
    ids = identified(found, {})
    assert list(ids) == ["fang", "s01", "anna", "anna-2", "anna-3", "s01-2"]


def test_ids_are_kept_and_never_given_to_somebody_else() -> None:
    before = identified([Row("Anna"), Row("王芳"), Row("anna")], {})
    assert list(before) == ["anna", "s01", "anna-2"]
    after = identified([Row("李娜"), Row("anna"), Row("王芳"), Row("Anna", "new")], before)
    assert {row.name + row.full_name: student for student, row in after.items()} == {
        "李娜": "s02",
        "anna": "anna-2",
        "王芳": "s01",
        "Annanew": "anna-3",
    }


def test_a_number_makes_students() -> None:
    assert [row.name for row in counted(3)] == ["s01", "s02", "s03"]
    assert counted(120)[0].name == "s001"


def test_lab_yaml_names_the_roster(tmp_path: object) -> None:
    from pathlib import Path

    Path("roster.csv").write_text("anna\n", "utf-8")
    Path("lab.yaml").write_text("class: {students: roster.csv}\n", "utf-8")
    lab = load(Path("lab.yaml").absolute())
    assert lab.class_spec is not None
    assert lab.class_spec.students == str(Path("roster.csv").absolute().as_posix())
    Path("roster.csv").write_text("anna\n\n=b\nanna\n", "utf-8")
    with pytest.raises(SpecError) as caught:
        load(Path("lab.yaml").absolute())
    assert [(p.line, p.where, str(p.message)) for p in caught.value.problems] == [
        (1, "class.students", "roster.csv, line 3: '=b' is a spreadsheet formula"),
        (1, "class.students", "roster.csv, line 4: repeats line 1"),
    ]
