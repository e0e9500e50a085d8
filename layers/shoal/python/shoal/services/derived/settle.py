"""Step `settle`: the version is waited for, and where much is left out of it, until what is left is written anew.

It looks, and says what is next; the waiting in between is the workflow's.
"""

import logging
from collections.abc import Mapping
from typing import Any, Literal

from shoal.errors import NotFound, RunStopped
from shoal.model.derivations import Entered, RewriteAsked, Taken, is_hollow
from shoal.services.derived.run import DerivationRun, Step
from shoal.services.heads import read_head
from shoal.services.places import parse_job
from shoal.services.retry import retry_busy
from shoal.services.snapshot import open_snapshot
from shoal.services.swept import row_total
from shoal.services.waiting import Pause, wait_until
from shoal.services.wake import ask_to_compact, wake_indexer
from shoal.storage.ports import Assign

_log = logging.getLogger(__name__)
LOOK_AGAIN_SECONDS = 5
_ASK_AGAIN_SECONDS = 180.0
"""The message may be lost, or whoever got it may have died."""
_GIVE_UP_SECONDS = 3600.0
"""What is left out only costs time: a version that is not written anew by then is taken as it is."""

type Next = Literal["wait", "finish"]


def settle_with(*, seconds: float, pause: Pause) -> Step:
    """The step, for a process that waits so long itself before it has the workflow wait."""

    def settle(work: DerivationRun, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
        """What is next: ``{"next", "seconds"}``.

        Raises:
            RunStopped: the run has ended, or its version cannot be applied.
        """
        sequence = work.needed("entered", Entered).sequence
        try:
            head = wait_until(work.ports, work.keys, sequence=sequence, seconds=seconds, pause=pause)
        except NotFound:
            raise RunStopped("the dataset has been deleted") from None
        if head is None:
            wake_indexer(work.ports, work.keys)
            return _next("wait")
        _check_applied(work, sequence)
        taken = work.needed("taken", Taken)
        return _next("finish" if taken.strategy == "mask" or _written_anew(work) else "wait")

    return settle


def _next(what: Next) -> dict[str, Any]:
    return {"next": what, "seconds": LOOK_AGAIN_SECONDS}


def _check_applied(work: DerivationRun, sequence: int) -> None:
    """See that the place of the version has become the dataset, and was not passed over."""
    item = retry_busy(lambda: work.ports.table.get(work.keys.job(sequence)))
    failed = parse_job(item).error if item else None
    if failed is not None:
        work.refuse(f"the version could not be taken: {failed}")


def _written_anew(work: DerivationRun) -> bool:
    """Whether enough of the dataset's rows are alive; a compaction is asked for where they are not."""
    head = read_head(work.ports, work.keys)
    snapshot = open_snapshot(work.reader(), work.dataset, head) if head is not None else None
    if head is None or snapshot is None:
        return True
    rows, dead = sum(shard.rows for shard in snapshot.all_shards()), row_total(snapshot.dead())
    if not is_hollow(rows=rows, dead=dead, row_bytes=work.dataset.dimension * 4):
        return True
    now = work.ports.clock()
    first, _ = work.record("rewrite", RewriteAsked(at=now))
    if now - first.at > _GIVE_UP_SECONDS:
        _log.warning("not written anew", extra={"run_id": work.run_id, "rows": rows, "dead": dead})
        work.update(Assign("strategy", "mask"))
        return True
    run = work.update(Assign("stage", "rewriting"))
    at_work = head.build_owner is not None and head.build_until > now
    if not at_work and (run.asked_at is None or now - run.asked_at > _ASK_AGAIN_SECONDS):
        ask_to_compact(work.ports, work.keys)
        work.update(Assign("asked_at", now))
    return False
