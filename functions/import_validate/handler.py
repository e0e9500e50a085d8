"""Lambda function `import_validate`: validates a chunk of the file of an import."""

from typing import Any

from shoal import runtime
from shoal.services.imports.steps import run_step
from shoal.services.imports.validate import validate
from shoal.services.imports.workspace import Step

NEEDS = ("bucket", "wakeups_queue_url")
STEPS: dict[str, Step] = {"validate": validate}


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Do what the state asks for."""
    return run_step(runtime.ports(*NEEDS), event, STEPS)
