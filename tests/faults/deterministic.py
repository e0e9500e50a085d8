"""The package with another time, other dice and no threads of its own, so that a seed replays to the last call.

What differs between two runs of one schedule are the real clock, names out of `secrets`, jitter, and which thread
is quicker, of a pool or of those that build a graph (the order of insertion is that of its links). While
`deterministic` is entered, the modules of the package see stand-ins for these: time is the world's clock, which
sleeping moves on; names and jitter come from the seed; what would run in a pool runs at once, one after the other;
graphs are built by one thread. The lease's renewal, which goes by the real clock, does not happen: a process that
takes longer than its lease is one that stood still.
"""

import importlib
import pkgutil
import random
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial, partialmethod
from types import ModuleType
from typing import Any, Final

import shoal
from shoal.index.graph import Graph, build_graph
from tests.unit.services.world import Clock

_FOLDERS: Final = ("model", "index", "services", "storage.memory")


class VirtualTime:
    """What the package sees as the module `time`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def sleep(self, seconds: float) -> None:
        """Let the world's time pass."""
        self._clock.pass_seconds(max(0.0, seconds))

    def monotonic(self) -> float:
        """The world's time."""
        return self._clock()

    time = perf_counter = monotonic


class SeededSecrets:
    """What the package sees as the module `secrets`."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"secrets/{seed}")

    def token_bytes(self, count: int = 32) -> bytes:
        """Bytes out of the seed."""
        return self._dice.randbytes(count)

    def token_hex(self, count: int = 32) -> str:
        """Twice as many hex digits out of the seed."""
        return self.token_bytes(count).hex()

    token_urlsafe = token_hex


class AtOnce(Executor):
    """A pool whose work is done by whoever hands it in."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take what a pool of threads takes."""

    def submit[R](self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Call, and hold the result."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as raised:  # noqa: BLE001 - raised again where the result is asked for
            future.set_exception(raised)
        return future


class NeverRuns:
    """A thread that does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take what a thread takes."""

    def start(self) -> None:
        """Do nothing."""

    def join(self) -> None:
        """Wait for nothing."""


def modules() -> list[ModuleType]:
    """All modules that a schedule may come to, loaded."""
    for folder in _FOLDERS:
        package = importlib.import_module(f"{shoal.__name__}.{folder}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    return [
        module for name, module in sorted(sys.modules.items()) if name == "shoal" or name.startswith("shoal.")
    ]


@contextmanager
def deterministic(clock: Clock, seed: int) -> Iterator[None]:
    """Swap in the stand-ins; they leave with the block."""
    loaded = modules()
    stand_ins: dict[int, Any] = {
        id(build_graph): partial(build_graph, threads=1),
        id(time): VirtualTime(clock),
        id(secrets): SeededSecrets(seed),
        id(random): random.Random(f"jitter/{seed}"),
        id(ThreadPoolExecutor): AtOnce,
        id(threading.Thread): NeverRuns,
    }
    swapped: list[tuple[ModuleType | type, str, Any]] = [(Graph, "extend", Graph.extend)]
    Graph.extend = partialmethod(Graph.extend, threads=1)  # type: ignore[assignment, method-assign] # until the block ends
    for module in loaded:
        for name, value in list(vars(module).items()):
            if id(value) in stand_ins and module.__name__ != "shoal.storage.memory.faults":
                swapped.append((module, name, value))
                setattr(module, name, stand_ins[id(value)])
    try:
        yield
    finally:
        for place, name, value in swapped:
            setattr(place, name, value)
