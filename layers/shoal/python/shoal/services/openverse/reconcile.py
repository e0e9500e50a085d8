"""Tasks on which nobody works any more: their workflow was never started, or has died."""

from shoal.model.openverse import OpenverseTask
from shoal.services.listed import look_after_listed
from shoal.services.openverse.ending import end_without_workflow
from shoal.services.openverse.tasks import parse_task, read_task
from shoal.services.retry import retry_busy
from shoal.storage.keys import INGESTIONS
from shoal.storage.ports import Drop, Key, Ports

_GRACE_SECONDS = 60.0
"""Who accepts a task starts its workflow after storing it."""
_BUDGET_SECONDS = 10.0
_RUNNING = "RUNNING"


def reconcile_tasks(ports: Ports) -> int:
    """Start the workflows that nobody has started, and end the tasks whose workflow has died; how many.

    One that cannot be looked after is logged, and holds up none of the others.
    """
    return look_after_listed(
        ports, INGESTIONS, lambda key: _look_after(ports, key), budget_seconds=_BUDGET_SECONDS
    )


def start_workflow(ports: Ports, task: OpenverseTask) -> None:
    """Start the workflow of a task; nothing happens where it has one.

    Raises:
        StorageBusy: throttled or unavailable.
    """
    given = {"task_id": task.task_id, "tenant_id": task.tenant_id}
    retry_busy(lambda: ports.ingestions.start(task.task_id, given))


def _look_after(ports: Ports, key: Key) -> bool:
    item = retry_busy(lambda: ports.table.get(key))  # the index lags behind
    if item is None or "gsi1pk" not in item:
        return False
    task = parse_task(item)
    if task.settled:
        ports.table.update(key, [Drop("gsi1pk"), Drop("gsi1sk")])
        return False
    if ports.clock() < task.created_at + _GRACE_SECONDS:
        return False
    status = retry_busy(lambda: ports.ingestions.status(task.task_id))
    if status is None:
        start_workflow(ports, task)
        return True
    if status == _RUNNING:
        return False
    current = read_task(ports, task.tenant_id, task.task_id)  # it may have ended between the two looks
    if current is None or current.settled:
        return False
    end_without_workflow(ports, current, f"internal error: the workflow ended ({status})")
    return True
