"""The fixtures of tests/e2e."""

from tests.e2e.conftest import lab, world

__all__ = ["lab", "world"]
