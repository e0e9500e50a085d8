"""Lambda function `import_finish`: commits what an import's workflow has built, or ends the import as failed."""

from typing import Any

from shoal import runtime
from shoal.services.imports.finish import commit, handle_failure
from shoal.services.imports.steps import run_step
from shoal.services.imports.workspace import Step

NEEDS = ("bucket", "wakeups_queue_url", "builds_queue_url", "tasks_queue_url")
STEPS: dict[str, Step] = {"commit": commit}
FAIL = "fail"
"""Unlike a step it has to run for imports that have ended."""


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Do what the state asks for."""
    ports = runtime.ports(*NEEDS)
    if event["step"] == FAIL:
        return dict(handle_failure(ports, event))
    return run_step(ports, event, STEPS)
