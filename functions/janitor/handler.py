"""Lambda function `janitor`: removes what nothing needs any more; of `{"dry_run": true}` it says what."""

from dataclasses import asdict
from typing import Any

from shoal import runtime
from shoal.observability import bind
from shoal.services.janitor.run import NotCleaned, run_janitor

NEEDS = ("bucket",)
MARGIN_SECONDS = 60.0
"""What a run may need for the batch that it is at when its time is over."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle the schedule's event; answers with what went. A tenant that could not be cleaned is an error."""
    ports = runtime.ports(*NEEDS)
    bind(request_id=context.aws_request_id)
    dry_run = bool(event.get("dry_run", False))
    budget = context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    report = run_janitor(ports, dry_run=dry_run, budget_seconds=budget)
    if report.stopped and not dry_run:
        raise NotCleaned(report.stopped)
    return asdict(report)
