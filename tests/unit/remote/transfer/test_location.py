"""Which places of a copy are on nodes; vagrant-scp's forms, and Windows' paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.errors import UsageError
from labctl.remote.transfer.entry import link_stays
from labctl.remote.transfer.location import Location, NodePath, expanded, parse, parse_all

NODES = ("docker-node1", "docker-node2", "registry")


@pytest.mark.parametrize(
    ("text", "nodes", "path"),
    [
        ("docker-node1:/home/chapter5", ("docker-node1",), "/home/chapter5"),
        ("docker-node1:", ("docker-node1",), ""),
        ("docker-node1:~/x", ("docker-node1",), "~/x"),
        ("docker-node1:C:/x", ("docker-node1",), "C:/x"),
        ("docker-node1:a:b", ("docker-node1",), "a:b"),
        ("all:/x", NODES, "/x"),
        ("docker-node*:/x", ("docker-node1", "docker-node2"), "/x"),
        ("docker-node[2]:/x", ("docker-node2",), "/x"),
        ("../labs", (), "../labs"),
        ("labs/", (), "labs/"),
        ("./a:b", (), "./a:b"),
        ("dir/a:b", (), "dir/a:b"),
        (r"C:\labs", (), r"C:\labs"),
        ("C:/labs", (), "C:/labs"),
        (r"C:\labs\docker-node1:x", (), r"C:\labs\docker-node1:x"),
        ("here:today", (), "here:today"),
        ("-r", (), "-r"),
    ],
)
def test_a_place(text: str, nodes: tuple[str, ...], path: str) -> None:
    found = parse(text, NODES, lambda name: name == "here:today", windows=False)
    assert found == Location(nodes, path)


def test_a_letter_and_a_colon_are_a_drive_on_windows_alone() -> None:
    assert parse("C:labs", NODES, lambda _: False, windows=True) == Location((), "C:labs")
    with pytest.raises(UsageError, match="no node 'C'"):
        parse("C:labs", NODES, lambda _: False, windows=False)


def test_a_node_with_one_letter_is_a_node() -> None:
    assert parse("c:/x", ("c",), lambda _: False, windows=True) == Location(("c",), "/x")


def test_a_mistyped_node_comes_with_the_right_one() -> None:
    with pytest.raises(UsageError) as caught:
        parse("docker-nodel:/etc/hosts", NODES, lambda _: False, windows=False)
    assert caught.value.hint.startswith("did you mean docker-node")
    assert "./docker-nodel:/etc/hosts" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        parse("pc7:/etc/hosts", NODES, lambda _: False, windows=False)
    assert caught.value.hint.startswith("available: ")


@pytest.mark.parametrize("text", ["docker-node9:/x", "other*:/x", "root@docker-node1:/x"])
def test_what_is_no_node_is_refused_with_the_names_of_those_there_are(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, NODES, lambda _: False, windows=False)
    assert "docker-node1, docker-node2, registry" in caught.value.hint


@pytest.mark.parametrize(
    ("texts", "nodes", "sources", "destination"),
    [
        # vagrant scp <some_local_file_or_dir> <somewhere_on_the_vm>
        (("labs", "/srv/labs"), ("one",), [Location((), "labs")], Location(("one",), "/srv/labs")),
        (("labs", ":/srv/labs"), ("one",), [Location((), "labs")], Location(("one",), "/srv/labs")),
        # vagrant scp <some_local_file_or_dir> <vm_name:somewhere_on_the_vm>
        (("labs", "registry:x"), NODES, [Location((), "labs")], Location(("registry",), "x")),
        # vagrant scp <vm_name:somewhere_on_the_vm> <some_local_file_or_dir>
        (("registry:x", "labs"), NODES, [Location(("registry",), "x")], Location((), "labs")),
        ((":x", "."), ("one",), [Location(("one",), "x")], Location((), ".")),
        # beyond it
        (("a", "b", "all:"), NODES, [Location((), "a"), Location((), "b")], Location(NODES, "")),
        (
            ("docker-node1:a", "docker-node2:b"),
            NODES,
            [Location(("docker-node1",), "a")],
            Location(("docker-node2",), "b"),
        ),
    ],
)
def test_the_forms_of_vagrant_scp(
    texts: tuple[str, ...], nodes: tuple[str, ...], sources: list[Location], destination: Location
) -> None:
    found = parse_all(texts, nodes, lambda _: False, windows=False)
    assert found == (sources, destination)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("a",), "a source and a destination"),
        (("a", "b"), "neither"),
        (("a", ":b"), "which node"),
        (("a", "registry:b", "c"), "local file"),
    ],
)
def test_places_that_make_no_sense(texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_all(texts, NODES, lambda _: False, windows=False)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", NodePath(".")),
        (".", NodePath("./.")),
        ("~", NodePath(".")),
        ("~/", NodePath(".")),
        ("~/x y", NodePath("./x y")),
        ("~root/x", NodePath("./x", user="root")),
        ("~root", NodePath(".", user="root")),
        ("~$(id)/x", NodePath("./~$(id)/x")),
        ("x/", NodePath("./x", slash=True)),
        ("-rf", NodePath("./-rf")),
        ("/", NodePath("/", slash=True)),
        ("/a//", NodePath("/a", slash=True)),
        ("a\nb", NodePath("./a\nb")),
    ],
)
def test_a_path_on_a_node(text: str, path: NodePath) -> None:
    assert NodePath.parse(text) == path


@pytest.mark.parametrize(
    ("depth", "target", "stays"),
    [
        (0, "x", True),
        (0, "a/b", True),
        (0, "./a", True),
        (1, "../x", True),
        (2, "../../x", True),
        (0, "../x", False),
        (1, "../../x", False),
        (0, "/etc/passwd", False),
        (0, "", False),
        # From where another link leads to, this would climb further than its text tells.
        (0, "a/b/link/../../../x", False),
        (0, "a/../b", False),
        (0, "C:/x", False),
        (0, r"..\x", False),
    ],
)
def test_whether_a_link_stays(depth: int, target: str, stays: bool) -> None:
    assert link_stays(depth, target) is stays


def test_a_tilde_is_the_home_unless_a_file_is_called_so(tmp_path: Path) -> None:
    home = str(Path.home())
    assert [expanded(path) for path in ("~", "~/x", "x", "a~", "./~")] == [
        *(home, f"{home}/x", "x", "a~", "./~")
    ]
    assert expanded("~$labs.docx") == "~$labs.docx"  # such a user there is not
    (tmp_path / "~").touch()
    assert expanded("~") == "~"
