"""GET /v1/usage: what a tenant has used of its quotas."""

from shoal.http.context import Context
from shoal.http.native.types import UsageOut
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.model.tenants import Scope
from shoal.services import quotas


def usage(context: Context) -> Response:
    """Show rows and queries used, and the quotas that hold; null is unlimited."""
    used = quotas.usage(context.ports, context.principal)
    body = {
        "vectors_used": used.vectors_used,
        "vector_quota": used.vector_quota,
        "queries_today": used.queries_today,
        "daily_query_quota": used.daily_query_quota,
        "queries_reset_at": used.queries_reset_at,
    }
    return json_response(200, body)


def _route(path: str, *, listed: bool) -> Route:
    return Route(
        "GET",
        path,
        usage,
        Scope.READ,
        "Show usage and quotas",
        "usage",
        answers={200: Answer("Rows and queries used; a quota of null is unlimited.", UsageOut)},
        rate_limited=False,
        listed=listed,
    )


ROUTES = (_route("/v1/usage", listed=True), _route("/auth/usage", listed=False))
