"""Lambda function `tasks`: does the tasks of collections in the lines that its messages name, and brings datasets
up to those that they follow.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from shoal import runtime
from shoal.batches import json_object, run_each
from shoal.model.bindings import Family
from shoal.runtime_models import models
from shoal.services.embedding import Embedder
from shoal.services.tasks.worker import WORK_SECONDS, work
from shoal.storage.keys import DatasetKeys

if TYPE_CHECKING:  # what reads indexes: few tasks look at what is there
    from shoal.services.parts import PartReader

NEEDS = (
    "bucket",
    "wakeups_queue_url",
    "builds_queue_url",
    "tasks_queue_url",
    "outbound_function_arn",
    "derivation_state_machine_arn",
)
CACHE_BYTES = 128 * 1024 * 1024
"""Of parts of collections, which are read where objects are to be inserted that may be there."""
KEPT_BACK_SECONDS = 60.0
"""Of the time that is left: for a batch that begins at the last moment with a slow model."""


@cache
def reader() -> "PartReader":
    """The container's cache."""
    from shoal.services.parts import PartReader

    return PartReader(runtime.ports(*NEEDS).objects, cache_bytes=CACHE_BYTES)


def wanted_of(body: str) -> tuple[tuple[str, Family | str]]:
    """Tenant of a wake-up, and the family whose line it is for, or the id of the dataset that others follow.

    Raises:
        ValueError: it names none.
    """
    message = json_object(body)
    tenant_id, dataset_id = message.get("tenant_id"), message.get("dataset_id")
    if not isinstance(tenant_id, str) or not tenant_id:
        raise ValueError("tenant_id is missing")
    if isinstance(dataset_id, str):
        return ((tenant_id, DatasetKeys(tenant_id, dataset_id).dataset_id),)
    return ((tenant_id, Family(str(message.get("family")))),)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch of wake-ups; answers with those to deliver again."""
    ports, settings = runtime.ports(*NEEDS), runtime.settings(*NEEDS)
    embedder = Embedder(
        ports,
        models(*NEEDS),
        tokens_a_day=settings.embedding_tokens_per_day,
        tokens_a_minute=settings.model_tokens_per_minute,
    )

    def do(wanted: tuple[str, Family | str]) -> None:
        tenant_id, what = wanted
        left = context.get_remaining_time_in_millis() / 1000 - KEPT_BACK_SECONDS
        budget, owner = min(WORK_SECONDS, left), f"tasks-{context.aws_request_id}"
        if isinstance(what, Family):
            work(ports, embedder, tenant_id, what, owner=owner, budget_seconds=budget, reader=reader)
            return
        # Few containers ever see a follower.
        from shoal.services.following import follow

        follow(ports, embedder, reader(), tenant_id, what, owner=owner, budget_seconds=budget)

    return run_each(
        event,
        read=wanted_of,
        work=do,
        fields=lambda wanted: {"tenant_id": wanted[0], "wanted": str(wanted[1])},
    )
