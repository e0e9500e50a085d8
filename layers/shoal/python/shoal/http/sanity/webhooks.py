"""POST /webhooks/sanity/{webhookId}: changes of documents, as Sanity's webhooks tell them.

They need no key: who knows the secret may tell. Whatever is told is about one document, and the latest version of
it counts; so changes may come in any order, and again.
"""

from shoal.errors import NotFound
from shoal.http.context import Context
from shoal.http.response import Response, json_response
from shoal.http.sanity.webhook_types import SIGNATURE_HEADER, WebhookAnswer, change_told
from shoal.model.content_documents import is_published
from shoal.model.datasets import Dataset
from shoal.model.signatures import check_signature
from shoal.services.content.documents import find_documents, put_versions
from shoal.services.content.webhooks import Webhook, read_webhook, secrets_of
from shoal.services.tenants import get_tenant


def receive(context: Context) -> Response:
    """Take a change of a document."""
    webhook = read_webhook(context.ports, context.parameters["webhook_id"])
    body = context.body()
    sent_ms = check_signature(
        context.request.headers.get(SIGNATURE_HEADER),
        body,
        secrets_of(context.ports, webhook),
        now=context.ports.clock(),
    )
    dataset = _documents(context, webhook)
    told = change_told(body, context.request.headers, sent_ms=sent_ms)
    published = is_published(told.document_id)
    if published:
        put_versions(context.ports, dataset, [told.change], vector_quota=_vector_quota(context, webhook))
    answer = WebhookAnswer(
        documentId=told.document_id,
        operation=told.operation,
        status="accepted" if published else "ignored",
    )
    return json_response(200, answer.model_dump())


def _documents(context: Context, webhook: Webhook) -> Dataset:
    """The dataset of a webhook, while it is there.

    Raises:
        NotFound: `webhook_not_found`: it is deleted, and may have been made anew with another webhook.
    """
    gone = NotFound(
        "webhook_not_found", "the webhook's dataset is deleted; an index of the new one shows its webhookId"
    )
    try:
        found = find_documents(context.ports, webhook.tenant_id, webhook.dataset)
    except NotFound:
        raise gone from None
    if found.dataset_id != webhook.dataset_id:
        raise gone
    return found


def _vector_quota(context: Context, webhook: Webhook) -> int | None:
    """Records that the webhook's tenant may hold: its own quota, or the deployment's."""
    own = get_tenant(context.ports, webhook.tenant_id).vector_quota
    return context.deps.limits.vector_quota if own is None else own
