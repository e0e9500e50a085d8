"""Tasks: asked for, listed and looked at."""

from datetime import UTC, datetime
from typing import Any

from shoal.http.context import Context
from shoal.http.openverse.bodies import task_body
from shoal.http.openverse.errors import Fault
from shoal.http.request import Request
from shoal.http.response import Response, json_response
from shoal.model.openverse import Action, OpenverseTask, TaskState
from shoal.services.openverse.accept import accept
from shoal.services.openverse.tasks import list_tasks, read_task

_BAD_REQUEST = "Failed during task execution due to bad request. Check scheduler logs."
_FAILED = "Failed to schedule task due to an internal server error. Check scheduler logs."
_DONE = "Successfully completed task"
_SCHEDULED = "Successfully scheduled task"


def create(context: Context) -> Response:
    """Accept a task. What can be done at once is done by the answer."""
    principal = context.principal
    body = task_body(context)
    task = accept(context.ports, principal.tenant_id, body, vector_quota=principal.vector_quota)
    if task.status is TaskState.FAILED:
        status, message = (400, _BAD_REQUEST) if task.is_bad_request else (500, _FAILED)
        told = {"message": message, "detail": task.detail} if task.detail else {"message": message}
        return json_response(status, told)
    return json_response(
        202,
        {
            "message": _DONE if task.status is TaskState.COMPLETED else _SCHEDULED,
            "task_id": task.task_id,
            "status_check": f"{origin_of(context.request)}/task/{task.task_id}",
        },
    )


def list_all(context: Context) -> Response:
    """List the newest tasks: those that are under way, and then as they finished."""
    found = list_tasks(context.ports, context.principal.tenant_id)
    oldest_first = sorted(found, key=lambda task: task.created_at)
    return json_response(200, [status_of(task) for task in sorted(oldest_first, key=_finished_at)])


def get(context: Context) -> Response:
    """Show how far a task is."""
    task_id = context.parameters["task_id"]
    task = read_task(context.ports, context.principal.tenant_id, task_id)
    if task is None:
        raise Fault(404, {"message": f"No task found with id {task_id}."})
    return json_response(200, status_of(task))


def status_of(task: OpenverseTask) -> dict[str, Any]:
    """A task as the original shows it; `detail` and `removed_by_term` are ours."""
    running = task.status is TaskState.RUNNING
    shown = {
        "task_id": task.task_id,
        "active": running,
        "model": task.model,
        "action": task.action.value,
        "progress": task.progress,
        "start_timestamp": task.created_at,
        "start_time": _time(task.created_at),
        "finish_timestamp": _finished_at(task),
        "finish_time": None if task.finished_at is None else _time(task.finished_at),
        "active_workers": running,
        "error": task.status is TaskState.FAILED,
        "is_bad_request": task.is_bad_request,
    }
    if task.detail is not None:
        shown["detail"] = task.detail
    if task.action is Action.CREATE_AND_POPULATE_FILTERED_INDEX and task.status is TaskState.COMPLETED:
        shown["removed_by_term"] = dict(task.removed_by_term)
    return shown


def origin_of(request: Request) -> str:
    """Where the service is, as whoever asks knows it: scheme and host."""
    scheme = request.headers.get("x-forwarded-proto", "https").partition(",")[0].strip().lower()
    return f"{scheme if scheme in ('http', 'https') else 'https'}://{request.headers.get('host', '')}"


def _finished_at(task: OpenverseTask) -> float:
    return task.finished_at or 0.0


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
