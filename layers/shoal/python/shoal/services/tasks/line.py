"""Doing the tasks of a line under its lease: batch after batch, the next one made while one is being written.

Whatever is found to be otherwise than it was read, everything is read again.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from shoal.model.datasets import Dataset
from shoal.services.embedding import Embedder
from shoal.services.lease_items import Lease
from shoal.services.tasks.batches import Barrier, Batch, Batches, Held, Sizes
from shoal.services.tasks.due import Planner, read_due
from shoal.services.tasks.writing import Lost, Stale, TooMany, Wanted, Writer, read_state
from shoal.services.waiting import Pause
from shoal.storage.keys import FamilyKeys
from shoal.storage.ports import Ports

if TYPE_CHECKING:  # what reads indexes: few tasks look at what is there
    from shoal.services.parts import PartReader

_PRESENT_SECONDS = 20.0
_MOST_STALE = 8
"""Readings in a row that came to nothing, before somebody else may try."""


class Outcome(Enum):
    """Why a worker stops."""

    DRAINED = auto()
    OUT_OF_TIME = auto()
    HELD = auto()
    """Something has to be waited for."""
    WANTED = auto()
    """Somebody has asked for the lease."""
    LOST = auto()
    """Somebody else has taken it."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a worker works with. With one of `threads` everything happens in one order. `reader` gives the
    container's cache of parts, where it is needed.
    """

    ports: Ports
    embedder: Embedder
    reader: Callable[[], "PartReader"]
    pause: Pause
    threads: int
    sizes: Sizes


class Line:
    """A line of tasks under its lease, until the deadline (epoch seconds)."""

    def __init__(self, means: Means, keys: FamilyKeys, lease: Lease, *, deadline: float) -> None:
        self._means = means
        self._ports = means.ports
        self._keys = keys
        self._lease = lease
        self._deadline = deadline
        self._alone = False
        self.held_seconds = 0

    def advance(self) -> Outcome:
        """Do what is due, until there is a reason to stop.

        Raises:
            StorageError: storage failed; nothing is half done.
        """
        stale = 0
        while True:
            try:
                outcome, advanced = self._pass()
            except Wanted:
                return Outcome.WANTED
            except Lost:
                return Outcome.LOST
            if outcome is not None:
                return outcome
            stale = 0 if advanced else stale + 1
            if stale > _MOST_STALE or self._out_of_time():
                return Outcome.OUT_OF_TIME
            if stale:
                self._means.pause(min(1.0, 0.02 * 2**stale))

    def _pass(self) -> tuple[Outcome | None, bool]:
        """Read what is due and do it: why to stop (None: read again), and whether anything was written."""
        state = read_state(self._ports, self._keys, self._lease)
        due = read_due(self._ports, self._keys, state)
        if not due:
            return Outcome.DRAINED, False
        planner = Planner(self._ports, self._keys, state, threads=self._means.threads)
        batches = Batches(
            self._means.embedder,
            planner,
            present=self._present,
            out_of_time=self._out_of_time,
            sizes=self._means.sizes,
            alone=self._alone,
        )
        writer = Writer(
            self._ports,
            self._keys,
            self._lease,
            state,
            due,
            deadline=self._deadline,
            pause=self._means.pause,
        )
        try:
            self._do(batches.of(due), writer.write)
        except Held as held:
            writer.note(held)
            self.held_seconds = held.seconds
            return Outcome.HELD, True
        except Stale as stale:
            self._alone = isinstance(stale, TooMany)
            return None, writer.written > 0
        writer.forget_places(due)
        self._alone = False
        return (Outcome.OUT_OF_TIME if batches.cut_short else None), True

    def _do(self, batches: Iterable[Batch | Barrier], write: Callable[[Batch], None]) -> None:
        """Write batches in their order, each while the next one is made."""
        if self._means.threads == 1:
            for batch in batches:
                if isinstance(batch, Batch):
                    write(batch)
            return
        with ThreadPoolExecutor(max_workers=1) as pool:
            writing: Future[None] | None = None
            try:
                for batch in batches:
                    if writing is not None:
                        writing.result()
                    writing = pool.submit(write, batch) if isinstance(batch, Batch) else None
            finally:
                # Also where the next one could not be made: what became of the one before counts more.
                if writing is not None:
                    writing.result()

    def _present(self, collection: Dataset, object_ids: Sequence[str]) -> Collection[str] | None:
        from shoal.services.tasks.present import present_objects

        left = self._deadline - self._ports.clock()
        return present_objects(
            self._ports,
            self._means.reader(),
            collection,
            object_ids,
            seconds=max(0.0, min(_PRESENT_SECONDS, left)),
            pause=self._means.pause,
        )

    def _out_of_time(self) -> bool:
        return self._ports.clock() >= self._deadline
