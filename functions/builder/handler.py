"""Lambda function `builder`: builds or compacts the dataset that its message names, if that is due."""

from typing import Any

from shoal import runtime
from shoal.batches import dataset_of, json_object, run_each
from shoal.services.compaction.look_after import look_after
from shoal.services.wake import THOROUGH

NEEDS = ("bucket", "wakeups_queue_url", "builds_queue_url", "compaction_state_machine_arn")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch of one; answers with what to deliver again."""
    ports = runtime.ports(*NEEDS)
    owner = f"builder-{context.aws_request_id}"

    def work(target: tuple[str, str, bool]) -> None:
        look_after(ports, target[0], target[1], owner=owner, thorough=target[2])

    return run_each(
        event,
        read=_target_of,
        work=work,
        fields=lambda target: {"tenant_id": target[0], "dataset_id": target[1]},
    )


def _target_of(body: str) -> tuple[tuple[str, str, bool]]:
    ((tenant_id, dataset_id),) = dataset_of(body)
    return ((tenant_id, dataset_id, THOROUGH in json_object(body)),)
