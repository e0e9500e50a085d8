"""Lambda function `ingestion`: every step of a task of the Openverse dialect that is not done at once."""

from functools import cache
from typing import TYPE_CHECKING, Any

from shoal import runtime
from shoal.observability import bind
from shoal.services.openverse.ending import handle_failure
from shoal.services.openverse.steps import Next
from shoal.services.openverse.work import step

if TYPE_CHECKING:  # what reads indexes: few tasks do
    from shoal.services.parts import PartReader

NEEDS = (
    "bucket",
    "wakeups_queue_url",
    "builds_queue_url",
    "import_state_machine_arn",
    "derivation_state_machine_arn",
    "outbound_function_arn",
    "ingest_buckets",
)
CACHE_BYTES = 700 * 1000 * 1000
"""Of parts of a dataset whose records are copied: its largest shard has 400 MB of vectors."""
BUDGET_SECONDS = 300.0
"""After which a step begins nothing that takes long: copying an object of 5 GiB may follow."""
WORK, FAIL = "work", "fail"
STEPS = (WORK,)


@cache
def reader() -> "PartReader":
    """What reads datasets, with its cache."""
    from shoal.services.parts import PartReader

    return PartReader(runtime.ports(*NEEDS).objects, cache_bytes=CACHE_BYTES)


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Do what the state asks for."""
    ports = runtime.ports(*NEEDS)
    tenant_id, task_id = str(event["tenant_id"]), str(event["task_id"])
    bind(task_id=task_id, step=event["step"])
    if event["step"] == FAIL:
        return dict(handle_failure(ports, event))
    if event["step"] != WORK:
        raise ValueError(f"no step {event['step']}")
    return answer(step(ports, reader, tenant_id=tenant_id, task_id=task_id, budget_seconds=BUDGET_SECONDS))


def answer(found: Next) -> dict[str, Any]:
    """What the workflow is told."""
    return {"state": found.state.value, "seconds": found.seconds}
