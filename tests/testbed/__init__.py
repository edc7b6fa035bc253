"""Machines to test labctl on, and the sites that they install from. See README.md."""

from tests.testbed.errors import TestbedError
from tests.testbed.nspawn import Node
from tests.testbed.world import World

__all__ = ["Node", "TestbedError", "World"]
