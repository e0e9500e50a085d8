"""How tasks end that cannot be done: what they began is cleared away, so that the same can be asked again."""

import logging
from collections.abc import Mapping
from typing import Any

from shoal.errors import NotFound, ShoalError
from shoal.model.derivations import Derivation, DerivationStatus
from shoal.model.openverse import Callback, OpenverseTask
from shoal.services.derived.starting import cancel_derivation
from shoal.services.imports.ending import fail
from shoal.services.imports.lookup import read_import
from shoal.services.imports.workflow import workflow_of
from shoal.services.openverse.deriving import complete
from shoal.services.openverse.pulls import Pull
from shoal.services.openverse.tasks import change_task, finish_task, read_task
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)
_CLEARED = "the task that pulled it has failed"


def give_up(ports: Ports, task: OpenverseTask, detail: str) -> OpenverseTask:
    """Fail a task, with nothing left of what it began; one that has ended stays as it is.

    One whose index turns out to be there is completed instead.

    Raises:
        TryAgain, StorageBusy: not all of it is cleared away, and the task still runs.
    """
    _end_imports(ports, task)
    run = _ended_derivation(ports, task)
    if run is not None and run.status is DerivationStatus.COMPLETED:
        return complete(ports, task, run)
    _log.info("task failed", extra={"task_id": task.task_id, "reason": detail})
    return finish_task(ports, task, failed=True, detail=detail, work={})


def _end_imports(ports: Ports, task: OpenverseTask) -> None:
    """End the imports that have not ended. What was imported whole stays."""
    for keys in Pull.of(task).imports(task.tenant_id):
        job = read_import(ports, keys)
        if job is not None and fail(ports, job, _CLEARED):
            try:
                workflow_of(ports, job).stop(job.import_id, cause=_CLEARED)
            except ShoalError:  # its steps find out by themselves
                _log.info("left to its steps", extra={"import_id": job.import_id})


def _ended_derivation(ports: Ports, task: OpenverseTask) -> Derivation | None:
    """The derivation of a task once it has ended; None where it was never begun."""
    if task.run_id is None:
        return None
    try:
        return cancel_derivation(ports, task.tenant_id, task.run_id)
    except NotFound:
        return None


def handle_failure(ports: Ports, event: Mapping[str, Any]) -> dict[str, str]:
    """What the workflow does when a state has failed for good: see that the task ends, and say why it did.

    `stopped`: it had ended already, or is not there; `error`: an operator must look at it.
    """
    task = read_task(ports, str(event["tenant_id"]), str(event["task_id"]))
    if task is None or task.settled:
        return {"outcome": "stopped"}
    name = str((event.get("error") or {}).get("Error", "unknown"))
    _log.error("task failed", extra={"task_id": task.task_id, "error": name})
    end_without_workflow(ports, task, f"internal error ({name})")
    return {"outcome": "error"}


def end_without_workflow(ports: Ports, task: OpenverseTask, reason: str) -> None:
    """End what is left of a task on which nobody works any more: itself, or the call that tells of it.

    Raises:
        TryAgain, StorageBusy: it is as it was.
    """
    if not task.status.terminal:
        give_up(ports, task, f"{reason}; send the task again")
    elif task.callback is Callback.PENDING:
        # Somebody else may be about to say the same.
        change_task(ports, task, callback=Callback.FAILED, detail=and_of_callback(task, reason))


def and_of_callback(task: OpenverseTask, what: str) -> str:
    """What there is to know of a task, and of the call that was to tell of it."""
    told = f"the callback was not delivered: {what}"
    return f"{task.detail}; {told}" if task.detail else told
