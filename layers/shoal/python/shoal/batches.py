"""Batches of queue messages: one outcome for each, so that one bad message holds up no other."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from shoal.observability import bind, describe, log_event

type Work = Callable[[str, str], object]
"""Called with a tenant id and a dataset id."""


def run_batch(event: Mapping[str, Any], work: Work) -> dict[str, list[dict[str, str]]]:
    """Do the work of each message of an SQS event; the answer names the messages to deliver again.

    Messages are only wake-ups, so several for one dataset are one piece of work with one outcome. A message that
    cannot be read fails each time, until it lies in the dead-letter queue, where an alarm sees it.
    """
    failed: list[dict[str, str]] = []
    outcomes: dict[tuple[str, str], bool] = {}
    for record in event["Records"]:
        message_id = str(record["messageId"])
        bind(message_id=message_id)
        try:
            target = _parse(str(record["body"]))
        except ValueError as error:
            log_event("message cannot be read", level=logging.ERROR, reason=str(error))
            failed.append({"itemIdentifier": message_id})
            continue
        if target not in outcomes:
            outcomes[target] = _attempt(work, target)
        if not outcomes[target]:
            failed.append({"itemIdentifier": message_id})
    return {"batchItemFailures": failed}


def _parse(body: str) -> tuple[str, str]:
    try:
        message = json.loads(body)
    except ValueError:
        raise ValueError("not JSON") from None
    fields = message if isinstance(message, dict) else {}
    ids = fields.get("tenant_id"), fields.get("dataset_id")
    if not all(isinstance(part, str) and part for part in ids):
        raise ValueError("tenant_id or dataset_id is missing")
    return str(ids[0]), str(ids[1])


def _attempt(work: Work, target: tuple[str, str]) -> bool:
    try:
        work(*target)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other messages of the batch go on
        log_event(
            "message failed",
            level=logging.ERROR,
            tenant_id=target[0],
            dataset_id=target[1],
            **describe(error),
        )
        return False
    return True
