"""Writes, as clients make them: what each one does to the world, and what it means to the oracle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from shoal.errors import LimitReached, NotFound, RequestError
from shoal.index.log_codec import SelectionJson
from shoal.model.writes import WriteCondition, newer_than
from shoal.services import write
from shoal.services.write import Accepted
from tests.faults.answers import selected, selection_json
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

        def change(state: State, place: int) -> dict[str, int]:
            for name, row in self.rows:
                state.put(name, row, place)
            return {"upserted": len(self.rows)}

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

        def change(state: State, place: int) -> dict[str, int]:
            there = len(state.rows.keys() & set(self.names))
            for name in self.names:
                state.drop(name, place)
            return {"deleted": there, "missing": len(self.names) - there}

        def send(process: Process) -> Accepted:
            return write.delete_ids(process.ports, known.dataset, list(self.names))

        attempted(doing, known, f"{self}", change, send)


@dataclass(frozen=True, slots=True)
class UpsertIf:
    """Records that are stored only where there is none of their id, or an older one (by `n`)."""

    dataset: int
    rows: tuple[tuple[str, Row], ...]
    newer: bool

    def do(self, doing: Doing) -> None:
        """Send them."""
        known = doing.run.pick(self.dataset)
        rows = [row for _, row in self.rows]
        condition = newer_than("n") if self.newer else WriteCondition("if_absent")

        def change(state: State, place: int) -> dict[str, int]:
            stored = 0
            for name, row in self.rows:
                there = state.rows.get(name)
                if there is None or (self.newer and _is_newer(row, there)):
                    state.put(name, row, place)
                    stored += 1
            return {"upserted": stored, "skipped": len(self.rows) - stored}

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
                condition=condition,
            )

        attempted(doing, known, f"{self}", change, send)


def _is_newer(row: Row, there: Row) -> bool:
    if "n" not in there.metadata:
        return True
    return "n" in row.metadata and row.metadata["n"] > there.metadata["n"]


@dataclass(frozen=True, slots=True)
class Patch:
    """Changes to the metadata of ids, some of which may not exist."""

    dataset: int
    patches: tuple[tuple[str, Mapping[str, Any]], ...]

    def do(self, doing: Doing) -> None:
        """Send them."""
        known = doing.run.pick(self.dataset)

        def change(state: State, place: int) -> dict[str, int]:
            there = [(name, patch) for name, patch in self.patches if name in state.rows]
            for name, patch in there:
                row = state.rows[name]
                state.put(name, replace(row, metadata=_merged(row.metadata, patch)), place)
            return {"patched": len(there), "missing": len(self.patches) - len(there)}

        def send(process: Process) -> Accepted:
            return write.patch(
                process.ports,
                known.dataset,
                ids=[name for name, _ in self.patches],
                patches=[orjson.dumps(patch) for _, patch in self.patches],
            )

        attempted(doing, known, f"{self}", change, send)


def _merged(metadata: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396, for patches of one level with objects of one level in them."""
    merged = dict(metadata)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            before = merged.get(name)
            merged[name] = _merged(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


@dataclass(frozen=True, slots=True)
class DeleteWhere:
    """All records that a selection means, by the number of one of `answers.selected`."""

    dataset: int
    selection: int

    def do(self, doing: Doing) -> None:
        """Send it."""
        known = doing.run.pick(self.dataset)
        _, wanted = selected(self.selection)
        tree, namespace = selection_json(self.selection)

        def change(state: State, place: int) -> dict[str, int]:
            there = [name for name, row in state.rows.items() if wanted(name, row)]
            for name in there:
                state.drop(name, place)
            return {"deleted": len(there)}

        def send(process: Process) -> Accepted:
            return write.delete_where(process.ports, known.dataset, SelectionJson(namespace, None, tree))

        attempted(doing, known, f"{self}", change, send)
