"""A machine as people have it: a container node, and a lab of this node alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Lab, Run, machines, spec
from tests.testbed import Node, World

DAEMON = "etc/docker/daemon.json"


class Machine:
    """A node, a lab of this node alone, and what is done to them."""

    def __init__(self, world: World, node: Node, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.node, self.lab = node, Lab(folder)
        self.whole = spec(world, machines=machines([node]))
        self.describe()

    def describe(self, **docker: Any) -> None:
        """Write lab.yaml with these settings of `docker:`."""
        self.lab.write({**self.whole, "docker": docker})

    def run(self, *arguments: str, code: int = 0) -> Run:
        return self.lab.run(*arguments).expect(code)

    def refusal(self, *arguments: str) -> str:
        """Run labctl, which must refuse to touch the node, and return what it said."""
        before = self.everything()
        error = self.run(*(arguments or ("up",)), code=1).result(self.node.name)["error"]
        assert error["resource"] == "preflight", error
        assert "nothing was changed" in error["message"]
        assert self.everything() == before
        return "\n".join(error.get(key, "") for key in ("message", "details", "hint"))

    def everything(self) -> str:
        """Return a digest of what labctl changes on a node."""
        return self.node.sh(
            "cat /etc/yum.repos.d/* /etc/hosts /etc/docker/* /etc/systemd/system/docker.service.d/*"
            " 2>/dev/null | sha256sum; rpm -qa | sort | sha256sum; docker ps -a --no-trunc"
            " --format '{{.ID}} {{.Names}}' 2>/dev/null || :"
        ).stdout

    def files(self) -> str:
        """Return all files of the node but logs, with their times: what a look must not change."""
        return self.node.sh(
            # A reader of rpm's database maps two files as its memory.
            r"find / /var/lib/docker -xdev \( -path /var/log -o -path /run"
            r" -o -path '/var/lib/rpm/rpmdb.sqlite-*' \) -prune -o"
            r" ! -type d -printf '%p %m %U:%G %s %T@ %C@\n' | sort"
        ).stdout

    def doctor(self, code: int = 0) -> dict[str, list[dict[str, str]]]:
        """Examine the node, which must stay as it is; return what the doctor found, by level."""
        before = self.files()
        run = self.run("doctor", self.node.name, code=code)
        changed = sorted({*self.files().splitlines()} ^ {*before.splitlines()})
        assert not changed, changed
        found: dict[str, list[dict[str, str]]] = {"fail": [], "warn": [], "ok": []}
        for finding in run.of("finding", self.node.name):
            found[finding["level"]].append(finding)
        return found

    def verify(self, *failed: str) -> Run:
        """Run the checks; exactly these must fail."""
        run = self.run("verify", code=1 if failed else 0)
        checks = run.result(self.node.name)["checks"]
        assert [check["name"] for check in checks if check["outcome"] == "failed"] == [*failed]
        return run

    def file(self, path: str, text: str | None) -> None:
        """Write a file of the node, or remove it."""
        whole = self.node.root / path
        if text is None:
            whole.unlink(missing_ok=True)
        else:
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_text(text)
        self.node.sh("systemctl daemon-reload")

    def settings(self) -> dict[str, Any]:
        return dict(json.loads((self.node.root / DAEMON).read_text()))

    def container(self) -> str:
        """Return id, state and start count of the student's container, and the student's volume."""
        return self.node.sh(
            "docker inspect -f '{{.Id}} {{.State.Running}}' student;"
            " docker exec student cat /data/work; docker volume ls -q"
        ).stdout

    def typed(self, command: str) -> str:
        """Run a command line as the login user, who answers every question with yes."""
        done = subprocess.run(
            [*self.node.ssh_command(), command],
            input="y\n" * 9, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def wrong_clock(self, seconds: int) -> None:
        """Let the clock show another time until somebody sets it.

        The clock of a container node is the host's, so `date` plays a wrong one.
        """
        self.node.sh(
            "rm -f /run/clock-was-set; [ -e /usr/bin/date.real ] ||"
            " mv /usr/bin/date /usr/bin/date.real"
        )
        date = self.node.root / "usr/bin/date"
        date.write_text(
            '#!/bin/sh\ncase "$*" in\n*-s*) : >/run/clock-was-set ;;\n'
            f"+%s) [ -e /run/clock-was-set ] && exec date.real +%s; echo {seconds} ;;\n"
            '*) exec date.real "$@" ;;\nesac\n'
        )
        date.chmod(0o755)
