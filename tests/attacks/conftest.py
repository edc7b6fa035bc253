"""How hard the attacks try: `--examples N`.

Each test here gives labctl what somebody wrote to harm its user. Tests that invent their input run
as many examples as the option says: few in `make test`, and always the same ones; many in
`make fuzz`, and other ones each time.
"""

from __future__ import annotations

from pathlib import Path

import hypothesis
import hypothesis.configuration
import pytest

from tests.integration.conftest import lab_folder, sshd

__all__ = ["lab_folder", "sshd"]

IN_CI = 500
"""Examples of each test in `make test`."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the option the number of examples of every hypothesis test."""
    count = config.getoption("--examples") or IN_CI
    hypothesis.configuration.set_hypothesis_home_dir(Path(config.rootpath) / "build" / "hypothesis")
    hypothesis.settings.register_profile(
        "attacks",
        max_examples=count,
        # A failure of CI has to come again; a longer run has to find something else each time.
        derandomize=count == IN_CI,
        database=None,
        print_blob=True,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("attacks")


@pytest.fixture(scope="session")
def examples(pytestconfig: pytest.Config) -> int:
    """How many examples a test tries that invents them without hypothesis.

    A test in which each costs more than a few milliseconds takes a fixed part of them.
    """
    count: int = pytestconfig.getoption("--examples") or IN_CI
    return count
