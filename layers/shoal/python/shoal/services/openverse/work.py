"""One step of a task: what its workflow calls again and again until nothing is left to be done.

A step does what is next, for a few minutes at most, and remembers how far it came. It may die anywhere, be done
twice, or by two processes at once.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from shoal.errors import LimitReached, RequestError, RunStopped, TryAgain
from shoal.model.openverse import Action, OpenverseTask
from shoal.services.openverse.callback import call_back
from shoal.services.openverse.deriving import follow_derivation
from shoal.services.openverse.ending import give_up
from shoal.services.openverse.steps import AGAIN, Next, wait_for_others
from shoal.services.openverse.tasks import read_task
from shoal.services.openverse.upstream import pull
from shoal.storage.ports import Ports

if TYPE_CHECKING:  # what reads indexes
    from shoal.services.parts import PartReader

BACKLOG = "backlog_full"
"""The limit that passes by itself."""


def step(
    ports: Ports,
    reader: "Callable[[], PartReader]",
    *,
    tenant_id: str,
    task_id: str,
    budget_seconds: float,
) -> Next:
    """Do what is next of a task.

    Args:
        ports: where.
        reader: makes what reads datasets, for the tasks that do.
        tenant_id: whose task it is.
        task_id: which.
        budget_seconds: after which nothing that takes long is begun.

    Raises:
        RunStopped: there is no such task.
        StorageBusy: the same step again.
    """
    task = read_task(ports, tenant_id, task_id)
    if task is None:
        raise RunStopped("no such task")
    if task.status.terminal:
        return call_back(ports, task)
    try:
        return _next(ports, reader, task, budget_seconds)
    except TryAgain as busy:
        return wait_for_others(ports, task, least=busy.retry_after)
    except LimitReached as limit:
        if limit.code == BACKLOG:
            return wait_for_others(ports, task, least=limit.retry_after)
        give_up(ports, task, limit.message)
    except RequestError as error:
        give_up(ports, task, error.message)
    return AGAIN


def _next(
    ports: Ports, reader: "Callable[[], PartReader]", task: OpenverseTask, budget_seconds: float
) -> Next:
    match task.action:
        case Action.REINDEX | Action.CREATE_AND_POPULATE_FILTERED_INDEX:
            return follow_derivation(ports, task)
        case Action.UPDATE_INDEX:
            # The only tasks that read records: all others do without what it takes to.
            from shoal.services.openverse.update import update

            return update(ports, reader(), task, budget_seconds=budget_seconds)
        case Action.INGEST_UPSTREAM:
            return pull(ports, task, budget_seconds=budget_seconds)
        case Action.POINT_ALIAS | Action.PROMOTE | Action.DELETE_INDEX:
            # Done by who accepted it, who died before saying so: what was asked for may have happened or not.
            give_up(ports, task, "who was to do it died; send the task again")
            return AGAIN
