"""Objects that an import without a file could not embed, as its rejects tell them."""

import orjson

from shoal.errors import ObjectMissing
from shoal.model.imports import Import
from shoal.model.tasks import FailedObject, FailureStage
from shoal.services.imports.items import keys_of_import
from shoal.services.retry import retry_busy
from shoal.storage.ports import Ports

MAX_LISTED = 10_000
"""Objects that are listed; beyond them they are only counted."""
_LINE_BYTES = 4000
"""Of one, at most about this."""


def rejected_line(failed: FailedObject) -> bytes:
    """What the rejects file says of an object, beside the reason."""
    return orjson.dumps({"object_id": failed.object_id, "stage": failed.stage.value})


def rejected_of(ports: Ports, job: Import, *, limit: int) -> list[FailedObject]:
    """The first objects that could not be embedded, once all of them have been tried."""
    if not job.has_rejects:
        return []
    key = keys_of_import(job).rejects
    try:
        data = retry_busy(lambda: ports.objects.get(key, byte_range=(0, limit * _LINE_BYTES)))
    except ObjectMissing:  # expired
        return []
    lines = data[: data.rfind(b"\n") + 1].splitlines()[:limit]
    return [_failed(orjson.loads(line)) for line in lines]


def _failed(reject: dict[str, str]) -> FailedObject:
    record = orjson.loads(reject["record"])
    return FailedObject(record["object_id"], reject["reason"], FailureStage(record["stage"]))
