"""An sshd that lies: it stands for a node whose root wants to harm the instructor.

It speaks ssh by paramiko's server and really runs what it is told to run, on this machine, as an
honest node would. An `Attack` says where it stops being honest.
"""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko

Feed = Callable[[bytes], None]


class Cut(Exception):
    """The node ends the stream here."""


class Attack:
    """An honest node; what attacks override is one step each.

    A step that waits for `over` is silent until the test ends.
    """

    def __init__(self) -> None:
        self.over = threading.Event()

    def tcp(self, client: socket.socket) -> bool:
        """Return whether this was all, without any ssh."""
        return False

    def login(self) -> None:
        """Called before a login is accepted."""

    def open(self) -> None:
        """Called before a channel is opened."""

    def execute(self, channel: Any) -> bool:
        """Return whether the command is accepted."""
        return True

    def output(self, data: bytes) -> bytes:
        """Return what is sent instead of a part of stdout; raise `Cut` to end the stream."""
        return data

    def errors(self, data: bytes) -> bytes:
        """As `output`, for stderr."""
        return data

    def started(self, channel: Any, transport: Any) -> None:
        """Called when a command begins."""

    def ended(self, channel: Any, transport: Any) -> bool:
        """Called when a command has ended; return whether its exit code is sent."""
        return True


class _Server(paramiko.ServerInterface):
    def __init__(self, attack: Attack) -> None:
        self.attack = attack
        self.commands: dict[int, bytes] = {}
        self.started: Callable[[Any, bytes], None] = lambda channel, command: None

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: Any) -> int:
        self.attack.login()
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self.attack.open()
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        accepted = self.attack.execute(channel)
        if accepted:
            threading.Thread(target=self.started, args=(channel, command), daemon=True).start()
        return accepted


@dataclass
class HostileSshd:
    """Listens on a port of its own until `stop`.

    Parameters:
        key: its host key.
        attack: what it does wrong.
    """

    key: Path
    attack: Attack
    port: int = 0
    _listening: socket.socket = field(init=False, repr=False)
    _transports: list[Any] = field(default_factory=list, repr=False)

    def __enter__(self) -> HostileSshd:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.attack.over.set()
        self._listening.close()
        for transport in self._transports:
            transport.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(Exception):
            if self.attack.tcp(client):
                client.close()
                return
            transport: Any = paramiko.Transport(client)
            self._transports.append(transport)
            transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(self.key)))
            server = _Server(self.attack)
            server.started = lambda channel, command: self._run(channel, command, transport)
            transport.start_server(server=server)

    def _run(self, channel: Any, command: bytes, transport: Any) -> None:
        with contextlib.suppress(Exception):
            self.attack.started(channel, transport)
            with subprocess.Popen(
                ["sh", "-c", command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as running:
                try:
                    self._pump(channel, running)
                finally:
                    running.kill()
            if self.attack.ended(channel, transport):
                channel.send_exit_status(running.returncode % 256)  # negative after a signal
            channel.close()

    def _pump(self, channel: Any, running: subprocess.Popen[bytes]) -> None:
        assert running.stdin and running.stdout and running.stderr  # noqa: PT018

        def feed() -> None:
            with contextlib.suppress(Exception):
                while data := channel.recv(1 << 16):
                    running.stdin.write(data)  # type: ignore[union-attr]
                    running.stdin.flush()  # type: ignore[union-attr]
            with contextlib.suppress(Exception):
                running.stdin.close()  # type: ignore[union-attr]

        def drain(stream: Any, change: Callable[[bytes], bytes], send: Feed) -> None:
            try:
                while data := stream.read1(1 << 16):
                    if changed := change(data):
                        send(changed)
            except Exception:
                running.kill()

        drains = [
            threading.Thread(target=drain, args=arguments, daemon=True)
            for arguments in (
                (running.stdout, self.attack.output, channel.sendall),
                (running.stderr, self.attack.errors, channel.sendall_stderr),
            )
        ]
        threading.Thread(target=feed, daemon=True).start()
        for one in drains:
            one.start()
        for one in drains:
            one.join()
        running.wait()


# -- attacks


class Silent(Attack):
    """Says nothing from a step on."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self._step = step
        self.__dict__[{"execution": "execute"}.get(step, step)] = self._wait

    def _wait(self, *arguments: Any) -> bool:
        self.over.wait()
        return False


class Banner(Attack):
    """Speaks, but not ssh."""

    def __init__(self, text: bytes, times: int = 1) -> None:
        super().__init__()
        self._text, self._times = text, times

    def tcp(self, client: socket.socket) -> bool:
        for _ in range(self._times):
            client.sendall(self._text)
            if self.over.is_set():
                break
        self.over.wait(0.2)
        return True


class HugePacket(Attack):
    """A packet that says to have 2 GiB, and goes on and on."""

    def tcp(self, client: socket.socket) -> bool:
        client.sendall(b"SSH-2.0-x\r\n" + (1 << 31).to_bytes(4, "big"))
        for _ in range(1 << 12):
            client.sendall(bytes(1 << 16))
            if self.over.is_set():
                break
        return True


class Refuses(Attack):
    """Opens a channel and runs nothing."""

    def execute(self, channel: Any) -> bool:
        return False


class Ends(Attack):
    """Ends the connection, or the channel, before or after a command."""

    def __init__(self, what: str, when: str) -> None:
        super().__init__()
        self._what, self._when = what, when

    def started(self, channel: Any, transport: Any) -> None:
        if self._when == "before":
            (transport if self._what == "connection" else channel).close()

    def ended(self, channel: Any, transport: Any) -> bool:
        (transport if self._what == "connection" else channel).close()
        return False


class Says(Attack):
    """Adds to what a command prints, or replaces it."""

    def __init__(
        self,
        first: bytes = b"",
        each: bytes = b"",
        endless: bytes = b"",
        replace: tuple[tuple[bytes, bytes], ...] = (),
        also_errors: bool = False,
    ) -> None:
        super().__init__()
        self._first, self._each, self._endless, self._replace = first, each, endless, replace
        self._also_errors = also_errors

    def started(self, channel: Any, transport: Any) -> None:
        if self._first:
            channel.sendall(self._first)
            if self._also_errors:
                channel.sendall_stderr(self._first)
        while self._endless:
            channel.sendall(self._endless)

    def output(self, data: bytes) -> bytes:
        for old, new in self._replace:
            data = data.replace(old, new)
        return data + self._each if data else data

    def errors(self, data: bytes) -> bytes:
        return self.output(data) if self._also_errors else data


class Drips(Attack):
    """Sends a byte now and then, for ever."""

    def __init__(self, first: bytes = b"") -> None:
        super().__init__()
        self._first = first

    def started(self, channel: Any, transport: Any) -> None:
        channel.sendall(self._first)
        channel.sendall_stderr(self._first)
        while not self.over.wait(0.2):
            channel.sendall(b"x")


class Slow(Attack):
    """Sends what it should, but a byte now and then."""

    def started(self, channel: Any, transport: Any) -> None:
        whole = channel.sendall

        def send(data: bytes) -> None:
            for at in range(len(data)):
                if self.over.wait(0.2):
                    raise Cut
                whole(data[at : at + 1])

        channel.sendall = send


class BreaksWindow(Attack):
    """Sends more than it was allowed to."""

    def started(self, channel: Any, transport: Any) -> None:
        channel.out_window_size = 1 << 40
        while True:
            channel.sendall(bytes(1 << 15))


class Random(Attack):
    """Changes the output in random places."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    def output(self, data: bytes) -> bytes:
        for _ in range(self._random.choice((0, 1, 1, 3))):
            data = self._change(data)
        return data

    errors = output

    def _change(self, data: bytes) -> bytes:
        at = self._random.randrange(len(data) + 1)
        to = min(len(data), at + self._random.choice((1, 1, 8, 100)))
        match self._random.randrange(9):
            case 0:
                return data[:at] + data[to:]
            case 1:
                return data[:at] + self._random.randbytes(8) + data[to:]
            case 2:
                return data[:at] + data[at:to] * 3 + data[to:]
            case 3:
                return data[:at] + b"\x1b]52;c;eA==\x07\xc2\x9b2J\r" + data[at:]
            case 4:
                return data[:at] + b"9" * 5000 + data[at:]
            case 5:
                return data[:at] + b"[" * 5000 + data[at:]
            case 6:
                return data[:at] + b"\0" * 600 + data[at:]
            case 7:
                return data.replace(b"0", b"NaN").replace(b"\n", b"\n\n")
            case _:
                raise Cut


def attacks() -> Iterator[tuple[str, Callable[[], Attack]]]:
    """Yield a name for each attack, and what makes it."""
    for step in ("tcp", "login", "open", "execution", "started", "ended"):
        yield f"silent from {step} on", lambda step=step: Silent(step)  # type: ignore[misc]
    yield "closes at once", lambda: Banner(b"")
    yield "a banner without end", lambda: Banner(b"x" * 4096, 1 << 14)
    yield "lines without end", lambda: Banner(b"hello\r\n" * 512, 1 << 14)
    yield "a wrong banner", lambda: Banner(b"SSH-1.0-\x1b[2J\r\n")
    yield "binary instead of packets", lambda: Banner(b"SSH-2.0-x\r\n" + bytes(range(256)) * 40)
    yield "a huge packet", HugePacket
    yield "refuses commands", Refuses
    for what in ("connection", "channel"):
        for when in ("before", "after"):
            yield (
                f"ends the {what} {when} a command",
                lambda what=what, when=when: Ends(what, when),  # type: ignore[misc]
            )
    yield "output without end", lambda: Says(endless=b"y" * 65536)
    yield "lines of output without end", lambda: Says(endless=b"yes\n" * 4096)
    yield "the mark, then output without end", lambda: Says(first=MARK, endless=b"y" * 65536)
    yield "drips", Drips
    yield "the mark, then drips", lambda: Drips(MARK)
    yield "all in drips", Slow
    yield "breaks the window", BreaksWindow
    yield "escapes everywhere", lambda: Says(each=ESCAPES, also_errors=True)
    yield "noise", lambda: Says(first=bytes(range(256)) * 4000 + ESCAPES, also_errors=True)
    yield "two marks", lambda: Says(first=MARK * 2 + b"junk", also_errors=True)
    yield "huge numbers", lambda: Says(replace=((b" 0", b" " + b"9" * 5000),))
    yield "negative numbers", lambda: Says(replace=((b" 0", b" -7"),))
    yield "no numbers", lambda: Says(replace=((b" 0", b" NaN"), (b"1", b"\xc2\xb2")))
    yield "no line ends", lambda: Says(replace=((b"\n", b""),))
    yield "NULs", lambda: Says(replace=((b"\n", b"\n\0"), (b" ", b"\0")))


MARK = b"labctl-begins-8f3c1d5e9b7a2046\n"
ESCAPES = b"\x1b[2J\x1b]52;c;cm0gLXJm\x07\xc2\x9b2J\xe2\x80\xaegnp.exe\r\x08\xff\xed\xb2\x80"
