"""Lambda function `reindex`: the steps of a reindex's workflow that are not those of an import.

The same workflow builds content indexes; the format of the import says which of the two it is. The function does
not know the workflow, which knows it: where the end of one reindex lets another begin, the sweep starts that of
the other.
"""

import time
from typing import Any

from shoal import runtime
from shoal.model.imports import ImportFormat
from shoal.observability import bind
from shoal.runtime_models import models
from shoal.services.content.activate import activate_step
from shoal.services.content.build import embed_step, plan_step
from shoal.services.embedding import Embedder
from shoal.services.imports.lookup import find_import
from shoal.services.imports.steps import run_step
from shoal.services.imports.workspace import Step
from shoal.services.reindex.deploying import deploy_step
from shoal.services.reindex.embed import embed_with
from shoal.services.reindex.failing import handle_failure
from shoal.services.reindex.plan import plan_with

NEEDS = (
    "bucket",
    "wakeups_queue_url",
    "tasks_queue_url",
    "outbound_function_arn",
)
PATIENCE_SECONDS = 600.0
"""How long a step waits for a log, or for the line: well within a function's time."""
DEPLOY, FAIL = "deploy", "fail"
"""Unlike steps of an import these have to run for imports that have ended."""
STEPS = ("plan", "embed", DEPLOY)


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Do what the state asks for."""
    ports = runtime.ports(*NEEDS)
    import_id = str(event["import_id"])
    bind(import_id=import_id)
    if event["step"] == FAIL:
        return handle_failure(ports, event, seconds=PATIENCE_SECONDS, pause=time.sleep)
    job = find_import(ports, import_id)
    of_content = job is not None and job.format is ImportFormat.CONTENT
    if event["step"] == DEPLOY and of_content:
        return dict(activate_step(ports, import_id))
    if event["step"] == DEPLOY:
        return deploy_step(ports, import_id, seconds=PATIENCE_SECONDS, pause=time.sleep)
    return run_step(ports, event, steps(of_content=of_content))


def steps(*, of_content: bool) -> dict[str, Step]:
    """The steps, with the models of the deployment."""
    settings = runtime.settings(*NEEDS)
    embedder = Embedder(
        runtime.ports(*NEEDS),
        models(*NEEDS),
        tokens_a_day=settings.embedding_tokens_per_day,
        tokens_a_minute=settings.model_tokens_per_minute,
    )
    if of_content:
        return {
            "plan": plan_step(embedder.registry, seconds=PATIENCE_SECONDS, pause=time.sleep),
            "embed": embed_step(embedder),
        }
    return {
        "plan": plan_with(embedder.registry, seconds=PATIENCE_SECONDS, pause=time.sleep),
        "embed": embed_with(embedder),
    }
