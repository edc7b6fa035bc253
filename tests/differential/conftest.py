"""What the comparison needs: an sshd with sftp, a lab, and a folder in memory."""

from __future__ import annotations

import getpass
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import Phase
from hypothesis.strategies import SearchStrategy

from tests.differential.programs import Programs
from tests.integration.sshd import Sshd
from tests.needs import require

IN_CI = 60
"""Examples of each test in `make test`."""


Check = Callable[..., None]
Invent = Callable[[Check, SearchStrategy[Any]], None]


@pytest.fixture(scope="session")
def invent(pytestconfig: pytest.Config) -> Invent:
    """Run a check with as many inventions of hypothesis as `--examples` says."""
    count = pytestconfig.getoption("--examples") or IN_CI

    def run(check: Check, strategy: SearchStrategy[Any]) -> None:
        hypothesis.settings(
            max_examples=count,
            # A failure of CI has to come again; a longer run has to find something else each time.
            derandomize=count == IN_CI,
            database=None,
            # To simplify a failure takes minutes.
            phases=[Phase.generate] if count == IN_CI else [Phase.generate, Phase.shrink],
            print_blob=False,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )(hypothesis.given(strategy)(check))()

    return run


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """The two programs, with one sshd as their node."""
    require("sshd", "ssh", "scp")
    tmp_path = tmp_path_factory.mktemp("differential")
    (tmp_path / "sshd").mkdir()
    sshd = Sshd(tmp_path / "sshd", more=("Subsystem sftp internal-sftp",))
    sshd.start()
    lab = tmp_path / "lab"
    lab.mkdir()
    machine = {
        "name": "docker-node1",
        "host": "127.0.0.1",
        "port": sshd.ports[0],
        "user": getpass.getuser(),
        "key": str(sshd.key),
    }
    (lab / "lab.yaml").write_text(json.dumps({"machines": [machine]}), "utf-8")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        found = Programs(Path(folder), sshd, lab)
        yield found
        found.close()
    sshd.stop()
