"""Bodies of tasks, requests and answers."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from shoal.http.studio.payloads import WrittenInfo, WrittenPayload
from shoal.http.studio.types import ModelId, ObjectId, StudioBody, Time
from shoal.model.bindings import MAX_TASK_OBJECTS

type TaskId = Annotated[
    str,
    Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:-]*$", examples=["product_upsert_20250422"]),
]
type Status = Literal["pending", "processing", "done", "canceled", "failed", "refused"]
type Stage = Literal["on_downloading", "on_inference", "on_splitting", "on_upsert", "other"]


class TaskIn(StudioBody):
    """A task to be. Without an id of its own it gets one; `id` and `task_id` are the same."""

    id: TaskId | None = None
    task_id: TaskId | None = None

    @field_validator("task_id")
    @classmethod
    def _same(cls, value: str | None, info: ValidationInfo) -> str | None:
        other = info.data.get("id")
        if value is not None and other is not None and value != other:
            raise PydanticCustomError("two_ids", "task_id and id should be the same")
        return value

    @property
    def wanted_id(self) -> str | None:
        """The id, whichever way it was told."""
        return self.id if self.task_id is None else self.task_id


class ItemIn(StudioBody):
    """An object: its payload becomes the text that is embedded, and is what filters and searches return."""

    object_id: ObjectId
    payload: WrittenPayload | None = None
    item_info: WrittenInfo | None = None


class UpsertionIn(TaskIn):
    """Objects to store, one after the other: one that is there already is replaced."""

    items: Annotated[list[ItemIn], Field(max_length=MAX_TASK_OBJECTS)]

    def objects(self) -> list[dict[str, Any]]:
        """What is to be stored."""
        return [
            {"object_id": item.object_id, "payload": item.payload}
            if item.item_info is None
            else {"object_id": item.object_id, "payload": item.payload, "item_info": item.item_info}
            for item in self.items
        ]


class DeletionIn(TaskIn):
    """Objects to delete; those that are not there are fine."""

    object_ids: Annotated[list[ObjectId], Field(max_length=MAX_TASK_OBJECTS)]


class InternalUpsertionIn(UpsertionIn):
    """As an upsertion, into the collection of this model."""

    embedding_model_id: ModelId


class InternalDeletionIn(DeletionIn):
    """As a deletion, from the collection of this model."""

    embedding_model_id: ModelId


class FailedItem(StudioBody):
    """An object that could not be stored, and why."""

    object_id: str
    detail: str
    failure_stage: Stage
    payload: Any = None
    item_info: Any = None


class FailedItemId(StudioBody):
    """An object that could not be deleted, and why."""

    object_id: str
    detail: str


class TaskOut(StudioBody):
    """What every task shows. Fields without a value are left out; `failed` counts the objects that failed."""

    id: str
    task_id: str
    status: Status
    created_at: Time
    updated_at: Time
    detail: str | None = None
    failed: int


class UpsertionOut(TaskOut):
    """An upsertion: `processed_count` of `total` objects are dealt with; those that could not be stored are shown.

    `done` means that the others can be found. `truncated` counts those that had more text than a model is given,
    and are found by its beginning only.
    """

    processed_count: int
    total: int
    truncated: int | None = None
    failed_items: list[FailedItem]
    embedding_model_id: str
    fine_tuning_method: str | None = None


class DeletionOut(TaskOut):
    """A deletion: `processed_count` of `total` objects are dealt with. Lists of tasks leave `object_ids` out."""

    processed_count: int
    total: int
    object_ids: list[str] | None = None
    failed_item_ids: list[FailedItemId]
    embedding_model_id: str
    fine_tuning_method: str | None = None
