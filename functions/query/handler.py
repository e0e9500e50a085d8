"""Lambda function `query`: queries and reads by id. The shards live in the container."""

from functools import cache
from typing import Any

from shoal import runtime
from shoal.http.app import App
from shoal.http.context import Deps
from shoal.http.native import fetch, query  # noqa: F401 - loads numpy and hnswlib while the container starts
from shoal.http.routes import service_router
from shoal.http.studio import objects, searching  # noqa: F401 - likewise
from shoal.runtime_models import models
from shoal.services.embedding import Embedder
from shoal.services.search import Searcher

NEEDS = ("bucket", "outbound_function_arn")


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
    return App(service_router(), Deps.of(settings, ports, searcher, embedder), serves="query")


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer a request of the HTTP API (payload format 2.0)."""
    return app().handle(event)
