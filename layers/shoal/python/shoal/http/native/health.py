"""GET /healthz."""

from shoal.http.context import Context
from shoal.http.native.types import Health
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route


def healthz(_: Context) -> Response:
    """Say that the function runs; touches nothing else."""
    return json_response(200, {"status": "ok", "service": "control_plane"})


ROUTES = (
    Route(
        "GET",
        "/healthz",
        healthz,
        None,
        "Is the service up?",
        "service",
        answers={200: Answer("It is.", Health)},
    ),
)
