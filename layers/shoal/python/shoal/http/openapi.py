"""The OpenAPI 3.1 document, made from the routes and the types of their bodies.

`python -m shoal.http.openapi [FILE]` writes it; a test compares the committed copy.
"""

import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shoal import __version__
from shoal.http.native.types import ErrorBody
from shoal.http.router import ErrorAnswer, Route
from shoal.http.sanity.errors import SanityProblem, sanity_error
from shoal.http.studio.errors import UNPROCESSABLE, studio_error
from shoal.http.studio.types import DetailBody, InvalidBody

COMMITTED = "tests/contract/openapi.json"
"""The committed copy, seen from the top of the repository."""
_REF = "#/components/schemas/{model}"
_ERROR_BODIES: dict[ErrorAnswer, type[BaseModel]] = {studio_error: DetailBody, sanity_error: SanityProblem}
"""Of dialects that have an error shape of their own."""
_ERROR_MEANINGS = {401: "unauthorized: no valid API key", 403: "forbidden: the key lacks the scope"}
_BUSY = "try_again: nothing was done, the same request may succeed later"
_INVALID = "Everything that is wrong with the request, each with its place."


@cache
def document() -> dict[str, Any]:
    """The document as JSON values."""
    from shoal.http.routes import ROUTES  # imported here: the routes include the one that serves this

    listed = [route for route in ROUTES if route.listed]
    paths: dict[str, Any] = {}
    for route in listed:
        path = route.template.replace("+}", "}")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shoal",
            "version": __version__,
            "summary": "A vector database made only of serverless parts.",
            "description": (
                "Every call but /healthz needs an API key: `Authorization: Bearer shl_...`, the password of "
                "Basic authentication, or `X-Auth-Key`. Ids are percent-encoded in paths. Errors are "
                '`{"error": {"code", "message", "details"?}}`; 429 and 503 carry `Retry-After` in seconds; every '
                "answer carries `x-request-id`. An unknown path is 404 and a wrong method 405, as "
                '`{"detail": "..."}`. Content-Type is not looked at; bodies may come with '
                "`Content-Encoding: gzip`, and over 4.5 MiB must. Fields that a request does not know are "
                "ignored. A key with the scope `admin` may do everything; `read` and `write` do not imply each "
                "other. Below /api/v1 stands the Embedding Studio dialect: its errors are "
                '`{"detail": "..."}`, but for 422, which lists everything that is wrong with a request. Below a '
                'version, as /vX, stands that of Sanity: its errors are `{"statusCode", "error", "message"}`.'
            ),
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(listed),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Auth-Key"},
            },
        },
        "security": [{"bearer": []}, {"basic": []}, {"header": []}],
    }


def dump() -> bytes:
    """The document as the committed file holds it."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.tag],
        "responses": _responses(route),
    }
    parameters = _parameters(route)
    if parameters:
        operation["parameters"] = parameters
    if route.request is not None:
        content = {route.request_type: {"schema": _reference(route.request)}}
        operation["requestBody"] = {"required": route.request_required, "content": content}
    if route.scope is None:
        operation["security"] = []
    else:
        operation["x-shoal-scope"] = route.scope.value
    return operation


def _operation_id(route: Route) -> str:
    words = re.findall(r"[a-z]+", re.sub(r"^(/api)?/v1", "", route.template).lower())
    return "_".join([route.method.lower(), *words])


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\+?\}", route.template)
    ]
    in_query = [
        {
            "name": parameter.name,
            "in": "query",
            "required": False,
            "description": parameter.description,
            "schema": {"type": parameter.kind},
        }
        for parameter in route.parameters
    ]
    return [*in_path, *in_query]


def _responses(route: Route) -> dict[str, Any]:
    answers = {
        str(status): _response(answer.meaning, answer.body) for status, answer in route.answers.items()
    }
    studio = route.answer_error is studio_error
    errors = dict(route.errors)
    if studio and (route.request is not None or route.parameters):
        answers[str(UNPROCESSABLE)] = _response(_INVALID, InvalidBody)
    if route.request is not None:  # whatever the body means, it has to be unpacked first
        if not studio:
            errors[400] = ", ".join(
                dict.fromkeys([*errors.get(400, "invalid_request").split(", "), "invalid_encoding"])
            )
        errors.setdefault(413, "payload_too_large")
    if route.scope is not None:
        errors |= _ERROR_MEANINGS
        if route.rate_limited:
            errors.setdefault(429, "rate_limited")
        errors[503] = _BUSY
    body = _ERROR_BODIES.get(route.answer_error, ErrorBody)
    answers |= {str(status): _response(meaning, body) for status, meaning in errors.items()}
    return dict(sorted(answers.items()))


def _response(meaning: str, body: type[BaseModel] | None) -> dict[str, Any]:
    response: dict[str, Any] = {"description": meaning}
    if body is not None:
        response["content"] = {"application/json": {"schema": _reference(body)}}
    return response


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(routes: list[Route]) -> dict[str, Any]:
    errors: tuple[type[BaseModel], ...] = (ErrorBody, InvalidBody, *_ERROR_BODIES.values())
    models = {body.__name__: body for body in errors}
    for route in routes:
        bodies = [route.request, *(answer.body for answer in route.answers.values())]
        models |= {body.__name__: body for body in bodies if body is not None}
    _, schemas = models_json_schema([(model, "validation") for model in models.values()], ref_template=_REF)
    definitions: dict[str, Any] = schemas["$defs"]
    return dict(sorted(definitions.items()))


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else COMMITTED).write_bytes(dump())
