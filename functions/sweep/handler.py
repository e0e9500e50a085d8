"""Lambda function `sweep`: wakes the indexer, or the builder, for datasets whose message was lost."""

from typing import Any

from shoal import runtime
from shoal.observability import bind, log_event
from shoal.services.sweep import sweep

NEEDS = ("wakeups_queue_url", "builds_queue_url")


def handler(_: dict[str, Any], context: Any) -> dict[str, int]:
    """Handle the schedule's event; answers with how many datasets were woken."""
    ports = runtime.ports(*NEEDS)
    bind(request_id=context.aws_request_id)
    woken = sweep(ports)
    log_event("swept", woken=woken)
    return {"woken": woken}
