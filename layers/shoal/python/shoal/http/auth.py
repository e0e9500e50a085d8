"""The key of a request: `Authorization: Bearer`, the password of `Authorization: Basic`, or `X-Auth-Key`."""

import base64
import binascii
from dataclasses import replace

from shoal.errors import Unauthenticated
from shoal.http.context import Deps
from shoal.http.request import Request
from shoal.model.tenants import Principal, Scope
from shoal.services.api_keys import authenticate, unauthorized


def presented_key(request: Request) -> str | None:
    """The key as sent, whatever it looks like; None where the request has none."""
    scheme, _, credentials = request.headers.get("authorization", "").strip().partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer" and credentials:
        return credentials
    if scheme.lower() == "basic" and credentials:
        return _basic_password(credentials)
    return request.headers.get("x-auth-key", "").strip() or None


def authorize(deps: Deps, request: Request, scope: Scope) -> Principal:
    """Who asks, with the quotas that hold for them.

    Raises:
        Unauthenticated: code `unauthorized` without a valid key, `forbidden` where it lacks the scope.
    """
    presented = presented_key(request)
    if presented is None:
        raise unauthorized()
    principal = authenticate(deps.ports, deps.keys, presented)
    if not principal.may(scope):
        raise Unauthenticated("forbidden", f"the API key lacks the scope {scope.value}")
    limits = deps.limits
    return replace(
        principal,
        vector_quota=limits.vector_quota if principal.vector_quota is None else principal.vector_quota,
        query_quota=limits.query_quota if principal.query_quota is None else principal.query_quota,
    )


def _basic_password(credentials: str) -> str | None:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded.partition(":")[2] or None
