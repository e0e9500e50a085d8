"""The API at the root of its own port: an ASGI application that keeps the gateway's limits."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from infra.local.gateway import LARGEST_REQUEST, LONGEST_S, TOO_LARGE, UNAVAILABLE, Answer, Request

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type Dispatch = Callable[[Request], Awaitable[Answer]]

AT_ONCE: Final = 16
"""Requests in flight. Each takes an interpreter of its own, as on Lambda; more of them wait for their turn."""


class Front:
    """Reads a request, bounds its size and its time, and writes what the dispatcher answers."""

    def __init__(self, dispatch: Dispatch, *, longest_s: float = LONGEST_S, at_once: int = AT_ONCE) -> None:
        """`dispatch` answers one request; `longest_s` are the seconds after which nobody waits for it."""
        self._dispatch = dispatch
        self._longest_s = longest_s
        self._turns = asyncio.Semaphore(at_once)
        self._running: set[asyncio.Task[Answer]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        headers = tuple((name.decode("latin-1").lower(), _text(value)) for name, value in scope["headers"])
        length = next((value for name, value in headers if name == "content-length"), "")
        body = None if length.isdigit() and int(length) > LARGEST_REQUEST else await _read(receive)
        if body is None:
            # The rest of the body is not read, so the connection is of no more use.
            await _write(send, TOO_LARGE, close=True)
            return
        request = Request(
            method=scope["method"],
            raw_path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
            source_ip=(scope.get("client") or ("127.0.0.1",))[0],
        )
        answer = await self._answer(request)
        await _write(send, answer, head=request.method == "HEAD")

    async def _answer(self, request: Request) -> Answer:
        """Dispatch in time or answer 503. As on AWS, the function then runs on for nobody."""
        task = asyncio.create_task(self._take_turn(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait({task}, timeout=self._longest_s)
        return task.result() if done else UNAVAILABLE

    async def _take_turn(self, request: Request) -> Answer:
        async with self._turns:
            return await self._dispatch(request)


def _text(value: bytes) -> str:
    """A header's value: UTF-8 where it is, and otherwise what HTTP says it is."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _read(receive: Receive) -> bytes | None:
    """The body; None as soon as it is over the limit."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_REQUEST:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def _write(send: Send, answer: Answer, *, head: bool = False, close: bool = False) -> None:
    lengths = [value for name, value in answer.headers if name == "content-length"]
    # Only a function knows how long the body is that it leaves out for HEAD.
    length = lengths[0] if head and lengths else str(len(answer.body))
    others = [(name, value) for name, value in answer.headers if name != "content-length"]
    headers = [
        (name.encode("latin-1"), value.encode()) for name, value in (*others, ("content-length", length))
    ]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})
