"""Fixtures of all tests."""

import atexit
import os
import shutil
import signal
import tempfile

import pytest

from tests.needs import require

_OF_THE_TESTS = ("LABCTL_TESTBED", "LABCTL_UPDATE_GOLDEN")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the tests that invent their input."""
    parser.addoption(
        "--examples",
        type=int,
        default=None,
        metavar="N",
        help="examples that each test of tests/attacks and tests/differential invents",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing; fail it in CI."""
    for mark in item.iter_markers("needs"):
        require(*mark.args)


def pytest_configure() -> None:
    """Keep the tests apart from whoever starts them."""
    # Take Ctrl-C even where they do not, as a script's `&` has it: what the tests start and
    # interrupt inherits it, and would wait for ever.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests must not use the developer's own lab, as in `make shell`.
    for name in list(os.environ):
        if name.startswith("LABCTL_") and not name.startswith(_OF_THE_TESTS):
            del os.environ[name]
    os.environ["LANGUAGE"] = "en"
    # Nor do the tests leave anything in the folder that labctl has for this user.
    os.environ["LABCTL_HOME"] = home = tempfile.mkdtemp(prefix="labctl-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = "localhost,127.0.0.1"
