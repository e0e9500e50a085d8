"""Applying writes strictly in the order of the log: each sees what the ones before it left, and nothing else.

Upserts and deletes of ids depend on nothing that is there, so a run of them is gathered at once. Where there is a
patch, a condition or a delete by selection among them, the run is resolved one by one (`services.resolve`).

An open import is not there yet (invariant 3): a patch or a condition does not see its rows. A delete by selection
deletes what it sees, and keeps out rows of the import that have those ids; others come even if they match. What is
resolved to nothing writes nothing: a patch of an id that is missing, or a record that its condition keeps out,
does not keep out a row of the import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index import id_index
from shoal.index.id_index import Located
from shoal.index.log_codec import LogDelete, LogDeleteWhere, LogPatch, LogUpsert, LogWrite
from shoal.model.datasets import Dataset
from shoal.model.writes import Outcome
from shoal.services.base_records import TooMuchToRead
from shoal.services.changes import Change, Overlay
from shoal.services.resolve import READ_BYTES, Resolver, ids_removed, located_at, outcome_of_removal
from shoal.services.snapshot import Snapshot
from shoal.services.swept import Swept

_TESTED_ROWS = 2_000_000
"""Rows that the deletes by selection of one commit test, but for its first: at 1 to 3 us each."""
_RECORD_BYTES = 1024
"""What a record is taken to have beside its vector, before it is read."""
_READ_AHEAD_BYTES = READ_BYTES / 4
_TOO_MUCH = (
    f"the records that it changes have over {READ_BYTES // 1_000_000} MB together; send fewer at a time"
)


@dataclass(frozen=True, slots=True)
class Applied:
    """What the first `count` writes of a run come to, and where the ids that they touch were before.

    `hashes` and `replaced` are of the ids of `change.upserts`, `deleted_hashes` and `removed` of `change.deleted`.
    `swept` are rows of the version that deletes by selection took, none twice. `outcomes` and `failed` (why a
    write can never be applied) are by sequence; an upsert without a condition has no outcome of its own, unless it
    removes ids: all its records go in.
    """

    count: int
    change: Change
    hashes: NDArray[np.uint64]
    replaced: Located
    deleted_hashes: NDArray[np.uint64]
    removed: Located
    outcomes: Mapping[int, Outcome]
    swept: tuple[Swept, ...] = ()
    failed: Mapping[int, str] = field(default_factory=dict)


def apply(dataset: Dataset, snapshot: Snapshot | None, writes: Sequence[tuple[int, LogWrite]]) -> Applied:
    """Apply writes, given with their sequences in order, to a version: all, or as many as one commit takes.

    What one write alone builds on, and nobody can read, fails it.

    Raises:
        CorruptObject: the id index, on which all writes build, is not what names it.
    """
    plain = [
        (sequence, write)
        for sequence, write in writes
        if isinstance(write, LogDelete) or (isinstance(write, LogUpsert) and write.condition is None)
    ]
    if len(plain) == len(writes):
        return _gathered(dataset, snapshot, plain)
    rows = snapshot.manifest.row_count if snapshot else 0
    count, alone = affordable(writes, dimension=dataset.dimension, rows=rows), 0
    while True:
        resolver = Resolver(dataset, snapshot, writes[:count])
        try:
            resolver.resolve()
            return _resolved(resolver, count)
        except TooMuchToRead:
            if count == 1:
                return _failed(dataset, snapshot, writes[0][0], _TOO_MUCH)
        except CorruptObject as damaged:
            # Damage does not pass with time, and whoever comes next must not wait for it.
            alone += count == 1
            if alone > 1:
                reason = f"what it builds on is damaged, nothing has changed: {damaged}"
                return _failed(dataset, snapshot, writes[0][0], reason)
        count = max(
            1, count // 2
        )  # how long documents are, and what is damaged, is only known once it is read


def affordable(writes: Sequence[tuple[int, LogWrite]], *, dimension: int, rows: int) -> int:
    """How many of the writes one commit takes, from what they read back and test; at least one, if there is one.

    Args:
        writes: with their sequences, in order.
        dimension: of the dataset.
        rows: that are live in the version they build on.
    """
    read = tested = laid = sweeps = 0
    for number, (_, write) in enumerate(writes):
        match write:
            case LogUpsert():
                laid += len(write.ids)
                if write.condition is not None and write.condition.kind != "if_absent":
                    read += len(write.ids) * _RECORD_BYTES
            case LogPatch():
                laid += len(write.ids)
                read += len(write.ids) * (dimension * 4 + _RECORD_BYTES)
            case LogDeleteWhere():
                tested += rows + laid
                sweeps += 1
        if number and (read > _READ_AHEAD_BYTES or (sweeps > 1 and tested > _TESTED_ROWS)):
            return number
    return len(writes)


def _gathered(
    dataset: Dataset, snapshot: Snapshot | None, writes: Sequence[tuple[int, LogUpsert | LogDelete]]
) -> Applied:
    """A run that depends on nothing: all of it is located at once, and only what the run deletes is counted."""
    overlay = Overlay()
    counted: list[tuple[int, LogUpsert | LogDelete, int, list[str]]] = []
    for sequence, write in writes:
        if isinstance(write, LogUpsert):
            overlay.put(sequence, write)
        ids = ids_removed(write)
        if not ids:
            continue
        rows = [(name, overlay.row_of(name)) for name in ids]
        laid = sum(row is not None and row >= 0 for _, row in rows)
        counted.append((sequence, write, laid, [name for name, row in rows if row is None]))
        overlay.remove(sequence, ids)
    change = overlay.change()
    hashes = id_index.hash_ids(change.upserts.ids if change.upserts else (), dataset.hash_key)
    deleted_hashes = id_index.hash_ids(change.deleted, dataset.hash_key)
    replaced, removed = _locate(snapshot, hashes), _locate(snapshot, deleted_hashes)
    before: set[str] = set()
    if counted:
        before |= {name for name, live in zip(change.deleted, removed.live.tolist(), strict=True) if live}
        ids_put = change.upserts.ids if change.upserts else ()
        before |= {name for name, live in zip(ids_put, replaced.live.tolist(), strict=True) if live}
    outcomes = {}
    for sequence, write, laid, doubtful in counted:
        outcomes[sequence] = outcome_of_removal(write, laid + sum(name in before for name in doubtful))
    return Applied(len(writes), change, hashes, replaced, deleted_hashes, removed, outcomes)


def _resolved(resolver: Resolver, count: int) -> Applied:
    change = resolver.overlay.change()
    put = resolver.places_of(change.upserts.ids if change.upserts else ())
    deleted = resolver.places_of(change.deleted)
    return Applied(
        count=count,
        change=change,
        hashes=resolver.hashes[put],
        replaced=located_at(resolver.located, put),
        deleted_hashes=resolver.hashes[deleted],
        removed=located_at(resolver.located, deleted),
        outcomes=resolver.outcomes,
        swept=tuple(resolver.swept),
    )


def _failed(dataset: Dataset, snapshot: Snapshot | None, sequence: int, reason: str) -> Applied:
    """One write that builds on what cannot be held, or cannot be read."""
    nothing = _resolved(Resolver(dataset, snapshot, ()), 1)
    return replace(nothing, failed={sequence: reason})


def _locate(snapshot: Snapshot | None, hashes: NDArray[np.uint64]) -> Located:
    return snapshot.locate(hashes) if snapshot else id_index.find([], hashes)
