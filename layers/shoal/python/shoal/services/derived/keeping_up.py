"""Derived datasets that follow their source: its newest version is taken again and again.

A commit of the source brings few shards that were not looked at before, so that most versions are taken at once,
without a workflow. What the dataset remembers moves on in the transaction in which the version enters its log: of
several that take versions at the same time one does, and none goes back to an older one.
"""

import logging
from dataclasses import replace

from shoal.errors import Conflict, LimitReached, NotFound
from shoal.index.shard_masks import joined
from shoal.model.datasets import Dataset, Head
from shoal.model.derivations import Lineage, Taken, TakenVersion
from shoal.services.append import Requirement
from shoal.services.derived.ending import look_after
from shoal.services.derived.finish import remembered
from shoal.services.derived.items import find_derivation, parse_lineage
from shoal.services.derived.known import known_masks
from shoal.services.derived.masking import masks_of, sieve_of
from shoal.services.derived.plan import unseen
from shoal.services.derived.publish import enter_log
from shoal.services.derived.rebuilding import start_rebuild
from shoal.services.derived.run import open_version
from shoal.services.derived.taking import take
from shoal.services.heads import keys_of, parse_head, parse_meta
from shoal.services.parts import PartReader
from shoal.services.retry import retry_busy
from shoal.services.tenants import quota_now
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Absent, AllOf, Assign, Compare, Exists, Ports, UpdateItem

_log = logging.getLogger(__name__)
AT_ONCE_ROWS = 50_000
"""Rows that are looked at without a workflow: to look for terms in so many takes a few seconds."""
AT_ONCE_BYTES = 64 * 1000 * 1000
"""Bytes of their records."""


def keep_up(
    ports: Ports,
    reader: PartReader,
    tenant_id: str,
    dataset_id: str,
    head: Head,
    *,
    at_once_rows: int = AT_ONCE_ROWS,
) -> bool:
    """Bring a dataset up to a version of its source; whether it will be there.

    Where it will not, a run is under way, or was begun, which wakes the followers when it is done; or the quota is
    used up, which the dataset's lineage says.

    Args:
        ports: where.
        reader: the cache of parts.
        tenant_id: whose dataset.
        dataset_id: the one that follows.
        head: HEAD of the source.
        at_once_rows: how many rows are looked at without a workflow.

    Raises:
        NotFound: `dataset_not_found`: it is gone.
        StorageError, TryAgain: nothing has changed.
    """
    keys = DatasetKeys(tenant_id, dataset_id)
    wanted = [keys.meta, keys.head, keys.derivation]
    found = {item["sk"]: item for item in retry_busy(lambda: ports.table.batch_get(wanted))}
    meta, own, told = (found.get(key.sk) for key in wanted)
    if meta is None or told is None or own is None or not parse_head(own).live:
        raise NotFound("dataset_not_found", "dataset not found")
    dataset, lineage = parse_meta(meta), parse_lineage(told)
    if lineage.running is not None:
        # One whose workflow has died is found out by looking at it, and the next wake-up finds it ended.
        run = find_derivation(ports, lineage.running)
        if run is not None:
            look_after(ports, run)
        return False
    if lineage.source_version is not None and lineage.source_version >= head.version:
        return True
    lineage = replace(lineage, vector_quota=quota_now(ports, tenant_id, lineage.vector_quota))
    taken = _taken(ports, reader, dataset, lineage, head, parse_head(own).version, at_once_rows)
    if taken is None:
        _start(ports, dataset, lineage)
        return False
    return _enter(ports, dataset, lineage, head.version, taken)


def _taken(
    ports: Ports,
    reader: PartReader,
    dataset: Dataset,
    lineage: Lineage,
    head: Head,
    version: int,
    at_once_rows: int,
) -> Taken | None:
    """The stored version; None where too much of it must be looked at."""
    source = TakenVersion(
        version=head.version,
        manifest=head.manifest,
        manifest_sha256=head.manifest_sha256,
        watermark=head.watermark,
        rows=head.row_count,
    )
    snapshot = open_version(reader, dataset, source)
    if lineage.condition.everything:
        return take(ports, snapshot, None, dataset, version=version + 1)
    known = known_masks(reader, lineage.masks) if lineage.masks is not None else None
    parts = unseen(snapshot, known)
    if sum(part.rows for part in parts) > at_once_rows or sum(part.size for part in parts) > AT_ONCE_BYTES:
        return None
    fresh = masks_of(snapshot, [part.source for part in parts], sieve_of(lineage.condition))
    masks = joined([fresh, *((known,) if known is not None else ())])
    return take(ports, snapshot, masks, dataset, version=version + 1)


def _start(ports: Ports, dataset: Dataset, lineage: Lineage) -> None:
    try:
        start_rebuild(ports, dataset.tenant_id, dataset=dataset, vector_quota=lineage.vector_quota)
    except Conflict:
        _log.info("a run is under way", extra={"dataset_id": dataset.dataset_id})


def _enter(ports: Ports, dataset: Dataset, lineage: Lineage, version: int, taken: Taken) -> bool:
    as_read = (
        Absent("source_version")
        if lineage.source_version is None
        else Compare("source_version", "=", lineage.source_version)
    )
    moved_on = UpdateItem(
        keys_of(dataset).derivation,
        remembered(ports.clock(), version, taken),
        condition=AllOf((as_read, Absent("running"))),
    )
    overtaken = Conflict("overtaken", "another version was taken meanwhile")
    try:
        enter_log(
            ports,
            dataset,
            taken,
            requires=(Requirement(moved_on, overtaken),),
            vector_quota=lineage.vector_quota,
        )
    except Conflict as lost:
        if lost is not overtaken:
            raise
        return False
    except LimitReached as over:
        _log.warning("a follower stays behind", extra={"dataset_id": dataset.dataset_id, "code": over.code})
        key, behind = keys_of(dataset).derivation, [Assign("error_message", over.message)]
        retry_busy(lambda: ports.table.update(key, behind, condition=Exists("pk")))
        return False
    return True
