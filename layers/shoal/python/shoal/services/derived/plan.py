"""Step `plan`: which version of the source is taken, and which of its rows must be looked at for that."""

from collections.abc import Mapping
from typing import Any

from shoal.errors import NotFound, StorageBusy
from shoal.index.shard_masks import ShardMasks
from shoal.model.derivations import MaskItem, MaskPlan, TakenVersion
from shoal.model.reindex_work import RowPart, grouped
from shoal.services.applied import wait_for_log
from shoal.services.derived.items import source_keys_of
from shoal.services.derived.known import known_masks
from shoal.services.derived.run import DerivationRun, Step, open_version
from shoal.services.reindex.version import parts_of
from shoal.services.snapshot import Snapshot
from shoal.services.waiting import Pause
from shoal.storage.ports import Assign

PIECE_ROWS = 100_000
"""Rows that one call looks at: to look for terms in so many takes some seconds."""
PIECE_BYTES = 64 * 1000 * 1000
"""Bytes of their records; one call holds them several times over."""


def plan_with(
    *, seconds: float, pause: Pause, piece_rows: int = PIECE_ROWS, piece_bytes: int = PIECE_BYTES
) -> Step:
    """The step, for a process that waits so long for the log of the source."""

    def plan(work: DerivationRun, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
        """Take a version and deal out what must be looked at: ``{"items_key", "pieces"}``.

        Raises:
            RunStopped: the run has ended, or its source is gone.
            StorageBusy: what was written to the source before is not applied yet; another attempt waits on.
        """
        work.enter("planning")
        version = work.recorded("source", TakenVersion)
        if version is None:
            version = work.record("source", _newest(work, seconds, pause))[0]
        # From here on the run keeps the version, whatever becomes of the source.
        work.update(
            Assign("manifest", version.manifest),
            Assign("manifest_sha256", version.manifest_sha256),
            Assign("source_version", version.version),
            Assign("rows_total", version.rows),
        )
        planned = work.recorded("plan", MaskPlan)
        if planned is None:
            planned = work.record("plan", _plan(work, version, piece_rows, piece_bytes))[0]
        work.enter("masking", total=planned.rows)
        return {"items_key": planned.items_key, "pieces": planned.pieces}

    return plan


def _newest(work: DerivationRun, seconds: float, pause: Pause) -> TakenVersion:
    """A version in which all is that was in the source's log when the run came here."""
    try:
        head = wait_for_log(work.ports, source_keys_of(work.job), seconds=seconds, pause=pause)
    except NotFound:
        work.refuse(f"the source {work.job.source_name} has been deleted")
    if head is None:
        raise StorageBusy("the run waits for what was written to its source")
    return TakenVersion(
        version=head.version,
        manifest=head.manifest,
        manifest_sha256=head.manifest_sha256,
        watermark=head.watermark,
        rows=head.row_count,
    )


def _plan(work: DerivationRun, version: TakenVersion, piece_rows: int, piece_bytes: int) -> MaskPlan:
    reader = work.reader()
    snapshot = open_version(reader, work.dataset, version)
    known = None if work.lineage.masks is None else known_masks(reader, work.lineage.masks)
    parts = [] if work.condition.everything else unseen(snapshot, known, piece_rows, piece_bytes)
    groups = list(grouped(parts, piece_rows, most_bytes=piece_bytes))
    items = [
        MaskItem(
            number=number, rows=sum(part.rows for part in group), sources=tuple(part.source for part in group)
        )
        for number, group in enumerate(groups)
    ]
    return MaskPlan(
        pieces=len(items),
        rows=sum(item.rows for item in items),
        items_key=work.put_items("mask-items", items),
        known=work.lineage.masks if known is not None else None,
    )


def unseen(
    snapshot: Snapshot, known: ShardMasks | None, piece_rows: int = PIECE_ROWS, piece_bytes: int = PIECE_BYTES
) -> list[RowPart]:
    """The rows of a version in shards of which nothing is known yet, in pieces."""
    seen = known.shards if known is not None else frozenset()
    return [
        part
        for part in parts_of(snapshot, piece_rows, most_bytes=piece_bytes)
        if part.source.shard_id not in seen
    ]
