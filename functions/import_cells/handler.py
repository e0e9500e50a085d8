"""Lambda function `import_cells`."""

from typing import Any

from shoal import runtime
from shoal.services.imports.steps import run_step
from shoal.services.imports.workspace import Step

NEEDS = ("bucket", "wakeups_queue_url")
STEPS: dict[str, Step] = {}


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Do what the state asks for."""
    return run_step(runtime.ports(*NEEDS), event, STEPS)
