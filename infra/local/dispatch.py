"""Hands a request to the function that the API's routes name. Runs in the emulator's environment."""
# ruff: noqa: SLF001 - the emulator offers no other way in; its version is pinned and asserted

from typing import Any

from ministack.core.concurrency import run_reentrant
from ministack.core.responses import request_scope
from ministack.services import apigateway, lambda_svc

from infra.local.gateway import (
    BAD_REQUEST,
    FAILED,
    LARGEST_EVENT,
    NOT_FOUND,
    TOO_LARGE,
    UNAVAILABLE,
    Answer,
    BadPath,
    Request,
    decode_path,
    is_too_large,
    to_answer,
    to_event,
)


class Dispatcher:
    """The routes of one HTTP API, as the template made them in the emulator."""

    def __init__(self) -> None:
        self.api_id = ""
        """The API that is served; nothing is until it is deployed."""

    async def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        found = apigateway.find_api_scope(self.api_id)
        if found is None:
            return UNAVAILABLE
        with request_scope(*found):
            return await self._answer(request, account_id=found[0])

    async def _answer(self, request: Request, *, account_id: str) -> Answer:
        cors = apigateway._apis[self.api_id].get("corsConfiguration") or {}
        origin = request.header("origin")
        if cors and origin and request.method == "OPTIONS":
            status, headers, body = apigateway._cors_preflight_response(cors, origin)
            return Answer(status, body, _lower(headers))
        try:
            path = decode_path(request.raw_path)
        except BadPath:
            return BAD_REQUEST
        route = apigateway._match_route(self.api_id, request.method, path)
        if route is None:
            return NOT_FOUND
        answer = await self._invoke(request, path, route, account_id)
        added = apigateway._cors_response_headers(cors, origin)
        return Answer(answer.status, answer.body, (*answer.headers, *_lower(added)))

    async def _invoke(self, request: Request, path: str, route: dict[str, Any], account_id: str) -> Answer:
        """Call the route's function; a throttled one is 503 and a failed one 500, without a word of why."""
        key = route["routeKey"]
        template = key.partition(" ")[2]
        event = to_event(
            request,
            path=path,
            api_id=self.api_id,
            account_id=account_id,
            route_key=key,
            path_parameters=apigateway._extract_path_params(template, path) if template else None,
        )
        if is_too_large(event, LARGEST_EVENT):
            return TOO_LARGE
        integration = apigateway._integrations[self.api_id][route["target"].rsplit("/", 1)[-1]]
        reference = apigateway._extract_lambda_ref_from_integration_uri(integration["integrationUri"])
        function, config, _ = lambda_svc._get_func_record_for_ref(reference)
        if function is None:
            return FAILED
        record = lambda_svc._execution_record_for_config(function, config)
        result = await run_reentrant(lambda_svc._execute_function_with_config_scope, record, event)
        if result.get("throttle"):
            return UNAVAILABLE
        return FAILED if result.get("error") else to_answer(result.get("body"))


def _lower(headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in headers.items() if name.lower() != "content-length")
