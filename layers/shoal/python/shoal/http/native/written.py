"""What routes of writes share: the dataset, `?wait=indexed&timeout=`, and the answer, at once or once indexed."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.response import Response, json_response
from shoal.http.router import Parameter
from shoal.model.datasets import Dataset
from shoal.model.jobs import JobStatus
from shoal.model.record_texts import namespace_fault
from shoal.model.writes import Outcome
from shoal.services import jobs, waiting
from shoal.services.append import Accepted
from shoal.services.heads import keys_of

WAIT_SECONDS = 20
MAX_WAIT_SECONDS = 25
"""The gateway gives up after 30 s, and what comes before and after the waiting takes its part of that."""
WAITED_ANSWER = "Indexed, with what it did (or failed, with the reason); only where it was waited for."
FOLLOWS = "dataset_follows: it is kept in step with another one; write to that"
ACCEPTED_ANSWER = "Accepted and safe; `pending` where it was waited for in vain."

WAIT_PARAMETERS = (
    Parameter("wait", "`indexed`: answer once the write can be queried, with what it did."),
    Parameter(
        "timeout",
        f"Seconds to wait at most, 1 to {MAX_WAIT_SECONDS}; {WAIT_SECONDS} by default.",
        "integer",
    ),
)


def wait_of(context: Context, *, default: bool = False) -> int | None:
    """Seconds that the request wants to wait; None: not at all. `default` is whether to where it does not say.

    Raises:
        InvalidInput: names the parameter.
    """
    wait, timeout = context.request.first("wait"), context.request.first("timeout")
    if wait not in {None, "indexed"}:
        raise InvalidInput("invalid_request", "wait must be indexed")
    seconds = WAIT_SECONDS
    if timeout is not None:
        plain = timeout.isascii() and timeout.isdigit() and len(timeout) <= len(str(MAX_WAIT_SECONDS))
        if not plain or not 1 <= int(timeout) <= MAX_WAIT_SECONDS:
            raise InvalidInput("invalid_request", f"timeout must be whole seconds, 1 to {MAX_WAIT_SECONDS}")
        seconds = int(timeout)
    return seconds if default or wait is not None else None


def namespace_of(context: Context) -> str | None:
    """The namespace that the query string names.

    Raises:
        InvalidInput: too long, or with control characters.
    """
    namespace = context.request.first("namespace")
    fault = None if namespace is None else namespace_fault(namespace)
    if fault is not None:
        raise InvalidInput("invalid_request", fault)
    return namespace


def answer(
    context: Context, dataset: Dataset, accepted: Accepted, body: Mapping[str, Any], *, seconds: int | None
) -> tuple[Response, Outcome | None]:
    """The answer to a write, and what the write did, where that is known.

    Raises:
        NotFound: `dataset_not_found`: deleted meanwhile.
    """
    said: dict[str, Any] = {**body, "job_id": accepted.job_id}
    if seconds is None:
        return json_response(202, said), None
    head = waiting.wait_until(
        context.ports,
        keys_of(dataset),
        sequence=accepted.sequence,
        seconds=seconds,
        pause=context.deps.pause,
    )
    if head is None:
        return json_response(202, {**said, "status": JobStatus.PENDING.value}), None
    view = jobs.get_job(context.ports, dataset.tenant_id, accepted.job_id)
    said["status"] = view.status.value
    if view.outcome is not None:
        said["result"] = result(view.outcome)
    if view.job.error is not None:
        said["error_message"] = view.job.error
    return json_response(200, said), view.outcome


def result(outcome: Outcome) -> dict[str, Any]:
    """What a write did, as it is shown."""
    shown = asdict(outcome)
    if outcome.reason is None:
        del shown["reason"]
    return shown
