"""Which lab a command works on: the nearest of this user's own, or the one that is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from labctl.lab.lab import Lab
from labctl.lab.state import State
from labctl.lab.workspace import Workspace
from labctl.remote.passwords import Passwords
from tests.unit.cli.test_cli import Run, run

__all__ = ["run"]

ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away"
)
NOBODY = 65534

NEED_A_LAB = [
    ("provision",),
    ("provision", "--check"),
    ("verify",),
    ("rehearse",),
    ("status",),
    ("heal", "docker-node1"),
    ("doctor", "docker-node1"),
    ("halt",),
    ("reload",),
    ("suspend",),
    ("resume",),
    ("bake",),
    ("checkpoint", "export", "evening", "evening.tar"),
    ("checkpoint", "import", "evening.tar"),
    ("checkpoint", "save", "evening"),
    ("checkpoint", "restore", "evening", "--yes"),
    ("checkpoint", "list"),
    ("checkpoint", "delete", "evening"),
    ("destroy", "--yes"),
    ("plan",),
    ("move", "anna", "--yes"),
    ("ssh", "docker-node1"),
    ("exec", "true"),
    ("scp", "a", "docker-node1:b"),
    ("sync",),
    ("ssh-config",),
    ("ssh-config", "--path"),
    ("logs",),
    ("open",),
]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole messages on one line, whatever the temporary folder is called."""
    monkeypatch.setenv("COLUMNS", "500")


def everything() -> set[Path]:
    return set(Path().rglob("*"))


@pytest.mark.parametrize("command", NEED_A_LAB, ids=" ".join)
@pytest.mark.parametrize("bare", [False, True])
def test_no_lab_here(run: Run, command: tuple[str, ...], bare: bool) -> None:
    if bare:
        Path(".labctl/nodes").mkdir(parents=True)
    before = everything()
    done = run(*command)
    assert (done.code, done.out) == (2, ""), done
    assert f"there is no lab in {Path.cwd()} or above it" in done.err
    assert "labctl init" in done.err
    assert everything() == before


@pytest.mark.parametrize("command", [("status",), ("destroy", "--yes"), ("exec", "true")])
def test_no_lab_in_the_folder_that_was_named(run: Run, command: tuple[str, ...]) -> None:
    Path("empty").mkdir()
    Path("lab.yaml").write_text("nodes: 2\n")
    done = run("--lab", "empty", *command)
    assert done.code == 2
    assert f"there is no lab in {Path.cwd()}/empty" in done.err


def test_every_command_that_needs_a_lab_is_tried() -> None:
    from labctl.cli.main import build

    app = build()
    names = {command.name for command in app.registered_commands}
    others = {"init", "up", "render", "doctor", "schema", "trust", "list", "version", "help"}
    assert names - others <= {command[0] for command in NEED_A_LAB}


# -- the name of lab.yaml


def test_lab_yml_is_read(run: Run) -> None:
    Path("lab.yml").write_text("nodes: [{name: pc1}, {name: pc2}, {name: pc3}]\n")
    assert run("render", "--provider", "libvirt").out.count('"pc') >= 3
    Path("below").mkdir()
    os.chdir("below")
    assert Workspace.find().spec_file == Path.cwd().parent / "lab.yml"


def test_two_lab_yamls_are_an_error(run: Run) -> None:
    Path("lab.yml").touch()
    Path("lab.yaml").touch()
    for command in (["render"], ["status"], ["--lab", ".", "status"]):
        done = run(*command)
        assert done.code == 2
        assert "contains both lab.yaml and lab.yml" in done.err
    done = run("--lab", "lab.yaml", "render", "--provider", "libvirt")
    assert done.code == 0


@pytest.mark.parametrize("name", ["lab.yaml.txt", "Lab.yaml", "LAB.YML", "lab.yml.txt"])
def test_a_lab_yaml_with_a_wrong_name(run: Run, name: str) -> None:
    Path(name).write_text("nodes: 3\n")
    for command in ("render", "up", "status"):
        done = run(command)
        assert done.code == 2
        assert name in done.err
        assert "lab.yaml" in done.err


def test_a_lab_yaml_that_points_nowhere(run: Run) -> None:
    Path("lab.yaml").symlink_to("gone")
    for command in ("render", "status"):
        done = run(command)
        assert done.code == 2
        assert "lab.yaml" in done.err


def test_init_beside_a_lab_yml(run: Run) -> None:
    Path("lab.yml").write_text("nodes: 3\n")
    done = run("init")
    assert done.code == 2
    assert "lab.yml already exists" in done.err
    assert not Path("lab.yaml").exists()


# -- the lab above


def test_the_lab_above_is_named(run: Run) -> None:
    Path("lab.yaml").write_text("nodes: 2\n")
    top = Path.cwd()
    assert "using the lab" not in run("status").err
    Path("below").mkdir()
    os.chdir("below")
    assert f"using the lab in {top}" in run("status").err
    assert f"using the lab in {top}" in run("exec", "true").err
    assert "using the lab" not in run("--json", "status").err + run("--lab", "..", "status").err


def test_a_bare_state_folder_above_is_no_lab(run: Run) -> None:
    """As an `up` leaves it that made no machine."""
    Workspace.find().make()
    Path("below").mkdir()
    os.chdir("below")
    assert Workspace.find().folder == Path.cwd()


# -- folders of others


@ROOT
@pytest.mark.parametrize("what", [".", "lab.yaml", "playbooks", "course", "templates"])
def test_a_lab_of_another_user_is_not_used(run: Run, what: str) -> None:
    Path("lab.yaml").write_text("nodes: 2\n")
    for name in ("playbooks", "course", "templates", "below"):
        Path(name).mkdir()
    os.chown(what, NOBODY, NOBODY)
    top = Path.cwd()
    for place in (".", "below"):
        os.chdir(place)
        for command in (["status"], ["up"], ["render"], ["exec", "true"]):
            done = run(*command)
            assert done.code == 2
            assert "belongs to another user" in done.err
            assert f"labctl --lab {top}" in done.err
    os.chdir(top)
    assert run("--lab", str(top), "render", "--provider", "libvirt").code == 0


@ROOT
def test_a_folder_of_another_user_becomes_no_lab(run: Run) -> None:
    os.chown(".", NOBODY, NOBODY)
    for command in ("up", "render"):
        done = run(command)
        assert done.code == 2
        assert "belongs to another user" in done.err
    assert "there is no lab" in run("status").err
    assert run("--lab", ".", "render", "--provider", "libvirt").code == 0


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o1775])
def test_a_folder_in_which_others_may_write(run: Run, mode: int) -> None:
    Path.cwd().chmod(mode)
    Path("lab.yaml").write_text("nodes: 2\n")
    for command in ("up", "status"):
        done = run(command)
        assert done.code == 2
        assert "other users may write in" in done.err
    Path("mine").mkdir()
    os.chdir("mine")
    assert run("init").code == 0
    assert run("render", "--provider", "libvirt").code == 0


@ROOT
def test_with_sudo_the_callers_lab_is_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("lab.yaml").write_text("nodes: 2\n")
    for path in (".", "lab.yaml"):
        os.chown(path, NOBODY, NOBODY)
    assert run("render").code == 2
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    assert run("render", "--provider", "libvirt").code == 0
    monkeypatch.setenv("SUDO_UID", "1234")
    assert run("render").code == 2


# -- who gets the password


@pytest.mark.parametrize(
    ("command", "hosts"),
    [
        (["exec", "-K", "true"], "pc1 (anna@10.255.255.1:2222), pc2 (10.255.255.2)"),
        (["provision", "-K", "--limit", "pc2"], "pc2 (10.255.255.2)"),
        (["heal", "-K", "pc1"], "pc1 (anna@10.255.255.1:2222)"),
    ],
)
def test_the_question_for_a_password_names_the_hosts(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str], hosts: str
) -> None:
    Path("lab.yaml").write_text(
        "machines:\n"
        "  - {name: pc1, host: 10.255.255.1, port: 2222, user: anna}\n"
        "  - {name: pc2, host: 10.255.255.2}\n"
    )
    asked: list[str] = []

    def prompt(question: str, **_: object) -> str:
        asked.append(question)
        raise KeyboardInterrupt

    monkeypatch.setattr("typer.prompt", prompt)
    assert run(*command, terminal=True).code == 130
    assert asked == [f"sudo password for {hosts}"]
    command[1] = "-k"
    assert run(*command, terminal=True).code == 130
    assert asked[1:] == [f"ssh password for {hosts}"]


@pytest.mark.parametrize(
    ("answers", "passwords"),
    [
        (["one", "two"], Passwords("one", "two")),
        (["one", ""], Passwords("one", "one")),
    ],
)
def test_one_password_for_ssh_and_sudo_is_typed_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, answers: list[str], passwords: Passwords
) -> None:
    Path("lab.yaml").write_text("machines: [{name: pc1, host: 10.255.255.1}]\n")
    given: list[Passwords] = []
    rest = iter(answers)

    def refuse(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def opened(*places: Any, **options: Any) -> Lab:
        given.append(options.get("passwords", Passwords()))
        return real(*places, **options)

    real = Lab.open
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(rest))
    monkeypatch.setattr("labctl.lab.lab.Lab.open", opened)
    monkeypatch.setattr("labctl.parallel.each", refuse)
    assert run("exec", "-k", "-K", "true", terminal=True).code == 130
    assert given[-1] == passwords
    assert "one" not in repr(passwords)


# -- trust


def test_trust_of_a_moved_lab(run: Run) -> None:
    Path("lab").mkdir()
    os.chdir("lab")
    Path("lab.yaml").write_text("nodes: 2\n")
    Workspace.find().make()
    State(Workspace.find()).save_provider("libvirt")
    assert run("status").code == 0
    os.chdir("..")
    Path("lab").rename("renamed")
    os.chdir("renamed")
    done = run("status")
    assert done.code == 1
    assert "was made as" in done.err
    assert "labctl trust" in done.err
    done = run("trust")
    assert done.code == 2
    assert "--yes" in done.err
    done = run("trust", stdin="n\n", terminal=True)
    assert done.code == 1
    assert run("status").code == 1
    assert run("trust", stdin="y\n", terminal=True).code == 0
    assert run("status").code == 0
    assert run("trust").code == 0  # there is nothing left to ask


def test_trust_in_json(run: Run) -> None:
    Path("lab.yaml").write_text("nodes: 2\n")
    assert run("trust").code == 2
    Path(".labctl").mkdir()
    Path(".labctl/flags.json").write_text("{}")
    done = run("--json", "trust")
    assert (done.code, done.events[0]["event"]) == (2, "error")
    (event,) = run("trust", "--yes", "--json").events
    assert event == {"event": "trust", "state": str(Path.cwd() / ".labctl")}
    assert run("status").code == 0
