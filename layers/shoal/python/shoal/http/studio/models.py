"""What a request's `embedding_model_id` means."""

from shoal.errors import NotFound
from shoal.http.context import Context
from shoal.services.model_aliases import resolve_model


def model_of(context: Context, name: str) -> str:
    """The id of the model that a request means: the tenant's own name of one first.

    A model that the deployment no longer has keeps its id: its collections are still there.
    """
    try:
        model = resolve_model(context.ports, context.deps.registry, context.principal.tenant_id, name)
    except NotFound:
        return name
    return model.model_id
