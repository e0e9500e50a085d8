"""Bodies of this dialect, for the OpenAPI document. Requests are not parsed with them: see `bodies`."""

from typing import Any, Literal

from shoal.http.native.types import Body, shown_as
from shoal.model.openverse import Action

type Model = Literal["audio", "image", "model_3d"]


class TaskIn(Body):
    """What is to be done; which other fields there have to be depends on the action."""

    model_config = shown_as(
        {"model": "image", "action": "REINDEX", "index_suffix": "20231106"},
        {
            "model": "image",
            "action": "CREATE_AND_POPULATE_FILTERED_INDEX",
            "destination_index_suffix": "20231106",
        },
        {"model": "image", "action": "POINT_ALIAS", "index_suffix": "20231106", "alias": "image-filtered"},
        {"model": "image", "action": "DELETE_INDEX", "index_suffix": "20231106"},
    )

    model: Model
    action: Action
    index_suffix: str | None = None
    alias: str | None = None
    force_delete: bool = False
    since_date: str | None = None
    origin_index_suffix: str | None = None
    destination_index_suffix: str | None = None
    callback_url: Any = None


class TaskAccepted(Body):
    """A task that was accepted, and where its status is."""

    message: Literal["Successfully scheduled task", "Successfully completed task"]
    task_id: str
    status_check: str


class TaskStatus(Body):
    """How far a task is. `detail` and `removed_by_term` (records that hold each sensitive term) are ours."""

    task_id: str
    active: bool
    model: Model
    action: Action
    progress: float
    start_timestamp: float
    start_time: str
    finish_timestamp: float
    finish_time: str | None
    active_workers: bool
    error: bool
    is_bad_request: bool
    detail: str | None = None
    removed_by_term: dict[str, int] | None = None


class NameStat(Body):
    """What a name stands for. `alt_names`: of an alias its index, of an index its aliases."""

    exists: bool
    is_alias: bool | None
    alt_names: str | list[str] | None


class ServerHealth(Body):
    """The service answers; `dependencies` are those that do not."""

    status: Literal["200 OK", "503 Service Unavailable"]
    dependencies: dict[str, list[str]] | None = None
