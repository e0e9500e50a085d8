"""One set of stores for several processes: objects in a folder, table and queues in a process that serves them.

A function's container is then a process of its own, so that its memory and its threads can be measured.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any, cast

from shoal.errors import TransactionCancelled
from shoal.storage.memory import MemoryQueue, MemoryTable, MemoryUploads, MemoryWorkflows
from shoal.storage.memory.objects import MemoryObjects
from shoal.storage.ports import Ports, Queue, Table, Workflows
from tests.benchmarks.file_objects import FileObjects


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stores are: all that another process needs to reach them."""

    folder: str
    address: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a step: wall-clock and processor seconds, and the peak of memory of a process of its own."""

    function: str
    step: str
    seconds: float
    processor_seconds: float
    peak_bytes: int = 0


_WORKFLOWS = ("imports", "compactions", "derivations")


class _Served:
    """What the serving process holds."""

    def __init__(self) -> None:
        self._ports = {
            "table": MemoryTable(time.time),
            "wakeups": MemoryQueue(time.time),
            "builds": MemoryQueue(time.time),
            **{name: MemoryWorkflows() for name in _WORKFLOWS},
            "tasks": MemoryQueue(time.time),
            "calls": list[Call](),
        }

    def ask(self, port: str, method: str, given: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, Any]:
        """Call a port: its answer, or what cancelled a transaction (whose error can't be sent as it is)."""
        try:
            return getattr(self._ports[port], method)(*given, **named), None
        except TransactionCancelled as cancelled:
            return None, (cancelled.failed, cancelled.items)

    def calls(self) -> list[Call]:
        """All calls noted so far."""
        return cast("list[Call]", self._ports["calls"])


class _Server(BaseManager):
    """The serving process."""


_SERVED: list[_Served] = []


def _only_one() -> _Served:
    """The same stores for every client: made at the first call, in the serving process."""
    if not _SERVED:
        _SERVED.append(_Served())
    return _SERVED[0]


_Server.register("served", callable=_only_one)


class _Port:
    """A port at the other end of a socket."""

    def __init__(self, ask: Callable[..., tuple[Any, Any]], name: str) -> None:
        self._ask = ask
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            answer, cancelled = self._ask(self._name, method, given, named)
            if cancelled is not None:
                raise TransactionCancelled(*cancelled)
            return answer

        return call


class SharedStores:
    """A client of the stores."""

    def __init__(self, place: Place) -> None:
        self.place = place
        server = _Server(address=place.address, authkey=place.secret)
        server.connect()
        self._served: Any = server.served()  # type: ignore[attr-defined] # registered above
        objects = FileObjects(Path(place.folder) / "objects")
        table, wakeups, builds, tasks = (
            _Port(self._served.ask, name) for name in ("table", "wakeups", "builds", "tasks")
        )
        imports, compactions, derivations = (
            cast("Workflows", _Port(self._served.ask, name)) for name in _WORKFLOWS
        )
        self.objects = objects
        self.ports = Ports(
            objects,
            cast("Table", table),
            cast("Queue", wakeups),
            cast("Queue", builds),
            time.time,
            # It needs no more than put and head of the objects.
            MemoryUploads(cast("MemoryObjects", objects), time.time),
            imports=imports,
            compactions=compactions,
            tasks=cast("Queue", tasks),
            derivations=derivations,
        )

    def note(self, call: Call) -> None:
        """Remember a call."""
        self._served.ask("calls", "append", (call,), {})

    def calls(self) -> list[Call]:
        """All calls that processes have noted."""
        found: list[Call] = self._served.calls()
        return found


@contextmanager
def shared_stores(folder: Path) -> Iterator[SharedStores]:
    """Stores in a folder, served until the end of the block."""
    secret = os.urandom(32)
    address = str(folder / "stores")
    server = _Server(address=address, authkey=secret, ctx=multiprocessing.get_context("spawn"))
    server.start()
    try:
        yield SharedStores(Place(str(folder), address, secret))
    finally:
        server.shutdown()
