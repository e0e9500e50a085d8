"""Writes, as clients make them: what each one does to the world, and what it means to the oracle."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import orjson

from shoal.errors import LimitReached, NotFound, RequestError
from shoal.services import write
from shoal.services.write import Accepted
from tests.faults.oracle import Attempt, Change, Row, State
from tests.faults.run import QUOTA, Doing, Known
from tests.faults.stores import Process


def attempted(
    doing: Doing, known: Known, what: str, change: Change, send: Callable[[Process], Accepted]
) -> None:
    """Send a write, and note what its sender was told."""
    process = doing.start()
    attempt = Attempt(what, change, process.log_keys)
    known.ledger.attempts.append(attempt)
    refusals: tuple[type[RequestError], ...] = (LimitReached, NotFound)
    told = doing.call(send, *refusals, process=process)
    if told.answer is not None:
        attempt.told = told.answer.sequence
    elif told.refused:
        attempt.told = "refused"
    doing.run.answers["acknowledged" if told.done else "refused" if told.refused else "unknown"] += 1


@dataclass(frozen=True, slots=True)
class Upsert:
    """Records, in the order sent."""

    dataset: int
    rows: tuple[tuple[str, Row], ...]

    def do(self, doing: Doing) -> None:
        """Send them."""
        known = doing.run.pick(self.dataset)
        rows = [row for _, row in self.rows]

        def change(state: State, place: int) -> None:
            for name, row in self.rows:
                state.put(name, row, place)

        def send(process: Process) -> Accepted:
            return write.upsert(
                process.ports,
                known.dataset,
                ids=[name for name, _ in self.rows],
                vectors=np.array([row.values for row in rows], dtype=np.float32),
                metadata=[orjson.dumps(row.metadata) for row in rows],
                namespaces=[row.namespace for row in rows],
                documents=[row.document.encode() for row in rows],
                vector_quota=QUOTA,
            )

        attempted(doing, known, f"{self}", change, send)


@dataclass(frozen=True, slots=True)
class Delete:
    """Ids to delete, some of which may not exist."""

    dataset: int
    names: tuple[str, ...]

    def do(self, doing: Doing) -> None:
        """Send it."""
        known = doing.run.pick(self.dataset)

        def change(state: State, place: int) -> None:
            for name in self.names:
                state.drop(name, place)

        def send(process: Process) -> Accepted:
            return write.delete_ids(process.ports, known.dataset, list(self.names))

        attempted(doing, known, f"{self}", change, send)
