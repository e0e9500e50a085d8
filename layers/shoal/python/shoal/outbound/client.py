"""A POST to an address that a user gave: to the very address that was looked at, within a time and a size.

`http.client` and sockets, and no library above them: those keep a time limit for each read and not for all of it,
resolve again when they connect, and obey proxies of the environment.
"""

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import cached_property
from ipaddress import IPv4Address, ip_address
from typing import cast

from shoal.errors import InvalidInput, StorageBusy, TooLarge
from shoal.outbound.addresses import check_addresses
from shoal.outbound.deadlines import Deadline, TimedSocket, TooMuch
from shoal.outbound.urls import Address, Target, parse_url
from shoal.storage.model_ports import MAX_ANSWER_BYTES, Answer

type Resolver = Callable[[str, int], Sequence[Address]]
"""A host's addresses, for connections to a port; raises OSError where there is none."""

SECONDS = 10.0
"""For all of a request, from the first question to the name server to the last byte of the answer."""
MAX_ADDRESSES = 4
"""Of one host, that are tried one after the other."""
KEPT_HEADERS = ("content-type", "content-encoding", "retry-after", "location", "x-request-id")
"""Of an answer: what callers act upon, or can tell the people of the other side."""
_HEAD_BYTES = 64 * 1024
"""Beside the body: status, headers, and the sizes of chunks."""
_MAX_HEADER = 1024
_OWN_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "user-agent"}
_OWN_HEADERS |= {
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\t -~]{0,8192}")


class Client:
    """Sends requests; several threads may use it."""

    def __init__(
        self,
        *,
        resolve: Resolver | None = None,
        clock: Callable[[], float] = time.monotonic,
        allow_loopback: bool = False,
        seconds: float = SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """What it depends on.

        Args:
            resolve: the system's own, if None.
            clock: seconds that only grow.
            allow_loopback: whether this machine may be asked, on any port: for a stack on one machine.
            seconds: for all of a request.
            tls: whom to trust; the system's authorities, if None.
        """
        self._resolve = resolve or system_addresses
        self._clock = clock
        self.allow_loopback = allow_loopback
        self._seconds = seconds
        self._given_tls = tls

    def target_of(self, url: str) -> Target:
        """Read a URL.

        Raises:
            InvalidInput: `invalid_url`.
        """
        return parse_url(url, any_port=self.allow_loopback)

    def post(self, target: Target, body: bytes, *, headers: Mapping[str, str]) -> Answer:
        """POST a body; whatever status is answered, also a redirect, is the answer. No content is decoded.

        Raises:
            InvalidInput: `address_not_allowed`, `invalid_url` or `tls_failed`: nothing was sent.
            StorageBusy: no connection, or no whole answer in time.
            TooLarge: `answer_too_large`: it is over 1 MB.
            ValueError: headers that are none, or that are the client's own.
        """
        given = _checked_headers(headers)
        deadline = Deadline(self._seconds, self._clock)
        host = target.host[:100]
        try:
            with closing(self._connect(target, deadline)) as connected:
                return _exchange(target, connected, deadline, body, given)
        except TooMuch:
            raise TooLarge(
                "answer_too_large", f"{host} answers with more than {MAX_ANSWER_BYTES} bytes"
            ) from None
        except TimeoutError:
            raise StorageBusy(f"{host} does not answer within {self._seconds:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise StorageBusy(f"{host} breaks off: {type(error).__name__}") from None

    def _connect(self, target: Target, deadline: Deadline) -> socket.socket:
        """A connection to the first address of the host that takes one, all of them being checked."""
        addresses = self._addresses(target, deadline)
        check_addresses(target, addresses, allow_loopback=self.allow_loopback)
        # Functions have no IPv6 outside a network of one's own.
        ordered = sorted(addresses, key=lambda address: not isinstance(address, IPv4Address))[:MAX_ADDRESSES]
        reason = ""
        for place, address in enumerate(ordered):
            # The last one may take all the time there is, each before it its share.
            share = deadline.left() / (len(ordered) - place)
            try:
                plain = _plain_connection(address, target.port, share)
            except OSError as error:
                reason = "no answer" if isinstance(error, TimeoutError) else type(error).__name__
                continue
            return self._secured(plain, target, deadline) if target.is_secure else plain
        raise StorageBusy(f"no connection to {target.host:.100}: {reason}")

    def _addresses(self, target: Target, deadline: Deadline) -> Sequence[Address]:
        if target.literal is not None:
            return [target.literal]
        try:
            return _within(deadline.left(), lambda: self._resolve(target.host, target.port))
        except TimeoutError:
            raise
        except (OSError, UnicodeError) as error:
            raise StorageBusy(f"{target.host:.100} has no address: {type(error).__name__}") from None

    def _secured(self, plain: socket.socket, target: Target, deadline: Deadline) -> socket.socket:
        """TLS over a connection, with a certificate for the name in the URL."""
        try:
            plain.settimeout(deadline.left())
            return self._tls.wrap_socket(plain, server_hostname=target.host)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise _tls_failed(target, f"its certificate is refused: {error.verify_message}") from None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):  # hung up, which may pass
            plain.close()
            raise
        except ssl.SSLError as error:
            plain.close()
            raise _tls_failed(target, f"no TLS connection: {error.reason}") from None
        except BaseException:
            plain.close()
            raise

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context()  # reads all authorities: 20 ms, for https only


class _Connection(http.client.HTTPConnection):
    """HTTP over a connection that is there already."""

    def __init__(self, target: Target, connected: TimedSocket) -> None:
        super().__init__(target.host, target.port)
        self.sock = cast("socket.socket", connected)
        self.auto_open = 0  # never another one


def _exchange(
    target: Target, connected: socket.socket, deadline: Deadline, body: bytes, headers: dict[str, str]
) -> Answer:
    timed = TimedSocket(connected, deadline, max_bytes=MAX_ANSWER_BYTES + _HEAD_BYTES)
    asked = _Connection(target, timed)
    asked.putrequest("POST", target.path, skip_host=True, skip_accept_encoding=True)
    own = {
        "Host": target.authority,
        "User-Agent": "shoal",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Content-Length": str(len(body)),
    }
    for name, value in (own | {"Content-Type": "application/json"} | headers).items():
        asked.putheader(name, value)
    with suppress(BrokenPipeError, ConnectionResetError):
        # Who does not want all of it may have said so before hanging up.
        asked.endheaders(body)
    with closing(asked.getresponse()) as answer:
        return Answer(answer.status, _body(answer), _headers(answer))


def _body(answer: http.client.HTTPResponse) -> bytes:
    """All of a body.

    Raises:
        TooMuch: it is too large, or says so.
        IncompleteRead: it is cut off.
    """
    announced = answer.length or 0
    if announced > MAX_ANSWER_BYTES:
        raise TooMuch
    body = answer.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        raise TooMuch
    if len(body) < announced:
        raise http.client.IncompleteRead(b"", announced - len(body))
    return body


def _headers(answer: http.client.HTTPResponse) -> dict[str, str]:
    found = {name: answer.getheader(name) for name in KEPT_HEADERS}
    return {name: value[:_MAX_HEADER] for name, value in found.items() if value is not None}


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise ValueError("a header that has no name, or that the client sets itself")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the header {name} is not printable ASCII")
    titled = {name.title(): value for name, value in headers.items()}
    if len(titled) != len(headers):
        raise ValueError("a header is given twice")
    return titled


def system_addresses(host: str, port: int) -> list[Address]:
    """The addresses that this machine finds for a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(ip_address(answer[4][0]) for answer in found))


def _plain_connection(address: Address, port: int, seconds: float) -> socket.socket:
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(seconds)
        made.connect((str(address), port))
    except BaseException:
        made.close()
        raise
    return made


def _within[T](seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns, unless it takes longer: it then goes on alone, as no name server can be told to stop.

    Raises:
        TimeoutError: it takes longer.
    """
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            failed.append(error)

    thread = threading.Thread(target=run, name="resolver", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError("the name server does not answer")
    return found[0]


def _tls_failed(target: Target, reason: str) -> InvalidInput:
    return InvalidInput("tls_failed", f"{target.host:.100}: {reason}")
