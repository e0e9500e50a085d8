"""Lambda function `derivation`: every step of the workflow that derives a dataset."""

import time
from typing import Any

from shoal import runtime
from shoal.observability import bind
from shoal.services.derived.ending import handle_failure
from shoal.services.derived.finish import finish
from shoal.services.derived.mask import mask
from shoal.services.derived.plan import plan_with
from shoal.services.derived.publish import publish
from shoal.services.derived.run import Step, open_derivation
from shoal.services.derived.settle import settle_with
from shoal.services.pipeline.steps import do_step

NEEDS = ("bucket", "wakeups_queue_url", "builds_queue_url", "tasks_queue_url")
LOG_SECONDS = 120.0
"""How long one call waits for the log of the source."""
SETTLE_SECONDS = 10.0
"""How long one call waits for the version to be applied."""
STEPS: dict[str, Step] = {
    "plan": plan_with(seconds=LOG_SECONDS, pause=time.sleep),
    "mask": mask,
    "publish": publish,
    "settle": settle_with(seconds=SETTLE_SECONDS, pause=time.sleep),
    "finish": finish,
}
FAIL = "fail"
"""Unlike a step it has to run for those that have ended."""


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Do what the state asks for."""
    ports = runtime.ports(*NEEDS)
    run_id = str(event["run_id"])
    bind(run_id=run_id)
    if event["step"] == FAIL:
        return dict(handle_failure(ports, event))
    return do_step(event, STEPS, lambda: open_derivation(ports, run_id))
