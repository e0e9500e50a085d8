"""Every route of the service: those of each dialect, and the documentation's."""

from shoal.http import docs
from shoal.http.following import following
from shoal.http.native.routes import ROUTES as NATIVE
from shoal.http.openverse.routes import ROUTES as OPENVERSE
from shoal.http.router import Route, Router
from shoal.http.sanity.routes import ROUTES as SANITY
from shoal.http.studio.routes import ROUTES as STUDIO
from shoal.http.vectorize.routes import ROUTES as VECTORIZE

ROUTES: tuple[Route, ...] = following((*NATIVE, *STUDIO, *VECTORIZE, *SANITY, *OPENVERSE, *docs.ROUTES))


def service_router() -> Router:
    """The router over all of them."""
    return Router(ROUTES)
