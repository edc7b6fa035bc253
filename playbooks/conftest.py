"""The fixture `wanted` for checks that run with plain pytest.

    pytest --hosts=ssh://docker-node1 --ssh-config=.labctl/ssh_config playbooks/*/verify.py

`labctl verify` sets LABCTL_WANTED by itself; without labctl, set it to a lab's
`.labctl/wanted.NODE.json`. Otherwise, checks that need the lab's settings are skipped.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def wanted() -> dict[str, Any]:
    """The lab's settings for this node: name, nodes, toolchain, docker, sources, choices."""
    path = os.environ.get("LABCTL_WANTED")
    if not path:
        pytest.skip("set LABCTL_WANTED to a lab's .labctl/wanted.NODE.json to compare with it")
    data: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
    return data
