"""Items of runs: whose a run is, where only its id is known, and which came last."""

from typing import Any

from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, WorkKeys, run_by_id
from shoal.storage.ports import Item, Ports


def pointer_item(keys: WorkKeys, *, expires_at: int) -> dict[str, Any]:
    """What says whose compaction or export it is; it expires (epoch seconds) as the run's own item does."""
    key = run_by_id(keys.run_id)
    return {
        "pk": key.pk,
        "sk": key.sk,
        "tenant_id": keys.tenant_id,
        "dataset_id": keys.dataset_id,
        "expires_at": expires_at,
    }


def find_run(ports: Ports, run_id: str) -> Item | None:
    """The item of a compaction or an export, whoever owns it; None where there is none of that id."""
    owner = retry_busy(lambda: ports.table.get(run_by_id(run_id)))
    if owner is None:
        return None
    key = WorkKeys(owner["tenant_id"], owner["dataset_id"], run_id).item
    return retry_busy(lambda: ports.table.get(key))


def newest_items(ports: Ports, keys: DatasetKeys, *, prefix: str, limit: int) -> list[Item]:
    """The newest items of a dataset whose sort keys begin so (their ids rise with time), newest first."""
    found: list[Item] = []
    after = None
    while len(found) < limit:
        page = ports.table.query(
            keys.partition, prefix=prefix, ascending=False, limit=limit - len(found), after=after
        )
        found += page.items
        after = page.after
        if after is None:
            break
    return found
