"""Cleaning deleted datasets: their items go once no reader can hold a version of them; objects follow by age.

What says that there is something left to clean goes last, so that a run which is cut off is gone on with.
"""

import logging
from collections.abc import Callable

from shoal.model.imports import ImportStatus
from shoal.services.paging import every_item
from shoal.services.parallel import in_parallel
from shoal.services.retry import retry_busy
from shoal.services.settle import release_deleted
from shoal.storage.keys import (
    COMPACTION_PREFIX,
    EXPORT_PREFIX,
    IMPORT_PREFIX,
    DatasetKeys,
    TenantKeys,
    import_by_id,
    run_by_id,
)
from shoal.storage.ports import Item, Key, Page, Ports

_log = logging.getLogger(__name__)
_PAGE = 500


def purge(ports: Ports, keys: DatasetKeys, *, go_on: Callable[[], None] = lambda: None) -> int | None:
    """Remove all items of a deleted dataset; how many, None where it has to wait for an import of it to end.

    Args:
        ports: where.
        keys: the dataset, which was deleted long enough ago.
        go_on: called now and then; may raise to give up.

    Raises:
        StorageError: storage failed; the next run goes on.
    """
    head = retry_busy(lambda: ports.table.get(keys.head))
    if head is not None and head["state"] == "live":
        raise ValueError(f"dataset {keys.dataset_id} is not deleted")
    if _under_way(ports, keys):
        _log.info(
            "not cleaned yet", extra={"dataset_id": keys.dataset_id, "reason": "an import has not ended"}
        )
        return None
    release_deleted(ports, keys)  # should neither who deleted it nor the sweep have come to it
    last = (keys.meta, keys.head)
    removed = 0
    after = None
    while True:
        go_on()
        page: Page = ports.table.query(keys.partition, limit=_PAGE, after=after)
        gone = [key for item in page.items for key in _keys_of(item) if key not in last]
        in_parallel(lambda key: retry_busy(lambda: ports.table.delete(key)), gone)
        removed += len(gone)
        after = page.after
        if after is None:
            break
    retry_busy(lambda: ports.objects.delete([keys.descriptor]))
    for key in (*last, TenantKeys(keys.tenant_id).deleted(keys.dataset_id)):
        retry_busy(lambda k=key: ports.table.delete(k))  # type: ignore[misc]
    _log.info(
        "cleaned a deleted dataset", extra={"dataset_id": keys.dataset_id, "items": removed + len(last)}
    )
    return removed + len(last)


def _under_way(ports: Ports, keys: DatasetKeys) -> bool:
    """Whether an import has not ended yet: the sweep ends those of deleted datasets, and counts on their items."""
    ended = {status.value for status in ImportStatus if status.terminal}
    imports = every_item(ports, keys.partition, prefix=IMPORT_PREFIX)
    return any(item["status"] not in ended for item in imports)


def _keys_of(item: Item) -> list[Key]:
    """An item of a dataset, and what points at it from elsewhere."""
    key = Key(str(item["pk"]), str(item["sk"]))
    if key.sk.startswith(IMPORT_PREFIX):
        return [key, import_by_id(key.sk.removeprefix(IMPORT_PREFIX))]
    for prefix in (COMPACTION_PREFIX, EXPORT_PREFIX):
        if key.sk.startswith(prefix):
            return [key, run_by_id(key.sk.removeprefix(prefix))]
    return [key]
