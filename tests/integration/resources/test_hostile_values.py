"""No value that a lab may hold becomes a command of the shell."""

from __future__ import annotations

import pytest

from labctl.playbook import (
    Absent,
    Block,
    Directory,
    Download,
    File,
    GroupMember,
    Link,
    LoadedBy,
    Package,
    Packages,
    Service,
    SigningKey,
)
from labctl.provision.resources.base import Resource
from labctl.remote.exchange import exchange
from tests.integration.resources.local_shell import (
    HOSTILE,
)
from tests.integration.resources.stand_ins import StandIns


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_becomes_a_command(stand_ins: StandIns, text: str) -> None:
    """Every probe and every script, with the text in every place where a text can be."""
    shell = stand_ins.shell
    path = f"{shell.folder}/x/{text}"
    resources: list[Resource] = [
        File(path, text, owner=text, loaded_by=LoadedBy(text), backup=True),
        Directory(path, mode="0755", owner=text),
        Link(path, text),
        Absent(path),
        Block(path, "b", (text,)),
        Service(text),
        Download(f"file:///{text}", path, "0" * 64),
        GroupMember(text, text),
        Packages((Package(text, text), Package("a"))),
        SigningKey(text, f"file:///{text}", "0" * 40),
    ]
    seen = exchange(shell, [resource.probe() for resource in resources])
    scripts = []
    for resource, observed in zip(resources, seen, strict=True):
        try:
            change = resource.plan(observed)
        except ValueError:
            continue
        scripts += [change.script] if change else []
    assert len(scripts) >= 7
    exchange(shell, [script.replace("/etc/pki", str(shell.folder)) for script in scripts])
    assert not list(shell.folder.rglob("canary"))
