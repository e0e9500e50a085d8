"""Lambda function `import_cells`: settles an import, and builds its cells or its one shard."""

from typing import Any

from shoal import runtime
from shoal.services.imports.one_shard import build_shard
from shoal.services.imports.settle import settle
from shoal.services.imports.steps import run_step
from shoal.services.imports.workspace import Step
from shoal.services.pipeline.assign import assign
from shoal.services.pipeline.build import build
from shoal.services.pipeline.calibrate import calibrate
from shoal.services.pipeline.group import group
from shoal.services.pipeline.train import train

NEEDS = ("bucket", "wakeups_queue_url")
STEPS: dict[str, Step] = {
    "settle": settle,
    "build_shard": build_shard,
    "train": train,
    "assign": assign,
    "group": group,
    "build": build,
    "calibrate": calibrate,
}


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Do what the state asks for."""
    return run_step(runtime.ports(*NEEDS), event, STEPS)
