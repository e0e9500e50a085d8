"""How runs that derive a dataset end without it: cancelled, failed, or found dead.

A dataset that was not whole yet goes with its first run, in the same transaction, and its name is free again. One
that was there before stays as it was.
"""

import logging
from collections.abc import Mapping
from typing import Any

from shoal.errors import ConditionFailed, Conflict, NotFound, RunStopped, ShoalError, TransactionCancelled
from shoal.model.derivations import Derivation, DerivationStatus
from shoal.model.ids import new_token, transaction_token
from shoal.services.append import Requirement
from shoal.services.datasets import delete_dataset
from shoal.services.derived.items import (
    dataset_keys_of,
    find_derivation,
    keys_of_derivation,
    parse_derivation,
)
from shoal.services.heads import read_head
from shoal.services.listed import look_after_listed
from shoal.services.retry import retry_busy
from shoal.services.sequence import or_try_again
from shoal.storage.keys import DERIVATIONS
from shoal.storage.ports import (
    Absent,
    Action,
    AllOf,
    Assign,
    Compare,
    Condition,
    Drop,
    Key,
    Ports,
    UpdateItem,
    Write,
)

_log = logging.getLogger(__name__)
_ENDED = ("FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED")
_STARTED_SECONDS = 60.0
"""A run without a workflow for so long never got one: who began it died."""
_BUDGET_SECONDS = 10.0
RUNNING = Compare("status", "=", DerivationStatus.RUNNING.value)
_CANCELLED = "cancelled on request"


def ended(ports: Ports, status: DerivationStatus, message: str | None = None) -> tuple[Action, ...]:
    """What becomes of a run's item when it ends."""
    return (
        Assign("status", status.value),
        Assign("completed_at", ports.clock()),
        Assign("error_message", message),
        Drop("gsi1pk"),
        Drop("gsi1sk"),
    )


def start_workflow(ports: Ports, run: Derivation) -> None:
    """Start the workflow of a run; nothing happens where it has one.

    Raises:
        StorageBusy: throttled or unavailable.
    """
    retry_busy(lambda: ports.derivations.start(run.run_id, {"run_id": run.run_id}))


def cancel_derivation(ports: Ports, tenant_id: str, run_id: str) -> Derivation:
    """End a run that is not wanted any more; one that has ended stays as it is.

    Raises:
        Conflict: `derivation_ending`: what it made is in the log of the dataset by now, and is about to be seen.
        NotFound: `derivation_not_found`.
        TryAgain: nothing was done.
    """
    try:
        run = find_derivation(ports, run_id)
    except ValueError:
        run = None
    if run is None or run.tenant_id != tenant_id:
        raise NotFound("derivation_not_found", "derivation not found")
    if run.status.terminal:
        return run
    over = or_try_again(lambda: end(ports, run, DerivationStatus.CANCELLED, _CANCELLED, unless_entered=True))
    if over.status is DerivationStatus.RUNNING:
        raise Conflict(
            "derivation_ending",
            "the version is in the dataset's log already, and is about to be seen",
            {"derivation_id": run_id},
        )
    _stop(ports, over, "cancelled")
    return over


def end(
    ports: Ports, run: Derivation, status: DerivationStatus, message: str, *, unless_entered: bool = False
) -> Derivation:
    """End a run without its dataset, unless it has ended; the run as it is then.

    `unless_entered`: nor where its version is in the log of a dataset that was there before.
    """
    actions = ended(ports, status, message)
    if run.first:
        _end_with_dataset(ports, run, actions)
    else:
        _end_alone(ports, run, actions, AllOf((RUNNING, Absent("entered"))) if unless_entered else RUNNING)
    over = find_derivation(ports, run.run_id) or run
    if over.status is status:
        _log.info("derivation ended", extra={"run_id": run.run_id, "status": status.value, "reason": message})
    return over


def _end_with_dataset(ports: Ports, run: Derivation, actions: tuple[Action, ...]) -> None:
    item = keys_of_derivation(run).item
    also = Requirement(UpdateItem(item, actions, condition=RUNNING), RunStopped("the run has ended"))
    try:
        delete_dataset(
            ports, run.tenant_id, scope=run.scope, name=run.name, building=run.run_id, requires=[also]
        )
    except RunStopped:
        return
    except NotFound:
        # It can be seen by now, so that the run has ended; or it is gone, and the run is all that is left.
        _update(ports, item, actions, RUNNING)


def _end_alone(ports: Ports, run: Derivation, actions: tuple[Action, ...], condition: Condition) -> None:
    item = keys_of_derivation(run).item
    over = UpdateItem(item, actions, condition=condition)
    writes: list[Write] = [over, free(run)]
    try:
        retry_busy(lambda: ports.table.transact(writes, token=transaction_token("end", new_token())))
    except TransactionCancelled as lost:
        if not lost.failed[0]:  # the dataset is deleted, and nothing is remembered of it
            _update(ports, item, actions, condition)


def free(run: Derivation, *more: Action) -> UpdateItem:
    """What lets another run begin, with what the dataset remembers of this one."""
    key = dataset_keys_of(run).derivation
    return UpdateItem(key, (Drop("running"), *more), condition=Compare("running", "=", run.run_id))


def _update(ports: Ports, key: Key, actions: tuple[Action, ...], condition: Condition) -> None:
    try:
        retry_busy(lambda: ports.table.update(key, actions, condition=condition))
    except ConditionFailed:
        return


def _stop(ports: Ports, run: Derivation, cause: str) -> None:
    """Have no more of the workflow; its steps find out by themselves where that does not work."""
    try:
        ports.derivations.stop(run.run_id, cause=cause)
    except ShoalError:
        _log.info("left to its steps", extra={"run_id": run.run_id})


def handle_failure(ports: Ports, event: Mapping[str, Any]) -> dict[str, str]:
    """What the workflow does when a state has failed for good: see that the run ends, and say why it did.

    `stopped`: it had ended already, or its dataset is gone; `error`: an operator must look at it.
    """
    run = find_derivation(ports, str(event["run_id"]))
    if run is None or run.status.terminal:
        return {"outcome": "stopped"}
    head = read_head(ports, dataset_keys_of(run))
    if head is None or not head.live:
        end(ports, run, DerivationStatus.FAILED, "the dataset has been deleted")
        return {"outcome": "stopped"}
    name = str((event.get("error") or {}).get("Error", "unknown"))
    _log.error("derivation failed", extra={"run_id": run.run_id, "error": name})
    end(ports, run, DerivationStatus.FAILED, _internal(run, name))
    return {"outcome": "error"}


def _internal(run: Derivation, what: str) -> str:
    return f"internal error ({what}); {'derive it again' if run.first else 'start another rebuild'}"


def reconcile_derivations(ports: Ports) -> int:
    """Start the workflows that nobody has started, and end the runs whose workflow has died; how many.

    One that cannot be looked after is logged, and holds up none of the others.
    """
    return look_after_listed(
        ports, DERIVATIONS, lambda key: _reconcile(ports, key), budget_seconds=_BUDGET_SECONDS
    )


def _reconcile(ports: Ports, key: Key) -> bool:
    item = retry_busy(lambda: ports.table.get(key))  # the index lags behind
    if item is None or "gsi1pk" not in item:
        return False
    run = parse_derivation(item)
    head = read_head(ports, dataset_keys_of(run))
    if head is None or not head.live:
        end(ports, run, DerivationStatus.FAILED, "the dataset has been deleted")
        _stop(ports, run, "the dataset has been deleted")
        return True
    return look_after(ports, run) != run


def look_after(ports: Ports, run: Derivation) -> Derivation:
    """The run as it is; one whose workflow has died is failed, one that never got any gets it."""
    if run.status.terminal:
        return run
    status = retry_busy(lambda: ports.derivations.status(run.run_id))
    if status is None and ports.clock() - run.created_at > _STARTED_SECONDS:
        start_workflow(ports, run)
    if status not in _ENDED:
        return run
    current = find_derivation(ports, run.run_id) or run  # it may have ended between the two looks
    if current.status.terminal:
        return current
    return end(ports, current, DerivationStatus.FAILED, _internal(run, f"its workflow ended: {status}"))
