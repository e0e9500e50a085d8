"""Tasks of the Openverse ingestion server, and what its indexes are called.

An index is a dataset of the scope `openverse`, named `{model}-{suffix}`; what it is made of is the tenant's own
dataset `{model}`, or another index.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCOPE = "openverse"
"""Scope of the indexes and of their aliases, so that the alias `image` and the dataset `image` do not clash."""
MEDIA_TYPES = ("audio", "image", "model_3d")
"""What `model` may be, in the order in which an error lists them."""
FILTERED = "-filtered"
"""What the names of filtered indexes, and of the aliases that stand for them, end in."""
TERM_FIELDS = ("title", "description", "tags[].name")
"""The metadata in which a filtered index looks for sensitive terms."""


class Action(StrEnum):
    """What a task does, in the order in which an error lists them."""

    REINDEX = "REINDEX"
    POINT_ALIAS = "POINT_ALIAS"
    INGEST_UPSTREAM = "INGEST_UPSTREAM"
    PROMOTE = "PROMOTE"
    UPDATE_INDEX = "UPDATE_INDEX"
    DELETE_INDEX = "DELETE_INDEX"
    CREATE_AND_POPULATE_FILTERED_INDEX = "CREATE_AND_POPULATE_FILTERED_INDEX"

    @property
    def quick(self) -> bool:
        """Whether it is done by the time its request is answered."""
        return self in (Action.POINT_ALIAS, Action.PROMOTE, Action.DELETE_INDEX)


class TaskState(StrEnum):
    """How far a task is. `completed` and `failed` are terminal."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether nothing of what was asked for will change any more; the callback may still be to come."""
        return self is not TaskState.RUNNING


class Callback(StrEnum):
    """What became of the call that tells of a completed task."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    """Nobody answered it, however often it was tried."""
    REFUSED = "refused"
    """It was not tried: the address is not one that the deployment calls."""


@dataclass(frozen=True, slots=True)
class OpenverseTask:
    """A task as stored. Times are epoch seconds, `progress` goes from 0 to 100.

    `index` is the full name of the index that it makes or works on. What it is made of is the dataset `source` of
    the scope `source_scope`; `run_id` is that of its derivation, given before it is begun, so that who finds the
    task half begun goes on with the same one. `request` are the fields of the request that the action knows,
    `work` is what the steps of a long action remember from one to the next. `callback` is None where nobody is to
    be called (yet). `vector_quota` are the rows that the tenant may hold, as of when the task came. `revision`
    counts the changes.
    """

    task_id: str
    tenant_id: str
    action: Action
    model: str
    created_at: float
    status: TaskState = TaskState.RUNNING
    progress: float = 0.0
    index: str | None = None
    source_scope: str | None = None
    source: str | None = None
    run_id: str | None = None
    request: dict[str, Any] = field(default_factory=dict)
    work: dict[str, Any] = field(default_factory=dict)
    callback_url: str | None = None
    callback: Callback | None = None
    callback_attempts: int = 0
    is_bad_request: bool = False
    detail: str | None = None
    removed_by_term: tuple[tuple[str, int], ...] = ()
    finished_at: float | None = None
    vector_quota: int | None = None
    revision: int = 0

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be done: it has ended, and who was to be called was."""
        return self.status.terminal and self.callback is not Callback.PENDING


def index_name(model: str, suffix: str) -> str:
    """The name of an index."""
    return f"{model}-{suffix}"


def filtered_name(model: str, suffix: str) -> str:
    """The name of a filtered index."""
    return f"{model}-{suffix}{FILTERED}"
