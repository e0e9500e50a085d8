"""Lambda function `sweep`: looks after imports, datasets, lines of tasks, derivations, Openverse tasks and
followers whose message, upload or workflow was lost.

Once a day, with `{"task": "compaction"}`, it has the builder look at every dataset that was written to lately.
"""

from typing import Any

from shoal import runtime
from shoal.observability import bind, log_event
from shoal.services.compaction.schedule import wake_due
from shoal.services.derived.starting import reconcile_derivations
from shoal.services.followers import reconcile_followers
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.openverse.reconcile import reconcile_tasks
from shoal.services.sweep import sweep
from shoal.services.tasks.reconcile import reconcile_families

NEEDS = (
    "bucket",
    "wakeups_queue_url",
    "builds_queue_url",
    "upload_role_arn",
    "import_state_machine_arn",
    "reindex_state_machine_arn",
    "derivation_state_machine_arn",
    "ingestion_state_machine_arn",
    "tasks_queue_url",
)


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Handle a schedule's event; answers with how many datasets were woken, and how many others helped on."""
    ports = runtime.ports(*NEEDS)
    bind(request_id=context.aws_request_id)
    if event.get("task") == "compaction":
        due = wake_due(ports)
        log_event("looked at all datasets", woken=due)
        return {"woken": due}
    helped = {
        "imports": reconcile_imports(ports),
        "lines": reconcile_families(ports),
        "derivations": reconcile_derivations(ports),
        "ingestions": reconcile_tasks(ports),
        "followers": reconcile_followers(ports),
    }
    answer = {"woken": sweep(ports), **helped}
    log_event("swept", **answer)
    return answer
