"""One time limit for all that a request does: resolving, connecting, sending, and every byte of the answer.

A time-out of a socket starts anew with every byte: a server that sends one every few seconds would hold its caller
for hours.
"""

import io
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 64 * 1024


class Deadline:
    """A moment after which nothing is waited for."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds that are left.

        Raises:
            TimeoutError: none is.
        """
        seconds = self._end - self._clock()
        if seconds <= 0:
            raise TimeoutError("the time for all of it is over")
        return seconds


class TooMuch(Exception):
    """More was sent than anybody wants to read."""


class TimedSocket:
    """A connected socket, TLS or not, that keeps a deadline and reads at most so many bytes.

    It has what `http.client` asks of a socket. As there, the connection stays open until whoever reads from it has
    closed that too.
    """

    def __init__(self, connected: socket.socket, deadline: Deadline, *, max_bytes: int) -> None:
        self._socket = connected
        self._deadline = deadline
        self._max_bytes = max_bytes

    def sendall(self, data: bytes) -> None:
        """Send it all.

        Raises:
            TimeoutError: the deadline has passed.
        """
        rest = memoryview(data)
        while rest:
            self._socket.settimeout(self._deadline.left())
            rest = rest[self._socket.send(rest[:_CHUNK]) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the other side sends, for reading."""
        reader = _Reader(
            self._socket.makefile("rb", buffering=0), self._socket, self._deadline, self._max_bytes
        )
        return io.BufferedReader(reader)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class _Reader(io.RawIOBase):
    """The bytes of a socket as they come."""

    def __init__(
        self, stream: socket.SocketIO, connected: socket.socket, deadline: Deadline, max_bytes: int
    ) -> None:
        self._stream = stream
        self._socket = connected
        self._deadline = deadline
        self._left = max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        self._socket.settimeout(self._deadline.left())
        count = self._stream.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise TooMuch
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()
