"""Lambda function `sweep`: looks after imports, datasets and lines of tasks whose message, upload or workflow was
lost.

Once a day, with `{"task": "compaction"}`, it has the builder look at every dataset that was written to lately.
"""

from typing import Any

from shoal import runtime
from shoal.observability import bind, log_event
from shoal.services.compaction.schedule import wake_due
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.sweep import sweep
from shoal.services.tasks.reconcile import reconcile_families

NEEDS = (
    "bucket",
    "wakeups_queue_url",
    "builds_queue_url",
    "upload_role_arn",
    "import_state_machine_arn",
    "reindex_state_machine_arn",
    "tasks_queue_url",
)


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Handle a schedule's event; answers with how many datasets were woken, imports and lines helped on."""
    ports = runtime.ports(*NEEDS)
    bind(request_id=context.aws_request_id)
    if event.get("task") == "compaction":
        due = wake_due(ports)
        log_event("looked at all datasets", woken=due)
        return {"woken": due, "imports": 0, "lines": 0}
    helped = reconcile_imports(ports)
    lines = reconcile_families(ports)
    woken = sweep(ports)
    log_event("swept", woken=woken, imports=helped, lines=lines)
    return {"woken": woken, "imports": helped, "lines": lines}
