"""Errors of the testbed, each one sentence for the developer."""

from __future__ import annotations


class TestbedError(RuntimeError):
    """A failure with a message that needs no traceback."""

    __test__ = False  # pytest takes every class whose name starts with "Test" for a test
