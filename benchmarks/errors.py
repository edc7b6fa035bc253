"""The error of a benchmark whose figure would be meaningless."""

from __future__ import annotations


class BenchError(Exception):
    """A contender failed, or did not do the work that it was to be measured at."""
