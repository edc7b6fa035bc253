"""The engine's REST API, spoken through the client that is on every node anyway.

``curl --unix-socket`` is newer than EL7's curl. ``docker system dial-stdio``, which the client has
for its own connections over ssh since 18.09, joins its stdin and stdout to the daemon's socket.
Many questions go in one call, where the client would have to be started for each.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any

from labctl.messages import msg

# Behind all others: after its answer the daemon closes the connection, which ends the client.
_LAST = "GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
# The daemon gives requests up once nothing more can come from who asked, and its list of volumes is
# empty then; so the client's stdin is a pipe that stays open until the client has ended. Who ends
# all this, because the daemon hangs, ends the client with it. `timeout` sends its signal twice, to
# this shell and to its group, and the second one must not meet rm.
_COMMAND = (
    "way=$(mktemp -d) && mkfifo $way/in && trap '' PIPE &&"
    " trap 'trap \"\" HUP INT TERM; rm -r $way' EXIT && {"
    " trap 'kill -s KILL $! 2>/dev/null; exit 143' HUP INT TERM;"
    " docker system dial-stdio <$way/in & exec 3>$way/in; printf %%s %s >&3 2>/dev/null;"
    " wait $!; exit; }"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon answered: HTTP's status, and the body."""

    status: int
    body: str

    def json(self) -> Any:
        """Return the body's value.

        Raises:
            AssertionError: the daemon refused the request, or the body is no JSON.
        """
        assert self.status < 300, f"the API answered {self.status}: {self.body.strip()[-300:]}"
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class RawOutput:
    """What `ask` needs of a command that ran, as testinfra has it."""

    stdout_bytes: bytes
    stderr_bytes: bytes

    @property
    def stdout(self) -> str:
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        return self.stderr_bytes.decode("utf-8", "replace")


class _Responses(io.BytesIO):
    """Answers one after another, for HTTPResponse, which closes what it has read an answer from."""

    def makefile(self, *_: Any) -> _Responses:
        return self

    def close(self) -> None:
        pass


def ask(run: Callable[..., Any], *requests: tuple[str, str, Any]) -> Sequence[Answer]:
    """Send requests to a node's daemon, all in one command.

    Parameters:
        run: runs a command line on the node, with its arguments, as testinfra's Host.run; of what
            it returns, no more is needed than `RawOutput` has.
        requests: each with its method, path, and None or a value to be sent as JSON.

    Returns:
        The answers, in order.

    Raises:
        AssertionError: there is not an answer for each.
    """
    sent = "".join(_request(*request) for request in requests) + _LAST
    result = run(_COMMAND, sent)
    stream = _Responses(result.stdout_bytes)
    answers = []
    try:
        for method, _, _ in requests:
            response = HTTPResponse(stream, method=method)  # type: ignore[arg-type]
            response.begin()
            answers.append(Answer(response.status, response.read().decode("utf-8", "replace")))
    except (HTTPException, OSError) as error:
        said = (result.stderr.strip() or result.stdout.strip() or str(error))[-400:]
        raise AssertionError(
            msg("the API does not answer over the socket: {answer}", answer=said)
        ) from error
    return answers


def _request(method: str, path: str, value: Any) -> str:
    body = "" if value is None else json.dumps(value)  # ASCII, so as many bytes as characters
    return (
        f"{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
