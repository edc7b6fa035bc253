"""What a benchmark ends with when a figure would mean nothing."""

from __future__ import annotations


class BenchError(Exception):
    """A contender failed, or did not do the work that it was to be measured at."""
