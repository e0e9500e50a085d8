"""Lambda function `sweep`: looks after imports and datasets whose message, upload or workflow was lost.

Once a day, with `{"task": "compaction"}`, it has the builder look at every dataset that was written to lately.
"""

from typing import Any

from shoal import runtime
from shoal.observability import bind, log_event
from shoal.services.compaction.schedule import wake_due
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.sweep import sweep

NEEDS = (
    "bucket",
    "wakeups_queue_url",
    "builds_queue_url",
    "upload_role_arn",
    "import_state_machine_arn",
)


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Handle a schedule's event; answers with how many datasets were woken, and imports helped on."""
    ports = runtime.ports(*NEEDS)
    bind(request_id=context.aws_request_id)
    if event.get("task") == "compaction":
        due = wake_due(ports)
        log_event("looked at all datasets", woken=due)
        return {"woken": due, "imports": 0}
    helped = reconcile_imports(ports)
    woken = sweep(ports)
    log_event("swept", woken=woken, imports=helped)
    return {"woken": woken, "imports": helped}
