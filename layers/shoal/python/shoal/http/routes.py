"""Every route of the service: those of each dialect, and the documentation's."""

from shoal.http import docs
from shoal.http.native.routes import ROUTES as NATIVE
from shoal.http.router import Route, Router
from shoal.http.studio.routes import ROUTES as STUDIO

ROUTES: tuple[Route, ...] = (*NATIVE, *STUDIO, *docs.ROUTES)


def service_router() -> Router:
    """The router over all of them."""
    return Router(ROUTES)
