"""Beginning to derive a dataset, or to do it again from a newer version of its source.

A new one is there from the first moment, so that its name is taken, but it is not to be seen before it is whole
(`services.name_items`). Of one that is there already, one run at a time makes the next version, which replaces the
one before it at once.
"""

import logging

from shoal.errors import Conflict, NotFound, ShoalError, StorageBusy, TransactionCancelled, TryAgain
from shoal.model.datasets import Dataset
from shoal.model.derivations import Condition, Derivation, Lineage, check_condition
from shoal.model.ids import new_dataset_id, new_derivation_id, transaction_token
from shoal.services.datasets import creation, name_taken, resolve
from shoal.services.derived.ending import cancel_derivation, reconcile_derivations, start_workflow
from shoal.services.derived.items import (
    KEPT_SECONDS,
    derivation_item,
    find_derivation,
    keys_of_derivation,
    lineage_item,
)
from shoal.services.derived.lookup import get_derivation, lineage_of, list_derivations
from shoal.services.descriptors import describe_dataset
from shoal.services.heads import keys_of, new_head_item, read_head
from shoal.services.name_items import built_by
from shoal.services.pipeline.items import pointer_item
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import (
    Absent,
    AllOf,
    Assign,
    CheckItem,
    Compare,
    Exists,
    Item,
    Ports,
    PutItem,
    UpdateItem,
    Write,
)

__all__ = [
    "cancel_derivation",
    "get_derivation",
    "lineage_of",
    "list_derivations",
    "reconcile_derivations",
    "source_named",
    "start_derivation",
    "start_rebuild",
]

_log = logging.getLogger(__name__)
_TRIES = 12
"""The source's HEAD is written by its commits all the time, and a transaction that meets one is refused."""
_TO_BE_SEEN = AllOf((Compare("state", "=", "live"), Absent("building")))


def source_named(ports: Ports, tenant_id: str, *, scope: str, name: str) -> Dataset:
    """The dataset behind a name, or behind an alias, to derive another one from.

    Raises:
        Conflict: `source_unfinished`: it is being built itself.
        NotFound: `dataset_not_found`.
    """
    entry = retry_busy(lambda: ports.table.get(TenantKeys(tenant_id).name(scope, name)))
    run_id = built_by(entry)
    if run_id is not None:
        raise _unfinished(name, run_id)
    return resolve(ports, tenant_id, scope=scope, name=name)


def start_derivation(
    ports: Ports,
    tenant_id: str,
    *,
    source: Dataset,
    scope: str,
    name: str,
    condition: Condition,
    follow: bool = False,
    vector_quota: int | None,
    run_id: str | None = None,
) -> Derivation:
    """Begin to make a dataset of what a condition leaves of another one.

    It cannot be seen before the run is completed, and nothing is left of it where the run fails or is cancelled.

    Args:
        ports: where the source is.
        tenant_id: the owner of both.
        source: what it is made of, in the version that has all that is in its log by now.
        scope: of the new dataset's name.
        name: of the new dataset, as its scope allows.
        condition: which records are in it.
        follow: whether it is kept in step with the source from then on; it takes no other writes.
        vector_quota: rows that the tenant may hold; None for no limit.
        run_id: the id of the run, for a caller that may ask twice: the run that began under it is the answer.

    Raises:
        Conflict: `dataset_exists`; `source_unfinished`: the source is being built itself.
        InvalidInput: the condition is none.
        NotFound: `dataset_not_found`: the source has been deleted.
        TryAgain: nothing was begun.
    """
    check_condition(condition)
    now = ports.clock()
    run_id = run_id or new_derivation_id(now)
    earlier = _begun(ports, tenant_id, run_id)
    if earlier is not None:
        return earlier
    made = Dataset(
        tenant_id=tenant_id,
        dataset_id=new_dataset_id(),
        scope=scope,
        name=name,
        dimension=source.dimension,
        metric=source.metric,
        created_at=now,
        hash_key=source.hash_key,  # ids are found by hashes under it, in runs that both share
        target_recall=source.target_recall,
        binding=source.binding,
        follows=follow,
    )
    run = _run(made, source.dataset_id, source.name, source.scope, run_id, vector_quota, now, first=True)
    keys = keys_of(made)
    lineage = Lineage(
        source_id=source.dataset_id,
        source_name=source.name,
        source_scope=source.scope,
        condition=condition,
        follow=follow,
        last_run=run_id,
        running=run_id,
        vector_quota=vector_quota,
    )
    writes: list[Write] = [
        *creation(made, new_head_item(keys), building=run_id),
        *_run_writes(run),
        PutItem(lineage_item(keys.derivation, lineage)),
        CheckItem(keys_of(source).head, _TO_BE_SEEN),
    ]
    try:
        _transact(ports, writes, run_id, made.dataset_id)
    except TransactionCancelled as lost:
        earlier = _begun(ports, tenant_id, run_id)  # by an attempt whose answer was lost, or at the same time
        if earlier is not None:
            return earlier
        if lost.failed[0]:
            raise name_taken(name, lost.items[0]) from lost
        raise _no_source(source.name, lost.items[-1]) from lost
    describe_dataset(ports, keys)
    _set_going(ports, run)
    return run


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
    run = _run(
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
        CheckItem(keys.head, _TO_BE_SEEN),
        CheckItem(source.head, Compare("state", "=", "live")),
        *_run_writes(run),
    ]
    try:
        _transact(ports, writes, run_id, dataset.dataset_id)
    except TransactionCancelled as lost:
        if lost.failed[0]:
            raise _running(str((lost.items[0] or {}).get("running", ""))) from lost
        if lost.failed[1]:
            raise NotFound("dataset_not_found", "dataset not found") from lost
        raise _source_deleted(lineage.source_name) from lost
    _set_going(ports, run)
    return run


def _run(
    dataset: Dataset,
    source_id: str,
    source_name: str,
    source_scope: str,
    run_id: str,
    vector_quota: int | None,
    now: float,
    *,
    first: bool,
) -> Derivation:
    return Derivation(
        run_id=run_id,
        tenant_id=dataset.tenant_id,
        dataset_id=dataset.dataset_id,
        name=dataset.name,
        scope=dataset.scope,
        source_id=source_id,
        source_name=source_name,
        source_scope=source_scope,
        created_at=now,
        follow=dataset.follows,
        first=first,
        vector_quota=vector_quota,
    )


def _run_writes(run: Derivation) -> list[Write]:
    expires_at = int(run.created_at) + KEPT_SECONDS
    pointer = pointer_item(keys_of_derivation(run), expires_at=expires_at)
    return [
        PutItem(derivation_item(run), condition=Absent("pk")),
        PutItem(pointer, condition=Absent("pk")),
    ]


def _transact(ports: Ports, writes: list[Write], run_id: str, dataset_id: str) -> None:
    token = transaction_token("derive", run_id, dataset_id)
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token), attempts=_TRIES)
    except StorageBusy as busy:
        if find_derivation(ports, run_id) is None:  # else only the answer was lost
            raise TryAgain("storage is busy; send the request again") from busy


def _begun(ports: Ports, tenant_id: str, run_id: str) -> Derivation | None:
    """The run that has begun under an id, seen to be going."""
    run = find_derivation(ports, run_id)
    if run is None or run.tenant_id != tenant_id:
        return None
    if not run.status.terminal:
        _set_going(ports, run)
    return run


def _set_going(ports: Ports, run: Derivation) -> None:
    """Start the workflow. The run has begun whatever becomes of that: the sweep starts what was not."""
    try:
        start_workflow(ports, run)
    except ShoalError:
        _log.warning("left to the sweep", extra={"run_id": run.run_id})
    _log.info(
        "deriving",
        extra={"run_id": run.run_id, "dataset_id": run.dataset_id, "source_id": run.source_id},
    )


def _no_source(name: str, head: Item | None) -> ShoalError:
    if head is not None and head.get("state") == "live" and head.get("building"):
        return _unfinished(name, str(head["building"]))
    return NotFound("dataset_not_found", "dataset not found", {"dataset": name})


def _unfinished(name: str, run_id: str) -> Conflict:
    return Conflict(
        "source_unfinished",
        f"{name} is being built itself; derive from it once {run_id} is completed",
        {"building": run_id},
    )


def _running(run_id: str) -> Conflict:
    return Conflict(
        "derivation_running",
        "the dataset is being derived; wait for the run to end, or cancel it",
        {"derivation_id": run_id},
        retry_after=10,
    )


def _source_deleted(name: str) -> NotFound:
    return NotFound("source_deleted", f"{name}, from which the dataset is derived, has been deleted")
