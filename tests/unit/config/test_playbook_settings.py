"""Keys of lab.yaml that a playbook's folder brings: read, checked, and run only when asked to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labctl.config.playbook_modules import load_module
from labctl.config.playbook_settings import keys_in_source
from labctl.config.schema import json_schema
from labctl.errors import PlaybookError, SpecError
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.playbook import File
from tests.unit.fakes import CENTOS, planner

SETTINGS = """\
from labctl.config.keys import Fault, Field, LabSpec, Part, Text

class Banner(Part):
    text: Text = Field(description="What a login shows.")

class Settings(Part):
    banner: Banner | None = Field(default=None, description="Banner of the nodes.")
    banner_file: Text = Field(default="/etc/motd", description="File that it goes to.")

def check(lab):
    banner = lab.settings(Settings).banner
    if banner is not None and banner.text == lab.name:
        yield Fault(("banner", "text"), "says no more than the lab's name", "write a sentence")
"""
PLAY = """\
from labctl.playbook import File
from .settings import Settings

def play(play):
    settings = play.lab.settings(Settings)
    yield File(settings.banner_file, settings.banner.text)

def expected(lab, secrets):
    return {"text": lab.settings(Settings).banner.text}
"""


def put(folder: Path, name: str, settings: str = SETTINGS, play: str = PLAY) -> Path:
    place = folder / "playbooks" / name
    place.mkdir(parents=True)
    (place / "settings.py").write_text(settings)
    (place / "play.py").write_text(play)
    return place


def lab(folder: Path, text: str) -> Lab:
    (folder / "lab.yaml").write_text(text)
    return Lab.open(Workspace.find(str(folder)), {}, emit=lambda _: None)


def test_a_playbook_of_the_labs_own_brings_keys(tmp_path: Path) -> None:
    put(tmp_path, "login-banner")
    opened = lab(tmp_path, "playbooks: [login-banner]\nbanner: {text: Be quick.}\n")
    (book,) = opened.playbooks()
    (resource,) = book.play(planner(opened.spec)(CENTOS, {}))
    assert resource == File("/etc/motd", "Be quick.")
    assert book.expected is not None
    assert book.expected(opened.spec, opened.secret_store) == {"text": "Be quick."}


def test_its_folder_may_be_named_as_python_names_packages(tmp_path: Path) -> None:
    put(tmp_path, "login_banner")
    opened = lab(tmp_path, "playbooks: [login-banner]\nbanner: {text: Be quick.}\n")
    assert [book.name for book in opened.playbooks()] == ["login-banner"]
    assert [book.name for book in opened.playbooks(["login_banner"])] == ["login-banner"]


def test_a_playbook_that_only_this_run_adds_brings_its_keys_too(tmp_path: Path) -> None:
    put(tmp_path, "login-banner")
    opened = lab(tmp_path, "playbooks: []\nbanner: {text: Be quick.}\n")
    (book,) = opened.playbooks(["login-banner"])
    (resource,) = book.play(planner(opened.spec)(CENTOS, {}))
    assert resource == File("/etc/motd", "Be quick.")


@pytest.mark.parametrize(
    ("banner", "where", "said"),
    [
        ("banner: {text: 1}", "banner.text", "must be a string, is 1"),
        ("banner: {txt: a}", "banner.text", "the key 'text' is missing"),
        ("banner: {text: a, colour: red}", "banner.colour", "unknown key 'colour'"),
        ("banner: {text: course}", "banner.text", "says no more than the lab's name"),
    ],
)
def test_what_is_wrong_with_them_is_found_when_the_playbooks_are_loaded(
    tmp_path: Path, banner: str, where: str, said: str
) -> None:
    put(tmp_path, "login-banner")
    opened = lab(tmp_path, f"name: course\nplaybooks: [login-banner]\n{banner}\n")
    assert opened.spec.name == "course"
    with pytest.raises(SpecError) as caught:
        opened.playbooks()
    problem = caught.value.problems[0]
    assert (problem.where, problem.message, problem.line) == (where, said, 3)


def test_reading_lab_yaml_does_not_run_the_labs_own_python(tmp_path: Path) -> None:
    put(tmp_path, "login-banner", SETTINGS + "\nraise RuntimeError\n")
    opened = lab(tmp_path, "playbooks: [login-banner]\nbanner: 1\n")
    assert opened.spec.playbooks == ("login-banner",)
    with pytest.raises(PlaybookError, match="RuntimeError"):
        opened.playbooks()


def test_a_key_of_no_playbook_is_unknown(tmp_path: Path) -> None:
    put(tmp_path, "login-banner")
    with pytest.raises(SpecError) as caught:
        lab(tmp_path, "bannr: {}\n").spec  # noqa: B018
    assert caught.value.problems[0].message.startswith("unknown key 'bannr'")


def test_keys_of_a_playbook_that_does_not_run_are_accepted(tmp_path: Path) -> None:
    put(tmp_path, "login-banner")
    opened = lab(tmp_path, "playbooks: [engine]\nbanner: anything\n")
    assert len(opened.playbooks()) == 1


@pytest.mark.parametrize("key", ["nodes", "compose_app", "settings", "node_names"])
def test_a_key_that_labctl_has_cannot_be_brought(tmp_path: Path, key: str) -> None:
    text = "from labctl.config.keys import Part\nclass Settings(Part):\n"
    put(tmp_path, "mine", f"{text}    {key}: int = 1\n", "def play(play): ...\n")
    opened = lab(tmp_path, "playbooks: [mine]\n")
    with pytest.raises(PlaybookError, match=f"the key '{key}' of lab.yaml"):
        opened.playbooks()


def test_a_file_that_is_not_python_is_reported(tmp_path: Path) -> None:
    put(tmp_path, "mine", "class Settings(:\n")
    with pytest.raises(PlaybookError, match=r"settings\.py.*SyntaxError"):
        lab(tmp_path, "").spec  # noqa: B018


def test_keys_in_source_are_the_fields_of_settings(tmp_path: Path) -> None:
    put(tmp_path, "login_banner")
    assert keys_in_source(tmp_path / "playbooks") == {
        "login-banner": frozenset({"banner", "banner_file"})
    }


def test_a_lab_may_replace_a_playbook_and_keep_its_settings(tmp_path: Path) -> None:
    """A play.py of the lab's own goes with labctl's settings.py if it has none."""
    place = tmp_path / "playbooks" / "compose-app"
    place.mkdir(parents=True)
    (place / "play.py").write_text(
        "from labctl.playbook import File\nfrom .settings import Settings\n"
        "def play(play):\n"
        "    yield File('/etc/app', play.lab.settings(Settings).compose_app.folder)\n"
    )
    (tmp_path / "app").mkdir()
    opened = lab(tmp_path, "playbooks: [compose-app]\ncompose_app: {folder: app}\n")
    (book,) = opened.playbooks()
    (resource,) = book.play(planner(opened.spec)(CENTOS, {}))
    assert resource == File("/etc/app", (tmp_path / "app").as_posix())


def test_a_lab_may_replace_a_playbook_that_others_import_from(tmp_path: Path) -> None:
    place = tmp_path / "playbooks" / "registry"
    place.mkdir(parents=True)
    (place / "play.py").write_text("def play(play):\n    return iter(())\n")
    text = "playbooks: [registry, hub-cache, images]\nimages: [busybox]\nregistry: {port: 5009}\n"
    opened = lab(tmp_path, text)
    books = {book.name: book for book in opened.playbooks()}
    assert books["registry"].folder == place
    assert books["images"].expected is not None
    found = books["images"].expected(opened.spec, opened.secret_store)
    assert [image["name"] for image in found] == ["busybox:latest"]
    facts = planner(opened.spec)(CENTOS, {})
    play = replace(facts, secrets=opened.secret_store)
    assert {resource.id for resource in books["images"].play(play)} == {"image:busybox:latest"}
    with pytest.raises(SpecError) as caught:
        lab(tmp_path, f"{text}hub_cache: {{port: 5009}}\n").playbooks()
    assert caught.value.problems[0].where == "hub_cache.port"


def test_a_playbook_may_import_from_another_one(tmp_path: Path) -> None:
    put(tmp_path, "login-banner")
    other = tmp_path / "playbooks" / "other"
    other.mkdir()
    (other / "play.py").write_text(
        "from ..compose_app.settings import ComposeApp\n"
        "from ..login_banner.settings import Banner\n"
    )
    module = load_module("other", "play", Workspace.find(str(tmp_path)).playbooks)
    assert module is not None
    assert module.Banner.__module__ == "labctl_playbooks.login_banner.settings"
    assert module.ComposeApp.__name__ == "ComposeApp"


def test_the_schema_has_the_keys_of_all_playbooks() -> None:
    schema = json_schema(["banner"])
    assert "compose_app" in schema["properties"]
    assert "banner" in schema["properties"]
    assert schema["$defs"]["ComposeApp"]["required"] == ["folder"]
