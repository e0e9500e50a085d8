"""Objects that a task could not do, stored beside it."""

from collections.abc import Sequence
from typing import Any

import orjson

from shoal.errors import CorruptObject, ObjectMissing
from shoal.index.checksums import sha256_hex
from shoal.model.ids import new_log_name
from shoal.model.tasks import FailedObject, FailureStage, Task
from shoal.services.retry import retry_busy
from shoal.services.tasks.items import family_keys_of
from shoal.storage.ports import Ports

_FORMAT = 1
_PAYLOAD_BYTES = 1024 * 1024
"""Of all payloads of one list together; the objects after that are listed without theirs."""


def store_failures(ports: Ports, task: Task, failed: Sequence[FailedObject]) -> tuple[str, str]:
    """Store all failures of a task so far; the key, and the SHA-256 of what lies there.

    Raises:
        StorageBusy: throttled or unavailable.
    """
    room = _PAYLOAD_BYTES
    listed: list[dict[str, Any]] = []
    for failure in failed:
        said = {"object_id": failure.object_id, "detail": failure.detail, "stage": failure.stage.value}
        about = orjson.dumps([failure.payload, failure.item_info])
        if len(about) <= room:
            room -= len(about)
            said |= {"payload": failure.payload, "item_info": failure.item_info}
        listed.append(said)
    data = orjson.dumps({"format": _FORMAT, "failed": listed})
    sha256 = sha256_hex(data)
    key = family_keys_of(task).object(new_log_name(ports.clock(), sha256))
    retry_busy(lambda: ports.objects.put(key, data))
    return key, sha256


def read_failures(ports: Ports, task: Task) -> list[FailedObject]:
    """What a task could not do; nothing where that is not stored any more.

    Raises:
        CorruptObject: what lies there is not what was put.
    """
    key = task.failed_key
    if key is None:
        return []
    try:
        data = retry_busy(lambda: ports.objects.get(key))
    except ObjectMissing:
        return []
    if sha256_hex(data) != task.failed_sha256:
        raise CorruptObject(f"failures of task {task.task_id} do not match their checksum")
    said = orjson.loads(data)
    return [
        FailedObject(
            one["object_id"],
            one["detail"],
            FailureStage(one["stage"]),
            one.get("payload"),
            one.get("item_info"),
        )
        for one in said["failed"]
    ]
