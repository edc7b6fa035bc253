"""Every sample of a measurement, as JSON; written when a row has finished, so that none is lost."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.harness import Measured


class Results:
    """The file of a measurement.

    Parameters:
        path: the file; it is made with the first row that finishes.
        environment: where it is measured. Rows that were measured elsewhere keep theirs.
    """

    def __init__(self, path: Path, environment: dict[str, Any]) -> None:
        self._path = path
        self._data: dict[str, Any] = {"environment": environment, "rows": {}}
        if path.exists():
            old = json.loads(path.read_text("utf-8"))
            self._data["rows"] = old["rows"]

    def finished(self, row: str) -> bool:
        """Return True if a row is in the file already."""
        return row in self._data["rows"]

    def put(self, row: str, about: str, cases: list[Measured], seconds: float) -> None:
        """Keep a row that finished, in place of an older one."""
        self._data["rows"][row] = {
            "about": about,
            "took": round(seconds, 1),
            "environment": self._data["environment"],
            "cases": [_case(measured) for measured in cases],
        }
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(self._data, indent=1) + "\n", "utf-8")
        fresh.replace(self._path)


def _case(measured: Measured) -> dict[str, Any]:
    case = measured.case
    return {
        "id": case.id,
        "title": case.title,
        "nodes": case.nodes,
        "note": case.note,
        "runs": measured.runs,
        "warm_ups": measured.warm_ups,
        "targets": [target.as_json() for target in case.targets],
        "samples": {
            name: [
                {key: round(value, 4) for key, value in asdict(sample).items()}
                for sample in samples
            ]
            for name, samples in measured.samples.items()
        },
    }
