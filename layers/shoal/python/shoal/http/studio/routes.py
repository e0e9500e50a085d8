"""Every route of the Embedding Studio dialect."""

from shoal.http.router import Route
from shoal.http.studio import collection_routes, health, object_writes, reindex_routes, task_routes
from shoal.http.studio.search import search_routes

ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *task_routes.ROUTES,
    *reindex_routes.ROUTES,
    *collection_routes.ROUTES,
    *object_writes.ROUTES,
    *search_routes(),
)
