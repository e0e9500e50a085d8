"""Every route of the Embedding Studio dialect."""

from shoal.http.router import Route
from shoal.http.studio import health

ROUTES: tuple[Route, ...] = (*health.ROUTES,)
