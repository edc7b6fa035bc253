"""Requests to the engine's REST API, sent by the Docker client on the node.

EL7's curl has no ``--unix-socket``. ``docker system dial-stdio`` connects its stdin and stdout to
the daemon's socket; Docker uses it for its own connections over ssh since 18.09. One call carries
many requests, while other commands of the client would have to be started for each.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any

from labctl.messages import msg
from labctl.remote.values import parse_json

# The last request: after its answer the daemon closes the connection, which ends the client.
_LAST = "GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
# Once its client's stdin ends, the daemon abandons requests, and its list of volumes is empty. So
# stdin is a pipe that stays open until the client has ended. A signal to this shell, sent if the
# daemon hangs, also ends the client. `timeout` sends its signal twice, to this shell and to its
# group; the second one must not interrupt rm.
_COMMAND = (
    "way=$(mktemp -d) && mkfifo $way/in && trap '' PIPE &&"
    " trap 'trap \"\" HUP INT TERM; rm -r $way' EXIT && {"
    " trap 'kill -s KILL $! 2>/dev/null; exit 143' HUP INT TERM;"
    " docker system dial-stdio <$way/in & exec 3>$way/in; printf %%s %s >&3 2>/dev/null;"
    " wait $!; exit; }"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the daemon: the HTTP status and the body."""

    status: int
    body: str

    def json(self) -> Any:
        """Return the value of the body.

        Raises:
            AssertionError: the daemon refused the request, or answered something else than JSON.
        """
        assert self.status < 300, f"the API answered {self.status}: {self.body.strip()[-300:]}"
        try:
            return parse_json(self.body)
        except ValueError as error:
            raise AssertionError(
                msg("the API's answer is not JSON: {error}", error=error)
            ) from error


@dataclass(frozen=True, slots=True)
class RawOutput:
    """The output of a command as `ask` needs it; testinfra's results have the same attributes."""

    stdout_bytes: bytes
    stderr_bytes: bytes

    @property
    def stdout(self) -> str:
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        return self.stderr_bytes.decode("utf-8", "replace")


class _Responses(io.BytesIO):
    """Several answers in a row; closing does nothing, because HTTPResponse closes after each."""

    def makefile(self, *_: Any) -> _Responses:
        return self

    def close(self) -> None:
        pass


def ask(run: Callable[..., Any], *requests: tuple[str, str, Any]) -> Sequence[Answer]:
    """Send requests to a node's daemon in one command; return the answers in order.

    Parameters:
        run: runs a command line on the node with arguments, like testinfra's Host.run. The result
            needs the attributes of `RawOutput`.
        requests: method, path, and None or a value to send as JSON.

    Raises:
        AssertionError: an answer is missing.
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
    except (HTTPException, OSError, ValueError, OverflowError) as error:
        output = (result.stderr.strip() or result.stdout.strip() or str(error))[-400:]
        raise AssertionError(
            msg("the API does not answer over the socket: {answer}", answer=output)
        ) from error
    return answers


def _request(method: str, path: str, value: Any) -> str:
    body = "" if value is None else json.dumps(value)  # ASCII, so as many bytes as characters
    return (
        f"{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
