"""Beginning to derive a dataset, or to do it again from a newer version of its source.

A new one is there from the first moment, so that its name is taken, but it is not to be seen before it is whole
(`services.name_items`). Of one that is there already, one run at a time makes the next version, which replaces the
one before it at once.

All that callers of this package need is named here; none of it takes the engine.
"""

from shoal.errors import Conflict, NotFound, ShoalError, TransactionCancelled
from shoal.model.datasets import Dataset
from shoal.model.derivations import Condition, Derivation, Lineage, check_condition
from shoal.model.ids import new_dataset_id, new_derivation_id
from shoal.services.datasets import creation, name_taken, resolve
from shoal.services.derived.beginning import TO_BE_SEEN, begun, run_of, run_writes, set_going, transact
from shoal.services.derived.ending import cancel_derivation, reconcile_derivations
from shoal.services.derived.items import lineage_item
from shoal.services.derived.lookup import get_derivation, lineage_of, list_derivations
from shoal.services.derived.rebuilding import start_rebuild
from shoal.services.descriptors import describe_dataset
from shoal.services.heads import keys_of, new_head_item
from shoal.services.name_items import built_by
from shoal.services.retry import retry_busy
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import CheckItem, Item, Ports, PutItem, Write

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
    earlier = begun(ports, tenant_id, run_id)
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
    run = run_of(made, source.dataset_id, source.name, source.scope, run_id, vector_quota, now, first=True)
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
        *run_writes(run),
        PutItem(lineage_item(keys.derivation, lineage)),
        CheckItem(keys_of(source).head, TO_BE_SEEN),
    ]
    try:
        transact(ports, writes, run_id, made.dataset_id)
    except TransactionCancelled as lost:
        earlier = begun(ports, tenant_id, run_id)  # by an attempt whose answer was lost, or at the same time
        if earlier is not None:
            return earlier
        if lost.failed[0]:
            raise name_taken(name, lost.items[0]) from lost
        raise _no_source(source.name, lost.items[-1]) from lost
    describe_dataset(ports, keys)
    set_going(ports, run)
    return run


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
