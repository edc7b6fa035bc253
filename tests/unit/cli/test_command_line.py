"""The command line as a newcomer meets it: help, suggestions, completion, and exit codes."""

from __future__ import annotations

import concurrent.futures
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from labctl import parallel
from labctl.cli import completion
from labctl.cli.commands.ssh import choose
from labctl.cli.dress import dress
from labctl.cli.examples import EXAMPLES
from labctl.cli.groups import INSTEAD
from labctl.cli.main import build
from labctl.config.nearest import nearest, suggestion
from labctl.config.numbers import number_hint
from labctl.errors import UsageError
from labctl.lab.workspace import Workspace
from tests.unit.cli.test_cli import Run, lab_yaml, nodes, run

__all__ = ["nodes", "run"]


def command() -> Any:
    built: Any = typer.main.get_command(build())
    dress(built)
    return built


def commands(at: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the words of every command, and the command; groups too."""
    yield words, at
    for name, below in getattr(at, "commands", {}).items():
        yield from commands(below, (*words, name))


ALL = [(words, one) for words, one in commands(command()) if words]


# -- help


@pytest.mark.parametrize("words", [words for words, _ in ALL], ids=" ".join)
def test_help_has_examples_and_no_types_of_python(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words, "--help")
    assert done.code == 0
    assert "Examples:" in done.out
    assert not re.search(r"<\w+[\[>]|\[\[|\{\w+\}|list\[|None", done.out), done.out
    first = done.out.splitlines()[2]
    assert len(first.split()) <= 14


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_can_be_called(name: str) -> None:
    by_words = {" ".join(words): one for words, one in ALL}
    assert name in by_words
    for line, _ in EXAMPLES[name]:
        program, *arguments = shlex.split(line.partition(" >")[0])
        assert program == "labctl"
        at = command().make_context("labctl", arguments, resilient_parsing=False, obj=None)
        rest = [*at._protected_args, *at.args]
        assert rest[: len(name.split())] == name.split()[: len(rest)]
        below = by_words[name]
        if not hasattr(below, "commands"):
            below.make_context(name, rest[len(name.split()) :])


def test_every_argument_has_a_plain_name() -> None:
    for words, one in ALL:
        for parameter in one.params:
            if parameter.param_type_name == "argument":
                shown = parameter.metavar
                assert shown, words
                assert re.fullmatch(r"[A-Z\[\]. ]+", shown), words
                assert parameter.required == (not shown.startswith("[")), words


def test_help_of_a_command_by_name(run: Run) -> None:
    assert run("help", "up").out == run("up", "--help").out
    assert run("help", "checkpoint", "save").out == run("checkpoint", "save", "--help").out
    assert run("help").out == run("--help").out
    done = run("help", "upp")
    assert (done.code, done.out) == (2, "")
    assert "did you mean `labctl up`?" in done.err


def test_version_is_a_command_and_an_option(run: Run) -> None:
    assert run("version").out == run("--version").out
    assert run("version", "--json").events[0]["event"] == "version"


# -- suggestions


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stop", "labctl halt"),
        ("down", "labctl halt"),
        ("start", "labctl up"),
        ("ps", "labctl exec -- docker ps"),
        ("cp", "labctl scp"),
        ("snapshot", "labctl checkpoint"),
        ("shell", "labctl ssh"),
        ("ls", "labctl list"),
        ("rehears", "labctl rehearse"),
        ("stap", "labctl status"),
        ("UP", "labctl up"),
    ],
)
def test_a_wrong_command_names_the_right_one(run: Run, typed: str, meant: str) -> None:
    done = run(typed)
    assert (done.code, done.out) == (2, "")
    assert f"error: unknown command `labctl {typed}`" in done.err
    assert f"hint: did you mean `{meant}`?" in done.err


def test_a_command_like_no_other_leads_to_the_list(run: Run) -> None:
    assert "`labctl --help` lists the commands" in run("xyzzy").err
    assert "did you mean `labctl checkpoint save`?" in run("checkpoint", "sav").err
    assert "`labctl checkpoint --help` lists" in run("checkpoint", "xyzzy").err


def test_what_is_suggested_exists() -> None:
    names = {words[0] for words, _ in ALL}
    for typed, instead in INSTEAD.items():
        assert typed not in names
        program, word, *_ = instead.split()
        assert program == "labctl"
        assert word in names | {"--install-completion"}


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("status", "--limit", "docker-nod1"), "did you mean docker-node1?"),
        (("provision", "--limit", "node2"), "did you mean docker-node2?"),
        (("heal", "Docker-Node2"), "did you mean docker-node2?"),
        (("provision", "--only", "ty"), "did you mean toy?"),
        (("provision", "--with", "registri"), "did you mean registry?"),
        (("rehearse", "netwrk"), "did you mean network?"),
        (("ssh", "docker-node3"), "did you mean docker-node"),
        (("logs", "docker-node9"), "did you mean docker-node"),
        (("logs", "provison"), "did you mean provision?"),
    ],
)
def test_a_mistyped_name_comes_with_the_right_one(
    run: Run, nodes: Any, arguments: tuple[str, ...], meant: str
) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert meant in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("docker-node7", ["docker-node1", "docker-node2"], "docker-node"),
        ("node2", ["docker-node1", "docker-node2"], "docker-node2"),
        ("node", ["docker-node1", "docker-node2"], ""),
        ("x", ["xylophone"], ""),
        ("REGISTRY", ["registry"], "registry"),
        ("qqq", ["a", "b"], ""),
    ],
)
def test_nearest(word: str, known: list[str], found: str) -> None:
    assert nearest(word, known).startswith(found)
    assert bool(nearest(word, known)) == bool(found)


def test_a_suggestion_keeps_the_list() -> None:
    assert suggestion("ab", ["abc"], "available: abc") == "did you mean abc? available: abc"
    assert suggestion("qq", ["abc"], "available: abc") == "available: abc"
    assert suggestion("qq", ["abc"]) == ""


@pytest.mark.parametrize("word", ["pc7", "pcl1", "PC1", "pc11"])
def test_a_mistyped_node_is_no_command_in_a_lab_of_one_node(word: str) -> None:
    with pytest.raises(UsageError, match="has no node"):
        choose([word], ("pc1",))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], ""),
        (["ps"], "ps"),
        (["docker"], "docker"),
        (["uptime"], "uptime"),
        (["pc1"], ""),
        (["pc1", "pc7"], "pc7"),
        (["--", "pc7"], "pc7"),
        (["docker", "ps"], "docker ps"),
        (["docker ps | wc -l"], "docker ps | wc -l"),
    ],
)
def test_a_command_in_a_lab_of_one_node_needs_no_name(words: list[str], line: str) -> None:
    assert choose(words, ("pc1",)) == ("pc1", line)


# -- numbers


@pytest.mark.parametrize(
    ("flag", "text", "hint"),
    [
        ("--memory", "2G", "write the number of MiB: 2048"),
        ("--memory", "1.5 GiB", "write the number of MiB: 1536"),
        ("--memory", "2048M", "write the number of MiB: 2048"),
        ("--memory", "much", ""),
        ("--nodes", "two", ""),
        ("--nodes", "３", "write the number without quotes: 3"),
        ("--cpus", "2.5", ""),
    ],
)
def test_a_flag_that_is_no_number(run: Run, flag: str, text: str, hint: str) -> None:
    done = run("render", flag, text)
    assert done.code == 2
    assert f"{flag} must be a whole number, is {text!r}" in done.err
    assert ("hint: " in done.err) == bool(hint)
    assert hint in done.err
    assert number_hint(flag[2:], text) == hint


# -- exit codes

TWO = [
    (),
    ("frobnicate",),
    ("up", "--frobnicate"),
    ("up", "--nodes"),
    ("up", "--nodes", "many"),
    ("up", "--memory", "2G"),
    ("up", "--nodes", "0"),
    ("up", "--provider", "vmware"),
    ("up", "--with", "registri"),
    ("up", "--limit", "nobody"),
    ("provision", "--only", "mirror"),
    ("provision", "--with", "registri"),
    ("provision", "--limit", ""),
    ("verify", "--only", "mirror"),
    ("verify", "--junit", "no/such/folder.xml"),
    ("rehearse", "nothing"),
    ("rehearse", "--node", "nobody"),
    ("status", "--limit", "nobody"),
    ("status", "--prune"),
    ("heal",),
    ("heal", "nobody"),
    ("halt", "nobody"),
    ("reload", "nobody"),
    ("suspend", "nobody"),
    ("resume", "nobody"),
    ("ssh", "nobody"),
    ("ssh",),
    ("exec",),
    ("exec", "--limit", "nobody", "true"),
    ("scp", "one"),
    ("scp", "a", "nobody:/b"),
    ("logs", "nobody"),
    ("logs", "up", "verify"),
    ("checkpoint", "save", "a/b"),
    ("checkpoint", "restore", "one"),
    ("checkpoint", "restore", "one", "--limit", "nobody"),
    ("checkpoint", "frobnicate"),
    ("destroy", "nobody"),
    ("help", "frobnicate"),
    ("-C", "no-such-folder", "status"),
]
"""Command lines that make no sense in a lab of two nodes."""


@pytest.mark.parametrize("arguments", TWO, ids=" ".join)
def test_a_wrong_command_line_ends_with_2(run: Run, nodes: Any, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, ""), done.err
    if arguments:
        assert done.err.startswith("error: ")
        assert "Traceback" not in done.err
        assert "Error:" not in done.err


def test_the_table_of_exit_codes_is_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "output.md").read_text("utf-8")
    for code in ("0", "1", "2", "3", "130"):
        assert re.search(rf"^\| {code} \|", text, re.MULTILINE), code


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("provision",), "nothing is lost; run the same command again to resume"),
        (("exec", "true"), "the command may still run on the nodes"),
        (("status",), ""),
    ],
)
def test_after_ctrl_c_the_hint_is_true_for_the_command(
    run: Run,
    nodes: Any,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    hint: str,
) -> None:
    real = concurrent.futures.wait

    def wait(*_: Any, **__: Any) -> Any:
        monkeypatch.setattr(parallel, "wait", real)  # running work is waited for
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "wait", wait)
    done = run(*arguments)
    assert done.code == 130
    assert done.err.strip().endswith(f"hint: {hint}" if hint else "error: interrupted")


# -- completion


class Context:
    """Typer's context, as completion sees it."""

    def __init__(self, lab: str | None = None) -> None:
        self.params = {"labctl_lab": lab}
        self.parent = None


def complete(function: Any, incomplete: str, lab: str | None = None) -> list[str]:
    found: list[str] = function(Context(lab), incomplete)
    return found


def test_names_are_completed() -> None:
    lab_yaml("nodes: 2\n")
    Path("course").mkdir()
    Path("course/own.py").write_text("")
    assert complete(completion.nodes, "") == ["docker-node1", "docker-node2"]
    assert complete(completion.nodes, "docker-node1,docker-node") == [
        "docker-node1,docker-node1",
        "docker-node1,docker-node2",
    ]
    assert complete(completion.playbooks, "m") == ["mirrors"]
    assert complete(completion.further_playbooks, "re") == ["registry"]
    assert complete(completion.sections, "")[0] == "engine"
    assert "own" in complete(completion.sections, "")
    assert complete(completion.nodes_and_commands, "pro") == ["provision"]
    assert completion.toolchains("c") == ["course"]
    assert completion.providers("virt") == ["virtualbox"]


def test_checkpoints_are_completed_without_vagrant() -> None:
    from labctl.lab.checkpoint_record import CheckpointRecord

    lab_yaml("nodes: 2\n")
    assert complete(completion.checkpoints, "") == []
    Workspace.find().make()
    CheckpointRecord(Path(".labctl/checkpoints.json")).add("docker-node1", "chapter5")
    assert complete(completion.checkpoints, "ch") == ["chapter5"]


def test_completion_of_a_broken_lab_offers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    lab_yaml("nodes: [\n")
    assert complete(completion.nodes, "") == []
    assert complete(completion.nodes, "", lab="no-such-folder") == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("labctl ssh ", "docker-node2"),
        ("labctl heal docker-", "docker-node1"),
        ("labctl provision --only ", "mirrors"),
        ("labctl up --with ", "registry"),
        ("labctl rehearse ", "volumes"),
        ("labctl up --toolchain ", "latest-el7"),
        ("labctl logs ", "provision"),
        ("labctl chec", "checkpoint"),
    ],
)
def test_the_shell_is_offered_names(
    run: Run, monkeypatch: pytest.MonkeyPatch, line: str, offered: str
) -> None:
    lab_yaml("nodes: 2\n")
    words = line.split(" ")
    monkeypatch.setenv("_LABCTL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    assert offered in run().out.splitlines()
    assert not os.path.exists(".labctl")  # noqa: PTH110
