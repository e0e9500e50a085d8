"""Lambda function `indexer`: drains the logs of the datasets that its messages name."""

from functools import cache
from typing import Any

from shoal import runtime
from shoal.batches import run_batch
from shoal.services.commit import DRAIN_SECONDS, drain
from shoal.services.parts import PartReader
from shoal.storage.ports import Ports

NEEDS = ("bucket", "wakeups_queue_url", "builds_queue_url", "tasks_queue_url")
CACHE_BYTES = 512 * 1024 * 1024
"""A quarter of its memory: manifests and id index runs that the next commit needs again."""

KEPT_BACK_SECONDS = 40.0
"""Of the time that is left: for a commit that begins at the last moment. What is not begun is woken again."""


@cache
def reader(ports: Ports) -> PartReader:
    """The container's cache."""
    return PartReader(ports.objects, cache_bytes=CACHE_BYTES)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch of wake-ups; answers with those to deliver again."""
    ports = runtime.ports(*NEEDS)
    owner = f"indexer-{context.aws_request_id}"
    cache_of_parts = reader(ports)

    def work(tenant_id: str, dataset_id: str) -> None:
        left = context.get_remaining_time_in_millis() / 1000 - KEPT_BACK_SECONDS
        budget = min(DRAIN_SECONDS, left)
        drain(ports, tenant_id, dataset_id, owner=owner, reader=cache_of_parts, budget_seconds=budget)

    return run_batch(event, work)
