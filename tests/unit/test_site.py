"""The documentation site: what is generated is complete, and what is shown is valid.

`make lint` builds the site, which checks its links.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from labctl import playbook
from labctl.cli.main import build
from labctl.config.document import Document
from labctl.config.load import resolve
from labctl.playbook import File
from labctl.provision.loader import load
from labctl.provision.secret_store import SecretStore
from tests.unit.fakes import CENTOS, lab_spec, planner
from tools import site

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
KEYS = list(site.keys(site.schema()))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_each_key_of_lab_yaml_is_described_with_an_example(key: site.Key) -> None:
    assert len(key.description) > 10, f"give {key.path} a description in its Field(…)"
    assert key.example is not None, f"give {key.path} examples=[…] in its Field(…)"
    assert key.kind


def test_the_page_on_lab_yaml_has_every_key() -> None:
    page = site.lab_yaml(site.schema())
    assert [key.path for key in KEYS if f"`{key.path}`" not in page] == []
    assert len(KEYS) > 50


def _with_example(key: site.Key) -> dict[str, Any]:
    """Return a lab with the example at its place, and what has to stand beside it."""
    value: Any = key.example
    for name in reversed(key.path.split(".")):
        if name.endswith("[]"):
            value = [{**_BESIDE.get(name, {}), **value}]
        elif isinstance(value, dict):
            value = {**_BESIDE.get(name, {}), **value}
        value = {name.removesuffix("[]"): value}
    assert isinstance(value, dict)
    return value


_BESIDE: dict[str, dict[str, Any]] = {
    "nodes[]": {"name": "manager"},
    "class": {"students": 2},
    "hosts[]": {"name": "hv1", "uri": "qemu+ssh://hv1/system"},
    "machines[]": {"name": "pc1", "host": "10.20.0.11"},
    "synced_folders[]": {"host": "labs", "guest": "/srv/labs"},
    "compose_app": {"folder": "app"},
    "box": {"url": "https://mirror.example/centos.json"},
    "forwarded_ports[]": {"guest": 80, "host": 8080},
    "networks[]": {"network": "192.168.57.0/24"},
    "provision[]": {"inline": "true"},
    "proxy": {"https": "http://proxy.school.example:3128"},
}
_ONE_NODE = {"networks[].address"}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_each_example_is_valid(key: site.Key) -> None:
    lab = _with_example(key)
    if key.path in _ONE_NODE:  # several nodes cannot have the same
        lab["nodes"] = 1
    if key.path == "provision[].file":  # instead of inline
        del lab["provision"][0]["inline"]
    if key.path == "proxy.inherit":
        del lab["proxy"]["https"]
    lab_spec(**lab)


def test_the_page_on_commands_has_every_command_with_its_options() -> None:
    page = site.commands()
    root: Any = typer.main.get_command(build())
    for name, command in root.commands.items():
        assert f"`labctl {name}`" in page
        section = page.partition(f"### `labctl {name}`\n")[2].partition("\n### ")[0]
        for option in command.params:
            if option.param_type_name == "option" and option.name not in site.COMMON:
                assert max(option.opts, key=len) in section


def test_every_resource_of_the_playbook_module_is_listed() -> None:
    listed = set(re.findall(r"(?m)^\| `(\w+)`", site.resources()))
    assert {"File", "Packages", "Service", "Command"} <= listed <= set(playbook.__all__)
    assert len(listed) > 15


@pytest.mark.parametrize(
    ("page", "text"),
    [
        pytest.param(page, text, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, text in enumerate(
            re.findall(r"(?ms)^ *```yaml\n(.*?)^ *```$", page.read_text("utf-8"))
        )
    ],
)
def test_each_lab_yaml_is_valid(page: Path, text: str) -> None:
    lab_spec(**YAML(typ="safe").load(text))


def test_the_playbook_that_is_shown_can_be_played(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "playbooks" / "writing.md").read_text("utf-8")
    for place, text in re.findall(r"(?ms)^```python\n# (playbooks/\S+)\n(.*?)^```$", page):
        file = tmp_path / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    (book,) = load(["greeting"], [tmp_path / "playbooks"])
    assert book.verify is not None
    assert book.settings is not None
    lab = resolve(
        Document(values={"greeting": "Hello"}), {}, tmp_path, own={book.name: book.settings}
    )
    (file,) = book.play(planner(lab)(CENTOS, {}))
    assert file == File("/etc/motd", "Hello to docker-node1.\n")
    assert book.expected is not None
    assert book.expected(lab, SecretStore(tmp_path, lab.name)) == {"greeting": "Hello"}


def test_every_decision_is_in_the_index_by_its_title() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text("utf-8")
    for path in sorted(folder.glob("0*.md")):
        text = path.read_text("utf-8")
        number, title = text.splitlines()[0].removeprefix("# ").split(": ", 1)
        assert path.name.startswith(f"{number}-")
        if "\n**Superseded.**" in text:
            title = f"*Superseded:* {title[0].lower()}{title[1:]}"
        assert f"| [{number}]({path.name}) | {title} |" in index


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/development/architecture.md"])
def test_the_files_that_a_page_for_contributors_names_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`((?:labctl|course|playbooks|templates|tests)/[\w./]+)`", text)
    assert len(named) >= 8
    # Names in capitals stand for the reader's own.
    assert [n for n in named if not (ROOT / n).exists() and not re.search("[A-Z]{4}", n)] == []
