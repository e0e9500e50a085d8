"""Lambda function `compaction`: every step of the workflow that compacts a dataset."""

from typing import Any

from shoal import runtime
from shoal.observability import bind
from shoal.services.compaction.ending import handle_failure
from shoal.services.compaction.extract import extract
from shoal.services.compaction.finish import commit
from shoal.services.compaction.one_shard import build_shard
from shoal.services.compaction.plan import plan
from shoal.services.compaction.workspace import CompactionRun, open_run
from shoal.services.pipeline.assign import assign
from shoal.services.pipeline.build import build
from shoal.services.pipeline.calibrate import calibrate
from shoal.services.pipeline.group import group
from shoal.services.pipeline.run import Step
from shoal.services.pipeline.steps import do_step
from shoal.services.pipeline.train import train

NEEDS = ("bucket", "wakeups_queue_url", "builds_queue_url")
STEPS: dict[str, Step[CompactionRun]] = {
    "plan": plan,
    "extract": extract,
    "build_shard": build_shard,
    "train": train,
    "assign": assign,
    "group": group,
    "build": build,
    "calibrate": calibrate,
    "commit": commit,
}
FAIL = "fail"
"""Unlike a step it has to run for compactions that have ended."""


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Do what the state asks for."""
    ports, run_id = runtime.ports(*NEEDS), str(event["run_id"])
    bind(run_id=run_id)
    if event["step"] == FAIL:
        return dict(handle_failure(ports, event))
    return do_step(event, STEPS, lambda: open_run(ports, run_id))
