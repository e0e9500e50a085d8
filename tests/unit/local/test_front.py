"""The front in front of a fake function: sizes, time, order."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from infra.local.front import AT_ONCE, Dispatch, Front
from infra.local.gateway import LARGEST_REQUEST, Answer, Request

type Message = MutableMapping[str, Any]


class Wire:
    """One request through the front, as a server would hand it over."""

    def __init__(
        self, front: Front, *, method: str = "POST", headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self._front = front
        self._scope: Message = {
            "type": "http",
            "method": method,
            "path": "/v1/a/b",
            "raw_path": b"/v1/a%2Fb",
            "query_string": b"q=%20",
            "headers": headers,
            "client": ("127.0.0.1", 1),
        }
        self.taken = 0
        self.sent: list[Message] = []

    async def call(self, *chunks: bytes) -> "Wire":
        async def receive() -> Message:
            self.taken += 1
            return {
                "type": "http.request",
                "body": chunks[self.taken - 1] if chunks else b"",
                "more_body": self.taken < len(chunks),
            }

        async def send(message: Message) -> None:
            self.sent.append(message)

        await self._front(self._scope, receive, send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return bytes(self.sent[1]["body"])


async def echo(request: Request) -> Answer:
    return Answer(200, request.raw_path.encode() + b" " + request.body, (("x-host", request.header("host")),))


def call(dispatch: Dispatch, *chunks: bytes, longest_s: float = 5.0, **options: Any) -> Wire:
    async def run() -> Wire:
        return await Wire(Front(dispatch, longest_s=longest_s), **options).call(*chunks)

    return asyncio.run(run())


def test_a_request_arrives_whole_with_its_host_and_its_path_as_sent() -> None:
    wire = call(echo, b"one ", b"two", headers=((b"Host", b"api.example:1"),))
    assert (wire.status, wire.body) == (200, b"/v1/a%2Fb one two")
    assert wire.headers == {b"x-host": b"api.example:1", b"content-length": b"17"}


def test_the_largest_request_passes() -> None:
    assert call(echo, b"x" * LARGEST_REQUEST).status == 200


def test_a_larger_one_is_refused_without_reading_all_of_it() -> None:
    half = b"x" * (LARGEST_REQUEST // 2 + 1)
    wire = call(echo, half, half, half)
    assert (wire.status, wire.body) == (413, b'{"message":"Request Entity Too Large"}')
    assert wire.taken == 2
    assert wire.headers[b"connection"] == b"close"


def test_one_that_says_that_it_is_larger_is_refused_unread() -> None:
    wire = call(echo, b"x", headers=((b"content-length", str(LARGEST_REQUEST + 1).encode()),))
    assert (wire.status, wire.taken) == (413, 0)


def test_a_function_that_takes_too_long_is_given_up_but_runs_on() -> None:
    finished = []

    async def slow(_request: Request) -> Answer:
        await asyncio.sleep(0.05)
        finished.append(True)
        return Answer(200)

    async def run() -> Wire:
        wire = await Wire(Front(slow, longest_s=0.01)).call()
        await asyncio.sleep(0.1)
        return wire

    wire = asyncio.run(run())
    assert (wire.status, wire.body) == (503, b'{"message":"Service Unavailable"}')
    assert finished


def test_the_answer_to_head_has_a_length_but_no_body() -> None:
    wire = call(echo, method="HEAD")
    assert (wire.body, wire.headers[b"content-length"]) == (b"", b"10")


@pytest.mark.parametrize(("method", "length"), [("GET", b"2"), ("HEAD", b"41")])
def test_there_is_one_length_and_only_head_takes_it_from_the_function(method: str, length: bytes) -> None:
    async def sized(_request: Request) -> Answer:
        return Answer(200, b"" if method == "HEAD" else b"{}", (("content-length", "41"),))

    wire = call(sized, method=method)
    assert wire.sent[0]["headers"] == [(b"content-length", length)]


def test_more_requests_than_a_laptop_has_room_for_wait_their_turn() -> None:
    now, most = 0, 0

    async def count(_request: Request) -> Answer:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return Answer(200)

    async def run() -> list[Wire]:
        front = Front(count)
        return await asyncio.gather(*(Wire(front).call() for _ in range(3 * AT_ONCE)))

    assert {wire.status for wire in asyncio.run(run())} == {200}
    assert most == AT_ONCE


def test_a_broken_dispatcher_is_not_hidden() -> None:
    async def broken(_request: Request) -> Answer:
        raise LookupError("route")

    with pytest.raises(LookupError):
        call(broken)
