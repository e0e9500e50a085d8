"""Tasks as they are shown: what the documentation and the original server show, without what has no value."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from shoal.http.response import weight
from shoal.http.studio.common import timestamp, without_nulls
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.model.tasks import FailedObject, Task

LISTED_BYTES = MAX_RESPONSE_BYTES - 1024 * 1024
"""For what was asked and what failed, in one answer. Payloads are left out first, then the rest of a list."""


class Room:
    """What is left of an answer's bytes."""

    def __init__(self, size: int = LISTED_BYTES) -> None:
        self._left = size

    def take(self, value: Any) -> bool:
        """Whether the value fits; if so, its room is gone."""
        size = weight(orjson.dumps(value)) + 1
        if size > self._left:
            return False
        self._left -= size
        return True


def common_body(task: Task) -> dict[str, Any]:
    """What every task shows."""
    return {
        "id": task.task_id,
        "task_id": task.task_id,
        "status": task.status.value,
        "created_at": timestamp(task.created_at),
        "updated_at": timestamp(task.updated_at),
        "detail": task.detail,
        "failed": task.failed,
    }


def upsertion_body(
    task: Task, failures: Sequence[FailedObject], models: Mapping[str, EmbeddingModel], room: Room
) -> dict[str, Any]:
    """An upsertion."""
    return without_nulls(
        common_body(task)
        | {
            "processed_count": task.processed,
            "total": task.total,
            "truncated": task.truncated or None,
            "failed_items": failed_items(failures, room),
        }
        | _model(task, models)
    )


def deletion_body(
    task: Task,
    failures: Sequence[FailedObject],
    models: Mapping[str, EmbeddingModel],
    room: Room,
    object_ids: Sequence[str] | None = None,
) -> dict[str, Any]:
    """A deletion."""
    failed = [{"object_id": each.object_id, "detail": each.detail} for each in failures]
    return without_nulls(
        common_body(task)
        | {
            "processed_count": task.processed,
            "total": task.total,
            "object_ids": object_ids if object_ids is not None and room.take(object_ids) else None,
            "failed_item_ids": _while_there_is_room(failed, room),
        }
        | _model(task, models)
    )


def failed_items(failures: Sequence[FailedObject], room: Room) -> list[dict[str, Any]]:
    """Failed objects with their payloads, as long as there is room; then without."""
    shown = []
    for failure in failures:
        plain = {
            "object_id": failure.object_id,
            "detail": failure.detail,
            "failure_stage": failure.stage.value,
        }
        full = without_nulls(plain | {"payload": failure.payload, "item_info": failure.item_info})
        if room.take(full):
            shown.append(full)
        elif room.take(plain):
            shown.append(plain)
        else:
            break
    return shown


def _while_there_is_room(values: list[dict[str, Any]], room: Room) -> list[dict[str, Any]]:
    shown = []
    for value in values:
        if not room.take(value):
            break
        shown.append(value)
    return shown


def _model(task: Task, models: Mapping[str, EmbeddingModel]) -> dict[str, Any]:
    model = models.get(task.model_id)
    return {
        "embedding_model_id": task.asked_as or task.model_id,
        "fine_tuning_method": model.provider.value if model else None,
    }
