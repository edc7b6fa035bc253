"""The web server's log: one JSON object a line, one line a request."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """One request that a stand-in host answered; `client` is the address it came from."""

    time: float
    host: str
    method: str
    path: str
    client: str
    status: int


def to_line(request: Request) -> str:
    """The log's line for a request."""
    return json.dumps(asdict(request)) + "\n"


def read(log: Path) -> list[Request]:
    """All complete lines of a log; none if there is no log yet."""
    try:
        text = log.read_text()
    except FileNotFoundError:
        return []
    complete = text[: text.rfind("\n") + 1]
    return [Request(**json.loads(line)) for line in complete.splitlines()]
