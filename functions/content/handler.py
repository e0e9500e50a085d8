"""Lambda function `content`: documents, content indexes and webhooks of the Sanity dialect."""

from functools import cache
from typing import Any

from shoal import runtime
from shoal.http.app import App
from shoal.http.context import Deps
from shoal.http.routes import service_router
from shoal.runtime_models import models
from shoal.services.embedding import Embedder
from shoal.services.search import Searcher

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
    settings, ports = runtime.settings(*NEEDS), runtime.ports(*NEEDS)
    searcher = Searcher(ports, cache_bytes=settings.cache_bytes, disk_bytes=settings.disk_cache_bytes)
    embedder = Embedder(
        ports,
        models(*NEEDS),
        tokens_a_day=settings.embedding_tokens_per_day,
        tokens_a_minute=settings.model_tokens_per_minute,
    )
    return App(service_router(), Deps.of(settings, ports, searcher, embedder), serves="content")


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer a request of the HTTP API (payload format 2.0)."""
    return app().handle(event)
