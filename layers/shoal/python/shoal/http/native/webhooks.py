"""Secrets of webhooks, and the project that a tenant's content belongs to: what the dialect of Sanity lacks."""

from typing import Any

from pydantic import ConfigDict

from shoal.http.context import Context
from shoal.http.native.common import optional_timestamp, parse_body, timestamp
from shoal.http.native.types import Body, Timestamp, shown_as
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.model.tenants import Scope
from shoal.services.content.projects import choose_project, read_project
from shoal.services.content.webhooks import Webhook, own_webhook, rotate_secret


class RotateSecret(Body):
    """Unless `keep_old` is false, the secret before stays good for 24 hours: time to tell whoever signs."""

    model_config = ConfigDict(extra="forbid") | shown_as({}, {"keep_old": False})

    keep_old: bool = True


class WebhookOut(Body):
    """A webhook. It has no secret until one is asked for, and refuses everything until then."""

    webhook_id: str
    dataset: str
    path: str
    created_at: Timestamp
    rotated_at: Timestamp | None
    old_secret_until: Timestamp | None


class WebhookSecret(WebhookOut):
    """A webhook with its new secret, which is not shown again."""

    secret: str


class ProjectIn(Body):
    """The id that clients are set to: what the host names of a project's API begin with."""

    model_config = ConfigDict(extra="forbid") | shown_as({"project_id": "ab2cdefg"})

    project_id: str


class ProjectOut(Body):
    """The id of the tenant's project."""

    project_id: str


def get(context: Context) -> Response:
    """Show a webhook."""
    found = own_webhook(context.ports, context.principal.tenant_id, context.parameters["webhook_id"])
    return json_response(200, _body(found))


def rotate(context: Context) -> Response:
    """Make a webhook's next secret."""
    body = context.body()
    wanted = parse_body(RotateSecret, body) if body.strip() else RotateSecret()
    webhook, secret = rotate_secret(
        context.ports,
        context.principal.tenant_id,
        context.parameters["webhook_id"],
        keep_old=wanted.keep_old,
    )
    return json_response(200, {"secret": secret, **_body(webhook)}, {"cache-control": "no-store"})


def get_project(context: Context) -> Response:
    """Show the tenant's project."""
    return json_response(200, {"project_id": read_project(context.ports, context.principal.tenant_id)})


def put_project(context: Context) -> Response:
    """Give the tenant's project another id."""
    wanted = parse_body(ProjectIn, context.body())
    chosen = choose_project(context.ports, context.principal.tenant_id, wanted.project_id)
    return json_response(200, {"project_id": chosen})


def _body(webhook: Webhook) -> dict[str, Any]:
    return {
        "webhook_id": webhook.webhook_id,
        "dataset": webhook.dataset,
        "path": f"/webhooks/sanity/{webhook.webhook_id}",
        "created_at": timestamp(webhook.created_at),
        "rotated_at": optional_timestamp(webhook.rotated_at),
        "old_secret_until": optional_timestamp(webhook.old_until),
    }


_WEBHOOK = "/v1/webhooks/{webhook_id}"
_PROJECT = "/v1/sanity/project"
_TAG = "sanity: webhooks"
_UNKNOWN = {404: "webhook_not_found"}

ROUTES = (
    Route(
        "GET",
        _WEBHOOK,
        get,
        Scope.READ,
        "Show a webhook",
        _TAG,
        answers={200: Answer("The webhook, without its secret.", WebhookOut)},
        errors=_UNKNOWN,
        function="content",
    ),
    Route(
        "POST",
        f"{_WEBHOOK}/secret",
        rotate,
        Scope.ADMIN,
        "Make a new secret for a webhook",
        _TAG,
        answers={200: Answer("The secret. It is stored nowhere and not shown again.", WebhookSecret)},
        errors={400: "invalid_request", **_UNKNOWN},
        request=RotateSecret,
        request_required=False,
        function="content",
    ),
    Route(
        "GET",
        _PROJECT,
        get_project,
        Scope.READ,
        "Show the id of the tenant's project",
        _TAG,
        answers={200: Answer("The id: chosen, or made of the tenant's.", ProjectOut)},
    ),
    Route(
        "PUT",
        _PROJECT,
        put_project,
        Scope.ADMIN,
        "Give the tenant's project the id that its clients are set to",
        _TAG,
        answers={200: Answer("The id.", ProjectOut)},
        errors={400: "invalid_request, invalid_project"},
        request=ProjectIn,
    ),
)
