"""Restoring: a place in the log that names a version. Where it is applied, the dataset goes back to that, whole.

So a restore has its order among the writes: those before it are undone, those after it come on top of it. Nothing
is copied, and it is undone like anything else: by restoring a snapshot that was made before it.
"""

from shoal.errors import Conflict, NotFound
from shoal.index.log_restore import LogRestore, encode_restore
from shoal.model.datasets import Dataset, check_takes_writes
from shoal.model.jobs import JobKind
from shoal.model.snapshots import check_restorable
from shoal.services.append import Accepted, Entry, Requirement, append
from shoal.services.heads import keys_of, read_head
from shoal.services.sequence import leap
from shoal.services.snapshots import get_snapshot, snapshot_not_found, still
from shoal.storage.ports import CheckItem, Ports


def restore(
    ports: Ports, dataset: Dataset, name: str, *, source: Dataset | None = None, vector_quota: int | None
) -> Accepted:
    """Accept that a dataset goes back to a snapshot.

    From then on the restore does not depend on the snapshot any more: its place names the same version, and keeps
    it until it is applied. It fails, visibly, while an import is open at its place.

    Args:
        ports: where the dataset is.
        dataset: what goes back.
        name: of the snapshot.
        source: whose snapshot it is: a clone of `dataset` or what it was cloned from; by default its own.
        vector_quota: rows that the tenant may hold; None for no limit.

    Raises:
        NotFound: `snapshot_not_found`, or `dataset_not_found`: deleted just now.
        InvalidInput: `dimension_mismatch`, `metric_mismatch`.
        Conflict: `not_related`, `import_open` or `dataset_follows`.
        LimitReached: `vector_quota_exceeded`, or `backlog_full` while the indexer is behind.
        TryAgain: nothing was accepted.
    """
    check_takes_writes(dataset)
    owner = source or dataset
    check_restorable(dataset, owner)
    named = get_snapshot(ports, owner, name)
    keys = keys_of(dataset)
    head = read_head(ports, keys)
    if head is None or not head.live:
        raise NotFound("dataset_not_found", "dataset not found")
    if head.open_imports:
        raise Conflict(
            "import_open",
            "an import of the dataset is under way; wait for it to end or cancel it, then restore",
            {"open_imports": head.open_imports},
        )
    # Rows of another log bring its sequences along: what is written here after them has to be newer.
    leap(ports, keys, up_to=named.watermark)
    more = max(0, named.row_count - head.row_count) if vector_quota is not None else 0
    entry = Entry(
        JobKind.RESTORE,
        encode_restore(LogRestore(named.manifest, named.manifest_sha256, named.name)),
        named.row_count,
        more,
        vector_quota,
        requires=(Requirement(CheckItem(keys_of(owner).snapshot(name), still(named)), snapshot_not_found()),),
        # Named here too, so that whoever looks for what is needed sees it without reading the log's data.
        attributes={"manifest": named.manifest, "manifest_sha256": named.manifest_sha256},
    )
    return append(ports, dataset, entry)
