"""Every route of the Embedding Studio dialect."""

from shoal.http.router import Route
from shoal.http.studio import collection_routes, health

ROUTES: tuple[Route, ...] = (*health.ROUTES, *collection_routes.ROUTES)
