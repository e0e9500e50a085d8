"""UPDATE_INDEX: the records of the tenant's dataset that changed since a moment are written to the index.

They are read of one version of the dataset, batch by batch. A batch enters the index's log in one transaction with
the place that comes after it, so that each is entered once, whoever dies.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from shoal.errors import Conflict, InvalidInput, NotFound, TryAgain
from shoal.index.records import Record
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.derivations import EVERYTHING as NOTHING_LEFT_OUT
from shoal.model.derivations import Condition, texts_at
from shoal.model.openverse import SCOPE, OpenverseTask
from shoal.model.openverse_times import parse_moment
from shoal.model.selection import EVERYTHING
from shoal.services.append import Requirement
from shoal.services.datasets import resolve
from shoal.services.derived.lookup import lineage_of
from shoal.services.derived.masking import sieve_of
from shoal.services.heads import keys_of, read_head
from shoal.services.matching import live_matching, sources_of
from shoal.services.openverse.batch import Batch
from shoal.services.openverse.steps import AGAIN, Next, wait_for_others
from shoal.services.openverse.tasks import change_task, change_write, finish_task
from shoal.services.openverse.updates import UPDATED_ON, Kind, Update
from shoal.services.parts import PartReader
from shoal.services.retry import retry_busy
from shoal.services.snapshot import Snapshot, manifest_part
from shoal.services.wake import wake_indexer
from shoal.services.winners import Shelf, Spot, spots_of
from shoal.services.write import upsert
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports, UpdateItem

_LOOKED_AT_ONCE = 1000
_COPIED_PERCENT = 95.0

type LeavesOut = Callable[[Mapping[str, Any]], bool]


def update(ports: Ports, reader: PartReader, task: OpenverseTask, *, budget_seconds: float) -> Next:
    """Do what is next of an update: have the dataset's log applied, copy some, have the index's log applied.

    Args:
        ports: where.
        reader: reads the dataset.
        task: one that runs.
        budget_seconds: after which no other batch is begun.

    Raises:
        RequestError: it cannot be done, or not now: why, in words for who asked.
        TryAgain, StorageBusy: the same step again.
    """
    since = parse_moment(task.request.get("since_date"))
    if since is None:
        raise InvalidInput("invalid_since_date", "since_date is not a timestamp")
    now = Update.of(task)
    source = _there(ports, task, NATIVE_SCOPE, task.model)
    index = _there(ports, task, SCOPE, task.index or "")
    if now.newest is None:
        begun = Update(source.dataset_id, index.dataset_id, newest=_newest(ports, keys_of(source)))
        change_task(ports, task, work=asdict(begun))
        return AGAIN
    for there, begun_with in ((source, now.source_id), (index, now.index_id)):
        if there.dataset_id != begun_with:
            raise Conflict("dataset_not_found", f"{there.name} was deleted and made anew meanwhile")
    if not now.taken:
        return _take_version(ports, task, now, now.newest, keys_of(source))
    if now.last is None:
        if (source.dimension, source.metric) != (index.dimension, index.metric):
            raise Conflict(
                "dimension_mismatch",
                f"{source.name} has dimension {source.dimension} and {source.metric} by now, and {index.name} "
                f"{index.dimension} and {index.metric}: REINDEX instead",
            )
        return _Copying(ports, reader, source, index, since).go_on(task, now, budget_seconds)
    keys = keys_of(index)
    head = read_head(ports, keys)
    if head is not None and head.watermark < now.last:
        wake_indexer(ports, keys)
        return wait_for_others(ports, task)
    finish_task(ports, task, detail="; ".join(filter(None, (task.detail, now.told))), work={})
    return AGAIN


def _there(ports: Ports, task: OpenverseTask, scope: str, name: str) -> Dataset:
    try:
        return resolve(ports, task.tenant_id, scope=scope, name=name)
    except NotFound as missing:
        what = "index" if scope == SCOPE else "dataset"
        raise NotFound("dataset_not_found", f"there is no {what} {name}") from missing


def _take_version(ports: Ports, task: OpenverseTask, now: Update, newest: int, keys: DatasetKeys) -> Next:
    """Take the version in which all is that was in the dataset's log when the task began."""
    head = read_head(ports, keys)
    if head is None or not head.live:
        raise NotFound("dataset_not_found", f"the dataset {task.model} has been deleted")
    if head.watermark < newest:
        wake_indexer(ports, keys)
        return wait_for_others(ports, task)
    taken = replace(now, taken=True, manifest=head.manifest, sha256=head.manifest_sha256)
    change_task(ports, task, work=asdict(taken))
    return AGAIN


def _newest(ports: Ports, keys: DatasetKeys) -> int:
    counter = retry_busy(lambda: ports.table.get(keys.sequence))
    return int(counter["next"]) if counter else 0


@dataclass(frozen=True, slots=True)
class _Copying:
    """From one version of `source` into `index`: what has changed since a moment (epoch seconds)."""

    ports: Ports
    reader: PartReader
    source: Dataset
    index: Dataset
    since: float

    def go_on(self, task: OpenverseTask, now: Update, seconds: float) -> Next:
        """Copy what there is time for."""
        deadline = self.ports.clock() + seconds
        if now.manifest is None or now.sha256 is None:
            return self._all_read(task, now)
        manifest = self.reader.load(manifest_part(now.manifest, now.sha256))
        snapshot = Snapshot(self.source, manifest, self.reader, now.manifest, now.sha256)
        leaves_out = self._leaves_out()
        batch = Batch()
        while True:
            now, more = self._fill(snapshot, now, batch, leaves_out, deadline)
            if batch.empty and not more:
                return self._all_read(task, now)
            progress = round(_COPIED_PERCENT * now.seen / manifest.row_count, 2)
            changed, write = change_write(task, work=asdict(now), progress=max(task.progress, progress))
            if not batch.empty:
                self._enter(task, batch, write)
                batch = Batch()
            elif change_task(self.ports, task, work=changed.work, progress=changed.progress) is None:
                return AGAIN
            task = changed
            if self.ports.clock() > deadline:
                return AGAIN

    def _fill(
        self, snapshot: Snapshot, now: Update, batch: Batch, leaves_out: LeavesOut, deadline: float
    ) -> tuple[Update, bool]:
        """Look at rows until a batch is full or the time is over: how far that is, and whether there are more."""
        counts: Counter[Kind] = Counter()
        source, row = now.source, now.row
        for found in _looked_at(snapshot, now.source, now.row):
            kinds = [self._kind(record, leaves_out) for _, record in found.rows]
            changed = [
                spot for (spot, _), kind in zip(found.rows, kinds, strict=True) if kind is Kind.CHANGED
            ]
            found.shelf.load(changed, include_values=True)
            source = found.source
            for row, ((spot, record), kind) in enumerate(
                zip(found.rows, kinds, strict=True), found.start + 1
            ):
                counts[kind] += 1
                if kind is Kind.CHANGED:
                    batch.add(record, found.shelf.values(spot), found.shelf.document(spot))
                elif kind is Kind.LEFT_OUT:
                    batch.leave_out(record.id)
                if batch.full:
                    return now.further(source, row, counts), True
            if self.ports.clock() > deadline:
                return now.further(source, row, counts), True
        return now.further(source, row, counts), False

    def _kind(self, record: Record, leaves_out: LeavesOut) -> Kind:
        metadata = orjson.loads(record.metadata)
        moment = parse_moment(metadata.get(UPDATED_ON))
        if moment is None:
            return Kind.UNDATED
        if moment < self.since:
            return Kind.UNCHANGED
        return Kind.LEFT_OUT if leaves_out(metadata) else Kind.CHANGED

    def _enter(self, task: OpenverseTask, batch: Batch, write: UpdateItem) -> None:
        """Have a batch written, with the place that comes after it.

        Raises:
            LimitReached: `backlog_full`, `vector_quota_exceeded`.
            NotFound: the index has been deleted.
            TryAgain: nothing was written.
        """
        upsert(
            self.ports,
            self.index,
            ids=batch.ids,
            vectors=batch.vectors(self.index.dimension),
            metadata=batch.metadata,
            namespaces=batch.namespaces,
            documents=batch.documents,
            removed=batch.removed,
            vector_quota=task.vector_quota,
            requires=(Requirement(write, TryAgain("the task has changed; look at it again")),),
        )

    def _all_read(self, task: OpenverseTask, now: Update) -> Next:
        last = _newest(self.ports, keys_of(self.index))
        change_task(self.ports, task, work=asdict(replace(now, last=last)))
        return AGAIN

    def _leaves_out(self) -> LeavesOut:
        """What the index leaves out, where it is a filtered one."""
        lineage = lineage_of(self.ports, self.index)
        return left_out_by(lineage.condition if lineage else NOTHING_LEFT_OUT)


def left_out_by(condition: Condition) -> LeavesOut:
    """Tells of a record's metadata whether a condition leaves the record out."""
    sieve = sieve_of(condition)

    def leaves_out(metadata: Mapping[str, Any]) -> bool:
        if not sieve.selection.matches(record_id="", namespace="", metadata=metadata):
            return True
        texts = (text for path in sieve.fields for text in texts_at(metadata, path))
        return sieve.matcher is not None and bool(sieve.matcher.found(texts))

    return leaves_out


@dataclass(frozen=True, slots=True)
class _Found:
    """Some live rows of a piece, from its live row `start` on, with what is needed to read more of them."""

    source: int
    start: int
    rows: list[tuple[Spot, Record]]
    shelf: Shelf


def _looked_at(snapshot: Snapshot, first: int, start: int) -> Iterator[_Found]:
    """The live rows of a version in its order, without their documents; from a row of the piece `first` on."""
    for number, source in enumerate(sources_of(snapshot)):
        if number < first:
            continue
        live = live_matching(snapshot, source, EVERYTHING).tolist()
        for begin in range(start if number == first else 0, len(live), _LOOKED_AT_ONCE):
            spots = spots_of(snapshot, [(source, row) for row in live[begin : begin + _LOOKED_AT_ONCE]])
            shelf = Shelf(snapshot.reader)
            shelf.load(spots, include_values=False)
            records = shelf.records(spots, documents=False)
            yield _Found(number, begin, list(zip(spots, records, strict=True)), shelf)
