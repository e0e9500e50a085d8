"""Lambda function `import_plan`: looks at the file of an import, unpacks it, and splits it into chunks."""

from typing import Any

from shoal import runtime
from shoal.services.imports.inspect import inspect
from shoal.services.imports.plan import plan
from shoal.services.imports.steps import run_step
from shoal.services.imports.unpack import unpack
from shoal.services.imports.workspace import Step

NEEDS = ("bucket", "wakeups_queue_url")
STEPS: dict[str, Step] = {"inspect": inspect, "unpack": unpack, "plan": plan}


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Do what the state asks for."""
    return run_step(runtime.ports(*NEEDS), event, STEPS)
