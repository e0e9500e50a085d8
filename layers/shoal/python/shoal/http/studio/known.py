"""A request that is sent again: its task is there already."""

from shoal.errors import NotFound
from shoal.http.context import Context
from shoal.model.tasks import Task, TaskKind
from shoal.services.tasks import lookup


def known_task(context: Context, kind: TaskKind, task_id: str | None) -> Task | None:
    """The task of that id, before anything else is looked at: what it was for may be gone meanwhile."""
    if task_id is None:
        return None
    try:
        return lookup.get_task(context.ports, context.principal.tenant_id, (kind,), task_id)
    except NotFound:
        return None
