"""From an event to an answer: find the route, know the caller, keep the rate, call the handler, log one line."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from shoal.errors import InvalidInput, RequestError
from shoal.http.auth import authorize
from shoal.http.context import Context, Deps
from shoal.http.errors import native_error
from shoal.http.request import Request, parse_event
from shoal.http.response import Response, fits, json_response, to_gateway
from shoal.http.router import ErrorAnswer, Match, NoMatch, Router
from shoal.http.sanity.errors import is_sanity_path, sanity_no_route
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.model.tenants import Principal
from shoal.observability import bind, log_event


class App:
    """The HTTP side of one function. `serves` names the function whose routes it answers (None: all).

    A function knows all routes, because the gateway sends it wrong methods of paths that another one serves.
    """

    def __init__(self, router: Router, deps: Deps, *, serves: str | None = None) -> None:
        self._router = router
        self._deps = deps
        self._serves = serves

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer an event. Never raises."""
        started = time.perf_counter()
        request_id = str(event.get("requestContext", {}).get("requestId", "unknown"))
        bind(request_id=request_id)
        method = ""
        fields: dict[str, Any] = {}
        answer_error: ErrorAnswer = native_error
        try:
            request = parse_event(event)
            request_id = request.request_id
            method = request.method
            found = self._router.find(method, request.path)
            if isinstance(found, Match):
                answer_error = found.route.answer_error
            response = self._answer(request, found, fields)
        except Exception as error:  # noqa: BLE001 - the last line of defence answers 500 and logs the stack
            response = answer_error(error, request_id=request_id)
            if isinstance(error, RequestError):
                fields["error_code"] = error.code
        log_event(
            "request served",
            level=logging.ERROR if response.status >= 500 else logging.INFO,
            method=method,
            status=response.status,
            bytes_out=len(response.body),
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
            **fields,
        )
        return to_gateway(response, request_id=request_id, head=method == "HEAD")

    def _answer(self, request: Request, found: Match | NoMatch, fields: dict[str, Any]) -> Response:
        if isinstance(found, NoMatch):
            return _no_route(request, found)
        route = found.route
        if self._serves is not None and route.function != self._serves:
            # The gateway sends these elsewhere; only HEAD of another function's GET comes here.
            return _no_route(request, NoMatch((route.method,)))
        fields["route"] = f"{route.method} {route.template}"
        caller = self._admit(found, request, fields)
        response = route.handler(Context(request, found.parameters, caller, self._deps))
        if not fits(response.body):
            # Fetches and queries see to it themselves; this is a list of tens of thousands.
            raise InvalidInput("response_too_large", f"the answer would be over {MAX_RESPONSE_BYTES} bytes")
        return response

    def _admit(self, found: Match, request: Request, fields: dict[str, Any]) -> Principal | None:
        route = found.route
        if route.scope is None:
            return None
        principal = authorize(self._deps, request, route.scope)
        fields["tenant_id"] = principal.tenant_id
        fields["key_id"] = principal.key_id
        if route.rate_limited and self._deps.limits.rate is not None:
            from shoal.services.quotas import check_rate

            check_rate(self._deps.ports, principal, self._deps.limits.rate)
        return principal


def _no_route(request: Request, found: NoMatch) -> Response:
    allow = {"allow": ", ".join(found.allowed)} if found.allowed else {}
    if (
        allow and request.method == "OPTIONS"
    ):  # preflights are the gateway's; without CORS settings they end here
        return Response(204, headers=allow)
    if is_sanity_path(request.path):
        return sanity_no_route(found.allowed, allow)
    if not allow:
        return json_response(404, {"detail": "Not Found"})
    return json_response(405, {"detail": "Method Not Allowed"}, allow)
