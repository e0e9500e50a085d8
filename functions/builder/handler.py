"""Lambda function `builder`: builds the resident shard of the dataset that its message names."""

from typing import Any

from shoal import runtime
from shoal.batches import run_batch
from shoal.services.build import build_resident

NEEDS = ("bucket", "wakeups_queue_url", "builds_queue_url")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch of one; answers with what to deliver again."""
    ports = runtime.ports(*NEEDS)
    owner = f"builder-{context.aws_request_id}"
    return run_batch(
        event, lambda tenant_id, dataset_id: build_resident(ports, tenant_id, dataset_id, owner=owner)
    )
