"""A server on this machine whose answers a test makes up, byte by byte."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

type Script = Callable[["Conversation"], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in: the request line, headers by lower-case name, and the body."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Conversation:
    """One connection, from the server's side."""

    connection: socket.socket
    asked: Asked
    over: threading.Event

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.connection.sendall(data)

    def drip(self, data: bytes) -> None:
        """Send bytes one by one, until the other side has gone."""
        for place in range(len(data)):
            if self.over.wait(0.002):
                return
            self.say(data[place : place + 1])


@dataclass(slots=True)
class Loopback:
    """The server: its port, and what it was asked."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


def answer(body: bytes = b"{}", *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> Script:
    """A plain answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return lambda talk: talk.say("\r\n".join(lines).encode() + body)


def raw(data: bytes) -> Script:
    """These bytes, and then the end."""
    return lambda talk: talk.say(data)


def silence(talk: Conversation) -> None:
    """No answer for as long as the test lasts."""
    talk.over.wait(20)


@contextmanager
def serving(
    script: Script, *, tls: ssl.SSLContext | None = None, greeting: bytes = b""
) -> Iterator[Loopback]:
    """A server on 127.0.0.1 that answers every request by the script.

    With a greeting it says that before it has read anything, and nothing else.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(20)
    server = Loopback(listening.getsockname()[1])
    over = threading.Event()

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            if over.is_set():
                plain.close()
                return
            server.connections += 1
            # A test that hangs up on purpose is no fault of the server's.
            with plain, suppress(OSError):
                plain.settimeout(20)
                if greeting:
                    _greet(plain, greeting)
                    continue
                connection = tls.wrap_socket(plain, server_side=True) if tls else plain
                with connection:
                    asked = _read(connection)
                    server.asked.append(asked)
                    script(Conversation(connection, asked, over))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        over.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        thread.join(20)
        listening.close()


def _greet(connection: socket.socket, greeting: bytes) -> None:
    connection.sendall(greeting)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1 << 20):
        pass


def _read(connection: socket.socket) -> Asked:
    with connection.makefile("rb") as stream:
        line = stream.readline().decode().strip()
        headers = {}
        while header := stream.readline().decode().strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        return Asked(line, headers, stream.read(int(headers.get("content-length", "0"))))
