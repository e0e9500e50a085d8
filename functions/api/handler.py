"""Lambda function `api`: datasets, writes, jobs, keys, usage, documentation."""

from functools import cache
from typing import Any

from shoal import runtime
from shoal.http.app import App
from shoal.http.context import Deps
from shoal.http.routes import service_router

NEEDS = (
    "bucket",
    "wakeups_queue_url",
    "builds_queue_url",
    "upload_role_arn",
    "import_state_machine_arn",
    "export_state_machine_arn",
    "reindex_state_machine_arn",
    "derivation_state_machine_arn",
    "ingestion_state_machine_arn",
    "tasks_queue_url",
)


@cache
def app() -> App:
    """The routes of this function, made with the first request."""
    deps = Deps.of(runtime.settings(*NEEDS), runtime.ports(*NEEDS))
    return App(service_router(), deps, serves="api")


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer a request of the HTTP API (payload format 2.0)."""
    return app().handle(event)
