"""Step `settle`: what all chunks come to: line numbers, rejects, error mode, quota, duplicates, layout."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shoal.errors import ImportRejected, ImportStopped, TransactionCancelled
from shoal.model.datasets import Head
from shoal.model.ids import transaction_token
from shoal.model.import_work import ChunkRecord, Plan, Settled
from shoal.model.imports import ImportFormat, ImportStatus, too_many_cell_sets
from shoal.model.last_of_each import last_of_each
from shoal.model.limits import (
    MAX_CELL_SETS,
    MAX_IMPORT_ROWS,
    ONE_SHARD_BYTES,
    ONE_SHARD_COLUMN_BYTES,
    ONE_SHARD_ROWS,
)
from shoal.model.manifests import PartRef
from shoal.services.heads import read_head
from shoal.services.imports.chunks import chunk_records
from shoal.services.imports.items import dataset_keys_of
from shoal.services.imports.rejects_file import store_rejects
from shoal.services.imports.workspace import Step, Workspace
from shoal.services.parallel import in_parallel
from shoal.services.quotas import reservation, vectors_used
from shoal.services.retry import retry_busy
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import Absent, AllOf, Assign, Compare, Item, UpdateItem, Write

type Layout = Literal["nothing", "shard", "cells"]

_REASONS_SHOWN = 20


def settle_with(one_shard_bytes: int) -> Step:
    """The step, for datasets that stay one shard up to so many bytes of vectors."""

    def settle(work: Workspace, item: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG001 - no map's item
        """Add the chunks up and decide whether, and how, they are going to be indexed.

        Raises:
            ImportRejected: too many bad records, too many records at all, none, or over the quota.
            ImportStopped: the import has ended.
        """
        settled = work.recorded("settled", Settled)
        if settled is None:
            work.enter("settling")
            settled = _settle(work, one_shard_bytes)
        work.update(Assign("status", ImportStatus.INDEXING.value))
        return {"layout": settled.layout}

    return settle


settle = settle_with(ONE_SHARD_BYTES)


def _settle(work: Workspace, one_shard_bytes: int) -> Settled:
    records = chunk_records(work, work.needed("plan", Plan).chunks)
    totals = _totals(records)
    first_bad = store_rejects(work, records)
    work.update(*totals, Assign("has_rejects", first_bad is not None))
    accepted = sum(record.accepted for record in records)
    rejected = sum(record.rejected for record in records)
    if work.job.too_many_rejected(rejected):
        raise ImportRejected(_why_too_many(work, rejected, first_bad))
    if not accepted and not rejected and work.job.format.uploaded and not work.fresh().skipped:
        raise ImportRejected("the file holds no records")
    if accepted > MAX_IMPORT_ROWS:
        raise ImportRejected(_why_too_large(accepted, work.job.format))
    _charge(work, accepted)
    kept, rows = _last_of_each_id(work, records)
    head = _live_head(work)
    layout = layout_of(
        rows=rows,
        dimension=work.dataset.dimension,
        flat_rows=head.flat_rows,
        open_imports=head.open_imports,
        column_bytes=sum(record.columns.size for record in records if record.columns),
        one_shard_bytes=one_shard_bytes,
    )
    if layout == "cells" and head.cell_sets >= MAX_CELL_SETS:
        raise ImportRejected(f"{too_many_cell_sets(head.cell_sets)}: nothing was indexed")
    made = Settled(layout=layout, rows=rows, accepted=accepted, rejected=rejected, kept=kept)
    return work.record("settled", made)[0]


def _totals(records: Sequence[ChunkRecord]) -> list[Assign]:
    reasons: Counter[str] = Counter()
    for record in records:
        reasons.update(record.reasons)
    return [
        Assign("records_processed", sum(record.processed for record in records)),
        Assign("records_accepted", sum(record.accepted for record in records)),
        Assign("records_rejected", sum(record.rejected for record in records)),
        Assign("reasons", [list(entry) for entry in reasons.most_common(_REASONS_SHOWN)]),
    ]


def _why_too_large(accepted: int, file_format: ImportFormat) -> str:
    if file_format is ImportFormat.REINDEX:
        return f"the objects have {accepted} parts together, and a reindex takes {MAX_IMPORT_ROWS}"
    if file_format is ImportFormat.CONTENT:
        return f"the filter selects {accepted} documents, and an index takes {MAX_IMPORT_ROWS}; select fewer"
    return f"the file holds {accepted} records, and an import takes {MAX_IMPORT_ROWS}; split the file"


def _why_too_many(work: Workspace, rejected: int, first_bad: str | None) -> str:
    """In words. Chunks are validated side by side, so in `abort` mode others may have stopped before their own
    first bad record: the one named is the lowest that was seen.
    """
    if work.job.format is ImportFormat.REINDEX:
        reason = (first_bad or "").partition(": ")[2]  # objects have no lines
        return (
            f"{rejected} objects could not be embedded, and {work.job.max_bad_records} may fail: nothing was "
            f"indexed (one failed for: {reason})"
        )
    if work.job.max_bad_records is None or work.job.error_mode.value == "abort":
        return (
            f"a bad record (the first one seen is {first_bad}), and error_mode is abort: nothing was indexed"
        )
    return (
        f"{rejected} bad records, and max_bad_records is {work.job.max_bad_records}: nothing was indexed "
        f"(the first one seen is {first_bad})"
    )


def layout_of(
    *, rows: int, dimension: int, flat_rows: int, open_imports: int, column_bytes: int, one_shard_bytes: int
) -> Layout:
    """How the rows are going to be stored.

    A dataset of few vectors stays one shard, so long as one function can hold its ids and metadata too. Imports
    that are open at the same time do not see each other's rows, so each counts as many as it brings itself.

    Args:
        rows: how many there are.
        dimension: of their vectors.
        flat_rows: rows outside of cells that the dataset has already.
        open_imports: how many are under way, this one among them.
        column_bytes: of all columns of the import.
        one_shard_bytes: of vectors, up to which a dataset stays one shard.
    """
    if not rows:
        return "nothing"
    small = (
        rows * max(open_imports, 1) + flat_rows
    ) * dimension * 4 <= one_shard_bytes and rows <= ONE_SHARD_ROWS
    return "shard" if small and column_bytes <= ONE_SHARD_COLUMN_BYTES else "cells"


def _live_head(work: Workspace) -> Head:
    head = read_head(work.ports, dataset_keys_of(work.job))
    if head is None or not head.live:
        raise ImportStopped("the dataset has been deleted")
    return head


def _charge(work: Workspace, accepted: int) -> None:
    """Reserve the accepted records in the tenant's quota, once.

    Raises:
        ImportRejected: they do not fit.
        ImportStopped: the import has ended, or its dataset is gone.
    """
    quota = work.job.vector_quota
    if quota is None or not accepted or work.fresh().reserved:
        return
    if accepted > quota:
        used = retry_busy(lambda: work.ports.table.get(TenantKeys(work.job.tenant_id).quota))
        raise _over_quota(quota, accepted, used)
    writes: list[Write] = [
        UpdateItem(
            work.keys.item,
            (Assign("reserved", accepted),),
            condition=AllOf((Absent("reserved"), Compare("status", "=", ImportStatus.VALIDATING.value))),
        ),
        *reservation(dataset_keys_of(work.job), rows=accepted, quota=quota),
    ]
    token = transaction_token("settle import", work.job.import_id)
    try:
        retry_busy(lambda: work.ports.table.transact(writes, token=token), attempts=10)
    except TransactionCancelled as lost:
        if lost.failed[0]:
            if not work.fresh().reserved:
                raise ImportStopped("the import has ended") from lost
            return  # another attempt was faster
        if lost.failed[2]:
            raise ImportStopped("the dataset has been deleted") from lost
        raise _over_quota(quota, accepted, lost.items[1]) from lost


def _over_quota(quota: int, accepted: int, counter: Item | None) -> ImportRejected:
    used = vectors_used(counter)
    return ImportRejected(
        f"vector_quota_exceeded: {accepted} records do not fit into the tenant's quota of {quota} vectors, "
        f"of which {used} are used (records of ids that exist count until they are indexed); nothing was indexed"
    )


def _last_of_each_id(
    work: Workspace, records: Sequence[ChunkRecord]
) -> tuple[dict[str, PartRef | None], int]:
    """For each chunk the rows that count, None where all do; and how many count in all.

    A document counts only if the dataset holds no later version of it.
    """
    full = [record for record in records if record.accepted]
    if not full:
        return {}, 0
    loaded = in_parallel(lambda record: _hashes(work, record), full)
    last = last_of_each(np.concatenate(loaded))
    if work.job.format is ImportFormat.DOCUMENTS:
        # Imported here: no other format reads what the dataset holds.
        from shoal.services.imports.documents import outdated_rows

        last &= ~outdated_rows(work, full, loaded, last)
    kept: dict[str, PartRef | None] = {}
    start = 0
    for record in full:
        mine = last[start : start + record.accepted]
        start += record.accepted
        kept[str(record.number)] = None
        if not mine.all():
            positions = np.flatnonzero(mine).astype("<u4")
            kept[str(record.number)] = work.put(f"kept-{record.number:06d}", positions.tobytes())
    return kept, int(last.sum())


def _hashes(work: Workspace, record: ChunkRecord) -> NDArray[np.uint64]:
    if record.hashes is None:
        raise AssertionError("a chunk with accepted records has hashes")
    found = np.frombuffer(work.read(record.hashes), dtype="<u8").astype(np.uint64, copy=False)
    return found.reshape(record.accepted, 2)
