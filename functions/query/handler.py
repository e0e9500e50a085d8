"""Lambda function `query`: queries and reads by id. The shards live in the container."""

from functools import cache
from typing import Any

from shoal import runtime
from shoal.http.app import App
from shoal.http.native import fetch, query  # noqa: F401 - loads numpy and hnswlib while the container starts
from shoal.http.serving import reading_app
from shoal.http.studio import objects, searching  # noqa: F401 - likewise
from shoal.runtime_models import models

NEEDS = ("bucket", "outbound_function_arn")


@cache
def app() -> App:
    """The routes of this function, made with the first request."""
    return reading_app(runtime.settings(*NEEDS), runtime.ports(*NEEDS), models(*NEEDS), serves="query")


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer a request of the HTTP API (payload format 2.0)."""
    return app().handle(event)
