"""Making a derived dataset anew, of a newer version of its source."""

from shoal.errors import Conflict, NotFound, TransactionCancelled
from shoal.model.datasets import Dataset
from shoal.model.derivations import Derivation
from shoal.model.ids import new_derivation_id
from shoal.services.derived.beginning import TO_BE_SEEN, run_of, run_writes, set_going, transact
from shoal.services.derived.lookup import get_derivation, lineage_of
from shoal.services.heads import keys_of, read_head
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Absent, AllOf, Assign, CheckItem, Compare, Exists, Ports, UpdateItem, Write


def start_rebuild(ports: Ports, tenant_id: str, *, dataset: Dataset, vector_quota: int | None) -> Derivation:
    """Begin to make a derived dataset anew, of the version that its source has by now and by the same condition.

    Whatever was written to it since is replaced. Until then it stays as it is, and then it is the new version at
    once.

    Raises:
        Conflict: `not_derived`; `derivation_running`: another run is at it.
        NotFound: `source_deleted`; `dataset_not_found`: deleted just now.
        TryAgain: nothing was begun.
    """
    lineage = lineage_of(ports, dataset)
    if lineage is None:
        raise Conflict("not_derived", f"{dataset.name} is not derived from another dataset")
    if lineage.running is not None and not get_derivation(ports, tenant_id, lineage.running).status.terminal:
        raise _running(lineage.running)
    source = DatasetKeys(tenant_id, lineage.source_id)
    head = read_head(ports, source)
    if head is None or not head.live:
        raise _source_deleted(lineage.source_name)
    now = ports.clock()
    run_id, keys = new_derivation_id(now), keys_of(dataset)
    run = run_of(
        dataset,
        lineage.source_id,
        lineage.source_name,
        lineage.source_scope,
        run_id,
        vector_quota,
        now,
        first=False,
    )
    nobody_else = AllOf((Exists("pk"), Absent("running")))
    writes: list[Write] = [
        UpdateItem(
            keys.derivation,
            (
                Assign("running", run_id),
                Assign("last_run", run_id),
                Assign("vector_quota", vector_quota),
            ),
            condition=nobody_else,
        ),
        CheckItem(keys.head, TO_BE_SEEN),
        CheckItem(source.head, Compare("state", "=", "live")),
        *run_writes(run),
    ]
    try:
        transact(ports, writes, run_id, dataset.dataset_id)
    except TransactionCancelled as lost:
        if lost.failed[0]:
            raise _running(str((lost.items[0] or {}).get("running", ""))) from lost
        if lost.failed[1]:
            raise NotFound("dataset_not_found", "dataset not found") from lost
        raise _source_deleted(lineage.source_name) from lost
    set_going(ports, run)
    return run


def _running(run_id: str) -> Conflict:
    return Conflict(
        "derivation_running",
        "the dataset is being derived; wait for the run to end, or cancel it",
        {"derivation_id": run_id},
        retry_after=10,
    )


def _source_deleted(name: str) -> NotFound:
    return NotFound("source_deleted", f"{name}, from which the dataset is derived, has been deleted")
