"""Resolving writes that depend on what is there: each becomes plain upserts and deletes that do the same.

What is there at one place of the log is the version that the commit builds on, less what the run has swept, under
what the run has laid over it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import orjson

from shoal.index import id_index
from shoal.index.id_index import Located
from shoal.index.log_codec import LogDelete, LogDeleteWhere, LogPatch, LogUpsert, LogWrite
from shoal.model.datasets import Dataset
from shoal.model.limits import MAX_METADATA_BYTES
from shoal.model.patches import MetadataTooLarge, patched
from shoal.model.writes import Outcome, WriteCondition
from shoal.services.base_records import read_records
from shoal.services.changes import Overlay, Standing, rows_that_die
from shoal.services.snapshot import DeadRows, Snapshot
from shoal.services.swept import Swept, rows_meant

READ_BYTES = 256 * 1000 * 1000
"""Of the records that one commit reads to build on; a single write that needs more cannot be applied."""


class Resolver:
    """One run of writes over one version (None: an empty one). It makes `overlay`, `swept` and `outcomes`."""

    def __init__(
        self, dataset: Dataset, snapshot: Snapshot | None, writes: Sequence[tuple[int, LogWrite]]
    ) -> None:
        self._snapshot = snapshot
        self._writes = writes
        named = (name for _, write in writes for name in _named(write))
        self._place = {name: place for place, name in enumerate(dict.fromkeys(named))}
        self.hashes = id_index.hash_ids(tuple(self._place), dataset.hash_key)
        self.located = snapshot.locate(self.hashes) if snapshot else id_index.find([], self.hashes)
        self._shard, self._row = self.located.shard.tolist(), self.located.row.tolist()
        self._base: dict[str, Standing] = {}
        self._gone: DeadRows = {}
        self.overlay = Overlay()
        self.swept: list[Swept] = []
        self.outcomes: dict[int, Outcome] = {}

    def places_of(self, ids: Sequence[str]) -> list[int]:
        """Where ids of these writes are in `hashes` and `located`."""
        return [self._place[name] for name in ids]

    def resolve(self) -> None:
        """Apply the writes, one by one.

        Raises:
            TooMuchToRead: what they build on is over `READ_BYTES`.
            CorruptObject: something stored is not what names it.
        """
        self._read()
        for sequence, write in self._writes:
            match write:
                case LogUpsert(condition=None):
                    self.overlay.put(sequence, write)
                    if write.removed:
                        self._remove(sequence, write)
                case LogUpsert():
                    self._upsert_some(sequence, write)
                case LogPatch():
                    self._patch(sequence, write)
                case LogDelete():
                    self._remove(sequence, write)
                case LogDeleteWhere():
                    self._sweep(sequence, write)

    # --- what is there

    def _read(self) -> None:
        """Bring in the records of the version that some of the writes build on, whole or without their vectors."""
        whole: dict[str, None] = {}
        metadata: dict[str, None] = {}
        for _, write in self._writes:
            if isinstance(write, LogPatch):
                whole |= dict.fromkeys(filter(self._in_base, write.ids))
            elif isinstance(write, LogUpsert) and write.condition and write.condition.kind != "if_absent":
                metadata |= dict.fromkeys(filter(self._in_base, write.ids))
        for names, values in ((metadata.keys() - whole.keys(), False), (whole.keys(), True)):
            if names and self._snapshot is not None:
                wanted = [(self._place[name], name) for name in names]
                self._base |= read_records(
                    self._snapshot, self.located, wanted, values=values, most_bytes=READ_BYTES
                )

    def _in_base(self, name: str) -> bool:
        """Whether the version has a record of that id, that nothing swept so far has taken."""
        place = self._place[name]
        row = self._row[place]
        return row >= 0 and row not in self._gone.get(self.located.shard_ids[self._shard[place]], ())

    def _exists(self, name: str) -> bool:
        row = self.overlay.row_of(name)
        return self._in_base(name) if row is None else row >= 0

    def _record(self, name: str) -> Standing | None:
        row = self.overlay.row_of(name)
        if row is None:
            return self._base.get(name) if self._in_base(name) else None
        return self.overlay.record(row) if row >= 0 else None

    # --- writes

    def _upsert_some(self, sequence: int, write: LogUpsert) -> None:
        """Store the records that the condition lets, each seeing those before it in the same write."""
        last: dict[str, int] = {}
        kept: list[int] = []
        for row, name in enumerate(write.ids):
            earlier = write.metadata[last[name]] if name in last else None
            if self._lets(write.condition, name, write.metadata[row], earlier):
                last[name] = row
                kept.append(row)
        self.outcomes[sequence] = Outcome(upserted=len(kept), skipped=len(write.ids) - len(kept))
        self.overlay.put(sequence, _some(write, kept))

    def _lets(self, condition: WriteCondition | None, name: str, new: bytes, earlier: bytes | None) -> bool:
        """Whether a condition lets new metadata in; `earlier` is what the same write has stored for the id."""
        if condition is None:
            return True
        if condition.kind == "if_absent":
            return earlier is None and not self._exists(name)
        record = self._record(name) if earlier is None else None
        stored = record.metadata if record else earlier
        return stored is None or condition.stores(orjson.loads(new), orjson.loads(stored))

    def _patch(self, sequence: int, write: LogPatch) -> None:
        """Merge the patches, each into what the ones before it left; the records become those of this write."""
        made: dict[str, Standing] = {}
        done = missing = 0
        reasons: list[str] = []
        for name, change in zip(write.ids, write.patches, strict=True):
            record = made.get(name) or self._record(name)
            if record is None:
                missing += 1
                continue
            try:
                made[name] = replace(record, metadata=patched(record.metadata, change))
            except MetadataTooLarge as error:
                reasons.append(
                    f"id {name}: metadata would have {error.size} bytes where at most {MAX_METADATA_BYTES} fit"
                )
            else:
                done += 1
        reason = reasons[0] if reasons else None
        self.outcomes[sequence] = Outcome(patched=done, missing=missing, skipped=len(reasons), reason=reason)
        if made:
            self.overlay.put(sequence, _block(made))

    def _remove(self, sequence: int, write: LogUpsert | LogDelete) -> None:
        """Delete the ids that a write names for it."""
        ids = ids_removed(write)
        self.outcomes[sequence] = outcome_of_removal(write, sum(map(self._exists, ids)))
        self.overlay.remove(sequence, ids)

    def _sweep(self, sequence: int, write: LogDeleteWhere) -> None:
        """Delete what a selection means: of what the run has laid over the version, then of the version itself."""
        matches: Callable[[str, int], bool] = self._test_of(write)
        laid = [name for name, row in self.overlay.standing() if matches(name, row)]
        swept = Swept(sequence, {})
        if self._snapshot is not None:
            # What the run has touched is no more as the version has it.
            touched = located_at(self.located, self.places_of(list(self.overlay.ids)))
            spared = (self._gone, rows_that_die(touched))
            swept = Swept(sequence, rows_meant(self._snapshot, write.selection, spared=spared))
        if swept.rows:
            self.swept.append(swept)
            for shard_id, rows in swept.rows.items():
                self._gone[shard_id] = self._gone[shard_id] | rows if shard_id in self._gone else rows
        self.outcomes[sequence] = Outcome(deleted=len(laid) + len(swept))
        self.overlay.remove(sequence, laid)

    def _test_of(self, write: LogDeleteWhere) -> Callable[[str, int], bool]:
        selection, overlay = write.selection, self.overlay

        def matches(name: str, row: int) -> bool:
            record = overlay.record(row)
            metadata = {} if selection.filter is None else orjson.loads(record.metadata)
            return selection.matches(record_id=name, namespace=record.namespace, metadata=metadata)

        return matches


def ids_removed(write: LogUpsert | LogDelete) -> Collection[str]:
    """The ids that a write deletes by name, each once."""
    return dict.fromkeys(write.ids) if isinstance(write, LogDelete) else write.removed


def outcome_of_removal(write: LogUpsert | LogDelete, deleted: int) -> Outcome:
    """What a write did that has deleted so many ids by name.

    Of what an upsert removes only what was there is told: it names all that might be.
    """
    if isinstance(write, LogUpsert):
        return Outcome(upserted=len(write.ids), deleted=deleted)
    return Outcome(deleted=deleted, missing=len(ids_removed(write)) - deleted)


def _named(write: LogWrite) -> Iterable[str]:
    """The ids that a write names."""
    match write:
        case LogUpsert():
            return chain(write.ids, write.removed)
        case LogDeleteWhere():
            return ()
        case LogDelete() | LogPatch():
            return write.ids


def located_at(located: Located, places: Sequence[int]) -> Located:
    """What was found at some of the places, in this order."""
    chosen = np.array(places, dtype=np.intp)
    return Located(
        found=located.found[chosen],
        shard=located.shard[chosen],
        row=located.row[chosen],
        sequence=located.sequence[chosen],
        shard_ids=located.shard_ids,
    )


def _some(write: LogUpsert, rows: list[int]) -> LogUpsert:
    """Some records of an upsert, unconditionally."""
    return LogUpsert(
        ids=tuple(write.ids[row] for row in rows),
        vectors=write.vectors[np.array(rows, dtype=np.intp)],
        metadata=tuple(write.metadata[row] for row in rows),
        namespaces=tuple(write.namespaces[row] for row in rows) if write.namespaces else (),
        documents=tuple(write.documents[row] for row in rows) if write.documents else (),
    )


def _block(made: dict[str, Standing]) -> LogUpsert:
    """Records as an upsert of them."""
    records = list(made.values())
    namespaces = tuple(record.namespace for record in records)
    documents = tuple(record.document for record in records)
    return LogUpsert(
        ids=tuple(made),
        vectors=np.stack([record.vector for record in records]),
        metadata=tuple(record.metadata for record in records),
        namespaces=namespaces if any(namespaces) else (),
        documents=documents if any(documents) else (),
    )
