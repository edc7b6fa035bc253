"""The testbed on the Debian that this machine does not run: 13 on 12, and 12 on 13.

It is built there, by that Debian's programs, and a node of each kind works. The kernel is this
machine's, and the buildroot is the one of this machine's cache: it is unpacked from the same
packages by the same program as the nodes' base, which is made there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.other_debian import debian
from tests.other_debian.debian import OtherDebian

# On a real file system with room, as worlds are.
SCRATCH = Path("/var/tmp/labctl-other-debian")
WORLD = ("--world", "other-debian")
PYTHON = ".venv/bin/python"


@pytest.fixture(scope="module")
def other() -> Iterator[OtherDebian]:
    shutil.rmtree(SCRATCH, ignore_errors=True)
    with debian.running(SCRATCH, shared=("buildroot",)) as running:
        yield running


def test_a_testbed_built_there_has_nodes_of_both_kinds(other: OtherDebian) -> None:
    assert debian.suite() in other.run("cat", "/etc/os-release")
    other.run("sh", "tests/testbed/preflight.sh")
    other.run("python3", "-m", "venv", ".venv")
    other.run(PYTHON, "-m", "pip", "--quiet", "install", "--editable", ".", "jsonschema")
    built = other.run(PYTHON, "-m", "tests.testbed", "build")
    assert {"base", "compose", "guest", "rpms"} <= set(built.split())
    other.run(PYTHON, "-m", "tests.testbed", *WORLD, "up")
    try:
        said = other.run(
            PYTHON, "-m", "tests.testbed", *WORLD, "run", "--",
            PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "tests/other_debian/machines",
        )  # fmt: skip
        print(said)
        assert "2 passed" in said
    finally:
        other.run(PYTHON, "-m", "tests.testbed", *WORLD, "down")
