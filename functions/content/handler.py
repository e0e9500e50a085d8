"""Lambda function `content`: documents, content indexes and webhooks of the Sanity dialect."""

from functools import cache
from typing import Any

from shoal import runtime
from shoal.http.app import App
from shoal.http.serving import reading_app
from shoal.runtime_models import models

NEEDS = (
    "bucket",
    "wakeups_queue_url",
    "tasks_queue_url",
    "outbound_function_arn",
    "secrets_prefix",
    "upload_role_arn",
    "import_state_machine_arn",
    "reindex_state_machine_arn",
)


@cache
def app() -> App:
    """The routes of this function, made with the first request."""
    return reading_app(runtime.settings(*NEEDS), runtime.ports(*NEEDS), models(*NEEDS), serves="content")


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer a request of the HTTP API (payload format 2.0)."""
    return app().handle(event)
