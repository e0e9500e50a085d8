"""Step `publish`: what was found is put together, and the version enters the log of the derived dataset.

It enters as a restore does: where its place in the log is applied, the dataset becomes that version, whole. It
enters once: the run says in the same transaction that it has, so that a repeated attempt does not undo what was
written to the dataset in between.
"""

from collections.abc import Mapping
from typing import Any

from shoal.errors import LimitReached, NotFound, RunStopped
from shoal.index.log_restore import LogRestore, encode_restore
from shoal.index.shard_masks import ShardMasks, joined
from shoal.model.datasets import Dataset
from shoal.model.derivations import Entered, Masked, MaskPlan, Taken, TakenVersion, most_frequent
from shoal.model.jobs import JobKind
from shoal.services.append import Accepted, Entry, Requirement, append
from shoal.services.derived.ending import RUNNING
from shoal.services.derived.items import find_derivation, keys_of_derivation
from shoal.services.derived.known import known_masks, masks_part
from shoal.services.derived.run import DerivationRun, open_version
from shoal.services.derived.taking import take
from shoal.services.heads import keys_of, read_head
from shoal.services.paging import every_item
from shoal.services.parallel import in_parallel
from shoal.services.parts import PartReader
from shoal.services.places import parse_job
from shoal.services.sequence import leap
from shoal.storage.keys import sequence_sk
from shoal.storage.ports import Absent, AllOf, Assign, Ports, UpdateItem

_NAME = "derived"
"""What stands for a snapshot's name in the log."""
_LAST_SK = sequence_sk(16**16 - 1)


def publish(work: DerivationRun, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
    """Have the version enter the log, unless it has.

    Raises:
        RunStopped: the run has ended, or it cannot succeed.
        TryAgain: nothing has changed.
    """
    work.enter("publishing")
    taken = work.recorded("taken", Taken)
    if taken is None:
        taken = work.record("taken", _take(work))[0]
    terms = work.condition.terms or ()
    told = most_frequent({terms[number]: count for number, count in taken.by_term})
    work.update(
        Assign("rows_removed", taken.rows_removed),
        Assign("removed_by_term", [list(pair) for pair in told]),
        Assign("strategy", taken.strategy),
    )
    if work.recorded("entered", Entered) is None:
        work.record("entered", Entered(sequence=_enter(work, taken)))
    return {}


def _take(work: DerivationRun) -> Taken:
    reader = work.reader()
    snapshot = open_version(reader, work.dataset, work.needed("source", TakenVersion))
    masks = None if work.condition.everything else _found(work, reader)
    head = read_head(work.ports, work.keys)
    if head is None or not head.live:
        raise RunStopped("the dataset has been deleted")
    return take(work.ports, snapshot, masks, work.dataset, version=head.version + 1)


def _found(work: DerivationRun, reader: PartReader) -> ShardMasks:
    """What is known of shards from before, and what was found in this run."""
    planned = work.needed("plan", MaskPlan)
    names = [f"mask-{number:06d}" for number in range(planned.pieces)]
    pieces = in_parallel(lambda name: work.needed(name, Masked), names)
    found: list[ShardMasks] = reader.load_all([masks_part(piece.masks) for piece in pieces])
    known = None if planned.known is None else known_masks(reader, planned.known)
    return joined([*found, *((known,) if known is not None else ())])


def _enter(work: DerivationRun, taken: Taken) -> int:
    """Where in the log it is."""
    run = find_derivation(work.ports, work.run_id)
    if run is None or run.status.terminal:
        raise RunStopped("the run has ended")
    if run.entered:
        return _place_of(work, taken)
    key = keys_of_derivation(work.job).item
    once = UpdateItem(key, (Assign("entered", True),), condition=AllOf((RUNNING, Absent("entered"))))
    also = Requirement(once, RunStopped("the run has ended, or another attempt has entered its version"))
    try:
        return enter_log(
            work.ports, work.dataset, taken, requires=(also,), vector_quota=work.job.vector_quota
        ).sequence
    except NotFound:
        raise RunStopped("the dataset has been deleted") from None
    except LimitReached as over:
        if over.code == "vector_quota_exceeded":
            work.refuse(over.message)
        raise
    except RunStopped:
        again = find_derivation(work.ports, work.run_id)
        if again is None or again.status.terminal:
            raise
        return _place_of(work, taken)


def enter_log(
    ports: Ports,
    dataset: Dataset,
    taken: Taken,
    *,
    requires: tuple[Requirement, ...],
    vector_quota: int | None,
) -> Accepted:
    """Put a version into the log of a derived dataset, which it then becomes.

    Raises:
        LimitReached: `vector_quota_exceeded`, or `backlog_full`.
        NotFound: the dataset has been deleted.
        ShoalError: something in `requires` is not so: the error that goes with it.
        TryAgain: nothing has changed.
    """
    keys = keys_of(dataset)
    head = read_head(ports, keys)
    if head is None or not head.live:
        raise NotFound("dataset_not_found", "dataset not found")
    # Rows of the source's log bring its sequences along: what is written here after them has to be newer.
    leap(ports, keys, up_to=taken.watermark)
    more = max(0, taken.row_count - head.row_count) if vector_quota is not None else 0
    entry = Entry(
        JobKind.RESTORE,
        encode_restore(LogRestore(taken.root, taken.root_sha256, _NAME)),
        taken.row_count,
        more,
        vector_quota,
        requires=requires,
        # Named here too, so that whoever looks for what is needed sees it without reading the log's data.
        attributes={"manifest": taken.root, "manifest_sha256": taken.root_sha256},
    )
    return append(ports, dataset, entry)


def _place_of(work: DerivationRun, taken: Taken) -> int:
    """The place that names the root, which an attempt has taken that died before it could say where."""
    after = sequence_sk(taken.watermark + 1)
    for item in every_item(work.ports, work.keys.partition, start=after, stop=_LAST_SK):
        if item.get("manifest") == taken.root:
            return parse_job(item).sequence
    raise RunStopped("the place of the version is gone")
