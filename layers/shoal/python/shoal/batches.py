"""Batches of queue messages: one outcome for each, so that one bad message holds up no other."""

import json
import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from shoal.observability import bind, describe, log_event

type Work = Callable[[str, str], object]
"""Called with a tenant id and a dataset id."""


def run_batch(event: Mapping[str, Any], work: Work) -> dict[str, list[dict[str, str]]]:
    """Do the work of each wake-up of an SQS event; several for one dataset are one piece of work."""
    return run_each(
        event,
        read=dataset_of,
        work=lambda target: work(*target),
        fields=lambda target: {"tenant_id": target[0], "dataset_id": target[1]},
    )


def run_each[Target: Hashable](
    event: Mapping[str, Any],
    *,
    read: Callable[[str], Sequence[Target]],
    work: Callable[[Target], object],
    fields: Callable[[Target], Mapping[str, str]],
) -> dict[str, list[dict[str, str]]]:
    """Do the work of each message of an SQS event; the answer names the messages to deliver again.

    What several messages ask for is done once, with one outcome. A message that cannot be read fails each time,
    until it lies in the dead-letter queue, where an alarm sees it.

    Args:
        event: as Lambda's poller gives it.
        read: what a message's body asks for; raises `ValueError` where it cannot tell.
        work: does one thing that is asked for; whatever it raises is that thing's failure.
        fields: what a thing is called in the log.
    """
    failed: list[dict[str, str]] = []
    outcomes: dict[Target, bool] = {}
    for record in event["Records"]:
        message_id = str(record["messageId"])
        bind(message_id=message_id)
        try:
            targets = read(str(record["body"]))
        except ValueError as error:
            log_event("message cannot be read", level=logging.ERROR, reason=str(error))
            failed.append({"itemIdentifier": message_id})
            continue
        for target in targets:
            if target not in outcomes:
                outcomes[target] = _attempt(work, target, fields)
        if not all(outcomes[target] for target in targets):
            failed.append({"itemIdentifier": message_id})
    return {"batchItemFailures": failed}


def json_object(body: str) -> dict[str, Any]:
    """A message's body; empty where it is JSON, but no object.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        message = json.loads(body)
    except ValueError:
        raise ValueError("not JSON") from None
    return message if isinstance(message, dict) else {}


def dataset_of(body: str) -> tuple[tuple[str, str]]:
    """Tenant and dataset of a wake-up.

    Raises:
        ValueError: it names none.
    """
    message = json_object(body)
    ids = message.get("tenant_id"), message.get("dataset_id")
    if not all(isinstance(part, str) and part for part in ids):
        raise ValueError("tenant_id or dataset_id is missing")
    return ((str(ids[0]), str(ids[1])),)


def _attempt[Target](
    work: Callable[[Target], object], target: Target, fields: Callable[[Target], Mapping[str, str]]
) -> bool:
    try:
        work(target)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other messages of the batch go on
        log_event("message failed", level=logging.ERROR, **fields(target), **describe(error))
        return False
    return True
