"""The two ports of the local stack in one process: the emulator's, and the API's front."""
# ruff: noqa: SLF001 - the emulator offers no other way in; its version is pinned and asserted

import asyncio
import json
import os
from typing import Any, Final

from hypercorn.asyncio import serve as serve_asgi  # type: ignore[import-not-found]  # lives in the environment of the emulator
from hypercorn.config import Config  # type: ignore[import-not-found]  # the same
from ministack import app as emulator
from ministack.core import lambda_runtime
from ministack.core.persistence import save_all

from infra.local.dispatch import Dispatcher
from infra.local.emulator import short_name
from infra.local.front import Front, Receive, Scope, Send

CONTROL: Final = "/_shoal/"


async def serve(emulator_fd: int, front_fd: int, *, front_port: int) -> None:
    """Serve on two bound sockets until a signal to stop; the emulator then saves its state."""
    config = Config()
    config.bind = [f"fd://{emulator_fd}", f"fd://{front_fd}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 2
    await serve_asgi(App(front_port), config)
    lambda_runtime.reset()


class App:
    """Requests to the API's port go to its front, everything else to the emulator."""

    def __init__(self, front_port: int) -> None:
        self._front_port = front_port
        self._dispatcher = Dispatcher()
        self._front = Front(self._dispatcher)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request."""
        if scope["type"] != "http":
            await emulator.app(scope, receive, send)
        elif scope["server"][1] == self._front_port:
            await self._front(scope, receive, send)
        elif scope["path"].startswith(CONTROL):
            await self._control(scope["path"].removeprefix(CONTROL), send)
        else:
            await emulator.app(scope, receive, send)

    async def _control(self, command: str, send: Send) -> None:
        """What the emulator has no call for: which API the front serves, saving, the functions' processes."""
        name, _, argument = command.partition("/")
        answer: Any = {"pid": os.getpid()}
        if name == "serve":
            self._dispatcher.api_id = argument
        elif name == "save":
            await asyncio.to_thread(lambda: save_all(emulator._build_persistence_save_dict()))
        elif name == "workers":
            answer = find_workers()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def find_workers() -> dict[str, list[int]]:
    """The processes of each function, by its name in this repository and by its name in the stack."""
    found: dict[str, list[int]] = {}
    with lambda_runtime._lock:
        workers = [worker for pool in lambda_runtime._workers.values() for worker in pool]
    for worker in workers:
        process = worker._proc
        if process is not None and process.poll() is None:
            for name in sorted({worker.func_name, short_name(worker.config)}):
                found.setdefault(name, []).append(process.pid)
    return found
