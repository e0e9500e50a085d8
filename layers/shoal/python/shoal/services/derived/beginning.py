"""What begins a run, of a new dataset or of one made anew: its items in one transaction, then its workflow."""

import logging

from shoal.errors import ShoalError, StorageBusy, TryAgain
from shoal.model.datasets import Dataset
from shoal.model.derivations import Derivation
from shoal.model.ids import transaction_token
from shoal.services.derived.ending import start_workflow
from shoal.services.derived.items import KEPT_SECONDS, derivation_item, find_derivation, keys_of_derivation
from shoal.services.pipeline.items import pointer_item
from shoal.services.retry import retry_busy
from shoal.storage.ports import Absent, AllOf, Compare, Ports, PutItem, Write

_log = logging.getLogger(__name__)
_TRIES = 12
"""The source's HEAD is written by its commits all the time, and a transaction that meets one is refused."""
TO_BE_SEEN = AllOf((Compare("state", "=", "live"), Absent("building")))
"""Condition on HEAD: the dataset is live, and whole."""


def run_of(
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
    """A new run that makes a dataset of the source that is named."""
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


def run_writes(run: Derivation) -> list[Write]:
    """What puts a new run there."""
    expires_at = int(run.created_at) + KEPT_SECONDS
    pointer = pointer_item(keys_of_derivation(run), expires_at=expires_at)
    return [
        PutItem(derivation_item(run), condition=Absent("pk")),
        PutItem(pointer, condition=Absent("pk")),
    ]


def transact(ports: Ports, writes: list[Write], run_id: str, dataset_id: str) -> None:
    """Begin a run of a dataset.

    Raises:
        TransactionCancelled: a condition is false.
        TryAgain: storage is busy, and nothing was begun.
    """
    token = transaction_token("derive", run_id, dataset_id)
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token), attempts=_TRIES)
    except StorageBusy as busy:
        if find_derivation(ports, run_id) is None:  # else only the answer was lost
            raise TryAgain("storage is busy; send the request again") from busy


def begun(ports: Ports, tenant_id: str, run_id: str) -> Derivation | None:
    """The run that has begun under an id, seen to be going."""
    run = find_derivation(ports, run_id)
    if run is None or run.tenant_id != tenant_id:
        return None
    if not run.status.terminal:
        set_going(ports, run)
    return run


def set_going(ports: Ports, run: Derivation) -> None:
    """Start the workflow. The run has begun whatever becomes of that: the sweep starts what was not."""
    try:
        start_workflow(ports, run)
    except ShoalError:
        _log.warning("left to the sweep", extra={"run_id": run.run_id})
    _log.info(
        "deriving",
        extra={"run_id": run.run_id, "dataset_id": run.dataset_id, "source_id": run.source_id},
    )
