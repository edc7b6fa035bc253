"""The wanted state of a node, as plain values from labctl's own playbooks.

Every peer is told exactly this, so that all of them do the same work. What labctl measures on a
node before its first change (does Docker Hub answer, is every certificate trusted) is answered
here with "all is well"; the peers measure nothing, which is in their favour. One more of them, the
shell script that asks too, runs the scripts of these questions as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchError
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.playbook import (
    Block,
    Clock,
    DaemonJson,
    Download,
    File,
    GroupMember,
    KernelSetting,
    Link,
    Packages,
    RunningEngine,
    Service,
    SigningKey,
)
from labctl.provision.expand import expand
from labctl.provision.facts import Facts
from labctl.provision.play import Play


@dataclass
class Work:
    """All resources of a lab's playbooks, by kind, as JSON could hold them."""

    keys: list[dict[str, str]] = field(default_factory=list)
    files: list[dict[str, str]] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    packages: list[dict[str, str]] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    members: list[dict[str, str]] = field(default_factory=list)
    engine: dict[str, str] = field(default_factory=dict)
    downloads: list[dict[str, str]] = field(default_factory=list)
    links: list[dict[str, str]] = field(default_factory=list)
    questions: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Work:
        """Read the playbooks of the lab in `folder`; its nodes are CentOS 7.

        Raises:
            BenchError: a playbook wants what the peers have not been taught.
        """
        lab = Lab.open(Workspace.find(str(folder)), {}, emit=lambda event: None)
        machines = lab.spec.machines
        # As lab.play, which asks for machines that have been up.
        play = Play(
            lab=lab.spec,
            node=lab.spec.lab_nodes[0],
            facts=Facts("0", "x86_64", "centos", "7"),
            user=(machines[0].user or "root") if machines else "vagrant",
            addresses={n.name: n.address for n in lab.spec.lab_nodes if n.address is not None},
            templates=lab.workspace.templates,
        )
        choices: dict[str, Any] = {}
        while True:
            items, question = expand(lab.playbooks(), replace(play, choices=choices))
            if question is None:
                break
            choices[question.key] = {"script": question.script, "answer": []}
        work = cls()
        work.questions = [
            {"key": key, "script": choice["script"]} for key, choice in choices.items()
        ]
        for item in {item.resource.id: item for item in items}.values():
            work._add(item.resource)
        return work

    def save(self, path: Path) -> None:
        """Write it for the peers."""
        path.write_text(json.dumps(vars(self), indent=1) + "\n", "utf-8")

    def _add(self, resource: object) -> None:
        match resource:
            case SigningKey():
                self.keys.append(
                    {
                        "path": resource.path,
                        "source": resource.source,
                        "fingerprint": resource.fingerprint,
                    }
                )
            case File():
                self.files.append(
                    {"path": resource.path, "content": resource.content, "mode": resource.mode}
                )
            case DaemonJson():
                self.engine = {
                    "path": "/etc/docker/daemon.json",
                    "content": resource.content,
                    "mode": "0644",
                }
            case Block():
                self.blocks.append(
                    {
                        "path": resource.path,
                        "name": resource.name,
                        "begin": resource.begin,
                        "end": resource.end,
                        "lines": list(resource.lines),
                    }
                )
            case Packages():
                self.packages += [
                    {"name": package.name, "version": package.version}
                    for package in resource.wanted
                ]
            case Service():
                self.services.append(resource.name)
            case GroupMember():
                self.members.append({"user": resource.user, "group": resource.group})
            case Download():
                self.downloads.append(
                    {
                        "path": resource.path,
                        "url": resource.url,
                        "sha256": resource.sha256,
                        "mode": resource.mode,
                    }
                )
            case Clock() | KernelSetting() | RunningEngine():
                pass  # as they should be on a fresh node
            case Link():
                self.links.append({"path": resource.path, "target": resource.target})
            case _:
                raise BenchError(f"no peer has been taught {resource!r}")
