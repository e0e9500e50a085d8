"""Step `commit`: the compaction becomes current, with all that was written meanwhile on top of it."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from shoal.errors import RunStopped, ShoalError, StorageBusy
from shoal.model.ids import new_token
from shoal.model.import_work import Product
from shoal.services.compaction.deciding import look_again
from shoal.services.compaction.ending import complete
from shoal.services.compaction.publish import inputs_of, publish_compaction
from shoal.services.compaction.records import Planned
from shoal.services.compaction.workspace import CompactionRun
from shoal.services.descriptors import describe_dataset
from shoal.services.heads import read_head, swap_head
from shoal.services.leases import Lease, acquire, ask_for, kept, release
from shoal.services.parts import PartReader
from shoal.services.pipeline.run import Step
from shoal.services.publish_import import check_product
from shoal.services.settle import settle
from shoal.services.snapshot import cell_set_part, open_snapshot, run_part
from shoal.services.wake import wake_indexer

_log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.05
_ASK_AHEAD_SECONDS = 1.0
_CACHE_BYTES = 1000 * 1000 * 1000
"""Runs of the id index, read before the lease is taken and used under it."""


def commit_with(patience_seconds: float) -> Step[CompactionRun]:
    """The step, for a process that waits so long for whoever holds the dataset's lease."""

    def commit(work: CompactionRun, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
        """Swap the product in.

        Raises:
            RunStopped: an input is gone, or the lease.
            StorageBusy: others committed all the time; another attempt may be luckier.
        """
        product = _product(work)
        reader = PartReader(work.ports.objects, cache_bytes=_CACHE_BYTES)
        check_product(work.ports, reader, work.dataset, product)
        work.enter("committing")
        _read_ahead(work, reader, product)
        _swap_in(work, reader, product, patience_seconds)
        complete(work.ports, work.job)
        _tell_others(work, reader)
        return {}

    return commit


commit = commit_with(_PATIENCE_SECONDS)


def _product(work: CompactionRun) -> Product:
    if work.needed("planned", Planned).layout == "nothing":
        return Product(rows=0)
    return work.needed("product", Product)


def _read_ahead(work: CompactionRun, reader: PartReader, product: Product) -> None:
    """Have in memory what the commit resolves with: the lease is then held for what is new by then only."""
    head = read_head(work.ports, work.dataset_keys)
    snapshot = open_snapshot(reader, work.dataset, head) if head is not None else None
    if snapshot is None:
        raise RunStopped("the dataset is gone")
    inputs_of(snapshot, work.job, work.snapshot().manifest)
    for run in (*snapshot.manifest.runs, *((product.run,) if product.run else ())):
        reader.load(run_part(run))
    if product.cell_set is not None:
        reader.load(cell_set_part(work.dataset, product.cell_set))
    snapshot.dead()


def _swap_in(work: CompactionRun, reader: PartReader, product: Product, patience_seconds: float) -> None:
    """Hold the commit lease until the product is current."""
    ports, keys = work.ports, work.dataset_keys
    give_up_at = time.monotonic() + patience_seconds
    asked_until = 0.0
    while True:
        lease = acquire(ports, keys, owner=new_token(), for_build=True)
        if lease is not None:
            try:
                with kept(ports, keys, lease):
                    done = _catch_up(work, reader, product, lease)
            finally:
                release(ports, keys, lease)
                # Whoever found the lease taken has left their write to us.
                wake_indexer(ports, keys)
            if done:
                return
        else:
            current = read_head(ports, keys)
            if current is None or not current.live or current.build_owner != work.run_id:
                raise RunStopped("the compaction has lost its lease")
            if ports.clock() > asked_until - _ASK_AHEAD_SECONDS:
                asked_until = ask_for(ports, keys)
        if time.monotonic() > give_up_at:
            raise StorageBusy("the compaction waits for its commit")
        time.sleep(_POLL_SECONDS)


def _catch_up(work: CompactionRun, reader: PartReader, product: Product, lease: Lease) -> bool:
    """Whether the product was swapped in; False when the swap was lost and another try may succeed.

    Raises:
        RunStopped: an input is gone, or the build lease is not ours. Then the inputs may be there again with other
            rows of them dead, as a restore leaves them, so that what was made of them is of no use.
    """
    head = read_head(work.ports, work.dataset_keys)
    if head is None or not head.live or head.build_owner != work.run_id:
        raise RunStopped("the compaction has lost its lease")
    snapshot = open_snapshot(reader, work.dataset, head)
    if snapshot is None:
        raise RunStopped("the dataset is empty")
    inputs = inputs_of(snapshot, work.job, work.snapshot().manifest)
    swap = publish_compaction(work.ports, snapshot, head, work.job, product, inputs)
    if not swap_head(work.ports, work.dataset_keys, read=head, fence=lease.fence, swap=swap):
        return False
    _log.info(
        "compacted",
        extra={
            "dataset_id": work.dataset.dataset_id,
            "run_id": work.run_id,
            "version": swap.manifest.version,
            "rows": product.rows,
            "row_count": swap.manifest.row_count,
            "cell_sets": len(swap.manifest.cell_sets),
            "flat_rows": swap.manifest.flat_rows,
        },
    )
    return True


def _tell_others(work: CompactionRun, reader: PartReader) -> None:
    """What a commit is followed by; the sweep and the next commit make up for it."""
    try:
        describe_dataset(work.ports, work.dataset_keys)
        settle(work.ports, work.dataset_keys)
        look_again(work.ports, work.dataset, reader)
    except ShoalError as error:
        _log.warning("left for later", extra={"run_id": work.run_id, "reason": str(error)})
