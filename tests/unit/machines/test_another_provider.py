"""A provider that another package brings: nothing of labctl is changed for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl.config.load import load
from labctl.errors import SpecError
from labctl.lab.boot import vagrantfile
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.machines import providers
from labctl.machines.providers import faults_of

MODULE = """
from ipaddress import IPv4Network
from pathlib import Path

from labctl.machines.base import Provider


class Parallels(Provider):
    name = "parallels"
    templates = Path(__file__).parent / "templates"

    def missing(self, environment=None):
        return None

    def network_problem(self, network, platform=""):
        taken = IPv4Network("10.211.55.0/24")
        return ("taken by its shared network", "use another") if network.overlaps(taken) else None

    def values(self, spec):
        return {"linked": spec.linked_clone}
"""
TEMPLATE = """{% macro config() %}
{% endmacro %}
{% macro machine() %}
      machine.vm.network "private_network", ip: node[:address]
      machine.vm.provider "parallels" do |parallels|
        parallels.linked_clone = {{ linked | ruby }}
      end
{% endmacro %}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package as pip would have installed it."""
    site = tmp_path / "site"
    (site / "labctl_parallels" / "templates" / "providers").mkdir(parents=True)
    (site / "labctl_parallels" / "__init__.py").write_text(MODULE, "utf-8")
    template = site / "labctl_parallels" / "templates" / "providers" / "parallels.j2"
    template.write_text(TEMPLATE, "utf-8")
    about = site / "labctl_parallels-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: labctl-parallels\nVersion: 1.0\n", "utf-8")
    (about / "entry_points.txt").write_text(
        "[labctl.providers]\nparallels = labctl_parallels:Parallels\n", "utf-8"
    )
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("labctl_parallels", None)


def write(folder: Path, text: str) -> Path:
    path = folder / "lab.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.usefixtures("package")
def test_lab_yaml_may_name_it(tmp_path: Path) -> None:
    file = write(tmp_path, "provider: parallels\n")
    assert load(file, further=faults_of).provider == "parallels"
    assert "parallels" in providers.names()
    file = write(tmp_path, "provider: parallels\nnetwork: 10.211.55.0/24\n")
    with pytest.raises(SpecError) as caught:
        load(file, further=faults_of)
    (problem,) = caught.value.problems
    assert (problem.line, problem.message) == (2, "taken by its shared network")


@pytest.mark.usefixtures("package")
def test_its_part_stands_in_the_vagrantfile(tmp_path: Path) -> None:
    spec = load(write(tmp_path, "provider: parallels\nlinked_clone: false\n"), further=faults_of)
    lab = Lab(Workspace.at(tmp_path, tmp_path / ".labctl"), spec, emit=lambda _: None)
    assert lab.provider == "parallels"
    text = vagrantfile(lab, lab.provider)
    assert 'machine.vm.provider "parallels" do |parallels|' in text
    assert "parallels.linked_clone = false" in text
    assert "virtualbox" not in text


def test_without_the_package_its_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load(write(tmp_path, "provider: parallels\n"), further=faults_of)
    (problem,) = caught.value.problems
    assert problem.message == "must be one of virtualbox, libvirt, is 'parallels'"
