"""The HTTP side of functions that read indexes and embed texts, for as long as their container lives."""

from shoal.embedding.models import Models
from shoal.http.app import App
from shoal.http.context import Deps
from shoal.http.routes import service_router
from shoal.services.embedding import Embedder
from shoal.services.search import Searcher
from shoal.settings import Settings
from shoal.storage.ports import Ports


def reading_app(settings: Settings, ports: Ports, models: Models, *, serves: str) -> App:
    """The routes of one such function, over caches of its own; `serves` names it."""
    searcher = Searcher(ports, cache_bytes=settings.cache_bytes, disk_bytes=settings.disk_cache_bytes)
    embedder = Embedder(
        ports,
        models,
        tokens_a_day=settings.embedding_tokens_per_day,
        tokens_a_minute=settings.model_tokens_per_minute,
    )
    return App(service_router(), Deps.of(settings, ports, searcher, embedder), serves=serves)
