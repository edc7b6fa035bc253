"""What the author of an exercise needs, in one place.

An exercise is a pytest function in ``course/SECTION.py``. Its fixtures hand it a `Sandbox`, the
place on one node where it works. Names outside this module may change at any time.
"""

from __future__ import annotations

from labctl.checks.exercises.image_pulls import astray
from labctl.checks.exercises.sandbox import Sandbox

__all__ = ["Sandbox", "astray"]
