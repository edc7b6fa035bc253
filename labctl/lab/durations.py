"""How long checks and exercises usually take, measured in earlier runs of this lab."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from labctl.checks.report import NodeReport
from labctl.errors import StateError
from labctl.events import CheckOutcome
from labctl.storage import write

_WEIGHT = 0.5
"""How much the newest run counts. The rest is what the runs before took."""

_guard = threading.Lock()


class Durations:
    """The usual seconds of each test, by ``section/name``.

    Parameters:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def usual(self, kind: str) -> dict[str, float]:
        """Return the usual seconds of each test; empty if none was measured.

        Parameters:
            kind: ``verify`` or ``rehearse``.
        """
        found = self._read().get(kind)
        if not isinstance(found, dict):
            return {}
        return {name: float(s) for name, s in found.items() if isinstance(s, int | float)}

    def learn(self, kind: str, reports: Iterable[NodeReport]) -> None:
        """Record what tests took that passed; of several nodes, the slowest counts."""
        newest: dict[str, float] = {}
        for report in reports:
            for check in report.checks:
                if check.outcome is CheckOutcome.PASSED and check.name:
                    key = f"{check.section}/{check.name}"
                    newest[key] = max(newest.get(key, 0.0), check.seconds)
        if not newest:
            return
        with _guard:
            usual = self.usual(kind)
            for key, seconds in newest.items():
                before = usual.get(key, seconds)
                usual[key] = round(_WEIGHT * seconds + (1 - _WEIGHT) * before, 3)
            data: Mapping[str, object] = {**self._read(), kind: usual}
            with contextlib.suppress(StateError):  # an estimate is not worth an error
                write(self._path, json.dumps(data, indent=2) + "\n")

    def _read(self) -> dict[str, object]:
        try:
            data = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) else {}
