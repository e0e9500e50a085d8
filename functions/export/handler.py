"""Lambda function `export`: every step of an export's workflow."""

from typing import Any

from shoal import runtime
from shoal.observability import bind
from shoal.services.exports.finish import finish, handle_failure
from shoal.services.exports.plan import plan
from shoal.services.exports.run import Step, open_export
from shoal.services.exports.write_file import write
from shoal.services.pipeline.steps import do_step

NEEDS = ("bucket",)
STEPS: dict[str, Step] = {"plan": plan, "write": write, "finish": finish}
FAIL = "fail"
"""Unlike a step it has to run for exports that have ended."""


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Do what the state asks for."""
    ports = runtime.ports(*NEEDS)
    run_id = str(event["run_id"])
    bind(run_id=run_id)
    if event["step"] == FAIL:
        return dict(handle_failure(ports, event))
    return do_step(event, STEPS, lambda: open_export(ports, run_id))
