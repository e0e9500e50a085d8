"""Tasks: what is asked of collections, and done in the order in which it was asked.

A family of a tenant has one line of tasks. Whoever holds its lease does them one by one, so that the later of two
tasks on one object wins whatever becomes of either.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shoal.errors import InvalidInput
from shoal.model.bindings import Family

_TASK_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class TaskKind(StrEnum):
    """What a task does. Ids are unique within a kind of a tenant, whatever the family."""

    UPSERTION = "upsertion"
    DELETION = "deletion"
    INTERNAL_UPSERTION = "internal_upsertion"
    """As the first, of a named model's collection instead of the active one."""
    INTERNAL_DELETION = "internal_deletion"
    OBJECTS = "objects"
    """Objects written with their vectors, or deleted, by who waits for it: shown to nobody."""
    REINDEX = "reindex"
    """It has a workflow of its own, and no place in the line."""


class TaskStatus(StrEnum):
    """How far a task is, in the words of the contract."""

    PENDING = "pending"
    PROCESSING = "processing"
    DONE = "done"
    CANCELED = "canceled"
    FAILED = "failed"
    REFUSED = "refused"

    @property
    def terminal(self) -> bool:
        """Whether nothing will change any more, but by a restart."""
        return self not in (TaskStatus.PENDING, TaskStatus.PROCESSING)


class FailureStage(StrEnum):
    """Where an object failed, in the words of the contract."""

    DOWNLOADING = "on_downloading"
    INFERENCE = "on_inference"
    SPLITTING = "on_splitting"
    UPSERT = "on_upsert"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FailedObject:
    """An object that a task could not do. `payload` and `item_info` are there where there was room for them."""

    object_id: str
    detail: str
    stage: FailureStage
    payload: Any = None
    item_info: Any = None


@dataclass(frozen=True, slots=True)
class Task:
    """A task as stored. Times are epoch seconds.

    `model_id` is that of the collection it works on, `asked_as` what the request called it (an alias, for one).
    `place` is its place in the line of the family. `body_key` and `body_sha256` name the object with what is to be
    done. `processed` of `total` objects are done, `failed` of them as failures, listed in the object `failed_key`
    with `failed_sha256`; `truncated` had too much text. `written` is, for each dataset by id, how many batches are
    in its log, `sequences` the last place of them there. A task whose batches are all written is done once they
    are applied. `attempt` counts its restarts, `revision` every change of it. `vector_quota` are the
    rows that the tenant may hold, as of when the task came. `settings` are those of a reindex.
    """

    task_id: str
    kind: TaskKind
    tenant_id: str
    family: Family
    model_id: str
    created_at: float
    updated_at: float
    status: TaskStatus = TaskStatus.PENDING
    asked_as: str = ""
    place: int | None = None
    body_key: str | None = None
    body_sha256: str | None = None
    total: int = 0
    processed: int = 0
    failed: int = 0
    failed_key: str | None = None
    failed_sha256: str | None = None
    truncated: int = 0
    tokens: int = 0
    written: dict[str, int] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    attempt: int = 0
    revision: int = 0
    detail: str | None = None
    vector_quota: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def check_task_id(value: Any, where: str = "task_id") -> str:
    """A task's id.

    Raises:
        InvalidInput: code `invalid_task_id`; names `where`.
    """
    if not isinstance(value, str) or not _TASK_ID.fullmatch(value):
        raise InvalidInput("invalid_task_id", f"{where} must be 1-128 characters of A-Z a-z 0-9 _ - . :")
    return value
