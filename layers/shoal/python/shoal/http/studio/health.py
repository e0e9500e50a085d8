"""GET /api/v1/ping."""

from shoal.http.context import Context
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.http.studio.common import PREFIX
from shoal.http.studio.errors import studio_error
from shoal.http.studio.types import Pong


def ping(_: Context) -> Response:
    """Say nothing, which is to say that all is well."""
    return json_response(200, {})


ROUTES = (
    Route(
        "GET",
        f"{PREFIX}/ping",
        ping,
        None,
        "Is the service there?",
        "embedding studio: tasks",
        answers={200: Answer("It is.", Pong)},
        answer_error=studio_error,
    ),
)
