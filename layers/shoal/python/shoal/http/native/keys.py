"""API keys: list, make, revoke. All of it needs the scope `admin`."""

import calendar
import time
from typing import Any

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.native.common import optional_timestamp, parse_body, timestamp
from shoal.http.native.types import CreateKey, KeyList, NewKeyOut
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.model.tenants import DEFAULT_SCOPES, ApiKey, Scope
from shoal.services import api_keys


def list_all(context: Context) -> Response:
    """List the tenant's keys, without their secrets."""
    keys = api_keys.list_keys(context.ports, context.principal.tenant_id)
    return json_response(200, {"keys": [_body(key) for key in keys]})


def create(context: Context) -> Response:
    """Make a key; the answer is the only time that it is shown."""
    wanted = parse_body(CreateKey, context.body())
    scopes = frozenset(Scope(scope) for scope in wanted.scopes) if wanted.scopes else DEFAULT_SCOPES
    key, secret = api_keys.create_key(
        context.ports,
        tenant_id=context.principal.tenant_id,
        name=wanted.name,
        scopes=scopes,
        expires_at=_expiry(wanted.expires_at, context.ports.clock()),
    )
    return json_response(201, _body(key) | {"key": secret})


def revoke(context: Context) -> Response:
    """Revoke a key; it is refused everywhere within 60 seconds."""
    api_keys.revoke_key(context.ports, context.principal.tenant_id, context.parameters["key_id"])
    return Response(204)


def _expiry(text: str | None, now: float) -> float | None:
    if text is None:
        return None
    try:
        expires_at = calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        raise InvalidInput("invalid_request", "expires_at must be a time like 2026-05-14T12:34:56Z") from None
    if expires_at <= now:
        raise InvalidInput("invalid_request", "expires_at must lie in the future")
    return float(expires_at)


def _body(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "name": key.name,
        "scopes": sorted(scope.value for scope in key.scopes),
        "created_at": timestamp(key.created_at),
        "expires_at": optional_timestamp(key.expires_at),
        "last_used_at": optional_timestamp(key.last_used_at),
        "revoked_at": optional_timestamp(key.revoked_at),
    }


def _routes(prefix: str, *, listed: bool) -> tuple[Route, ...]:
    return (
        Route(
            "GET",
            f"{prefix}/keys",
            list_all,
            Scope.ADMIN,
            "List keys",
            "keys",
            answers={200: Answer("All keys, revoked ones too.", KeyList)},
            rate_limited=False,
            listed=listed,
        ),
        Route(
            "POST",
            f"{prefix}/keys",
            create,
            Scope.ADMIN,
            "Make a key",
            "keys",
            answers={201: Answer("The key; shown this once.", NewKeyOut)},
            errors={400: "invalid_request"},
            request=CreateKey,
            rate_limited=False,
            listed=listed,
        ),
        Route(
            "DELETE",
            f"{prefix}/keys/{{key_id}}",
            revoke,
            Scope.ADMIN,
            "Revoke a key",
            "keys",
            answers={204: Answer("Revoked; refused everywhere within 60 seconds.")},
            errors={404: "not_found"},
            rate_limited=False,
            listed=listed,
        ),
    )


ROUTES = _routes("/v1", listed=True) + _routes("/auth", listed=False)
