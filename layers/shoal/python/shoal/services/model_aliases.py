"""What a tenant calls embedding models: names of its own for those of the registry, as its clients have them."""

from collections.abc import Mapping

from shoal.errors import ConditionFailed, Conflict, InvalidInput, NotFound
from shoal.model.bindings import BLUE
from shoal.model.embedding_models import EmbeddingModel, ModelRegistry, Provider
from shoal.services.descriptors import describe_tenant
from shoal.services.paging import every_item
from shoal.services.retry import retry_busy
from shoal.storage.keys import MODEL_ALIAS_PREFIX, TenantKeys
from shoal.storage.ports import Exists, Item, Ports

MAX_ALIASES = 100
"""Of a tenant."""
MAX_ALIAS_CHARACTERS = 128
_RESERVED = (f"{Provider.STATIC}-", f"{Provider.BEDROCK}:", f"{Provider.HTTP}:")
"""Ids of models begin so, those too that a later deployment has: a name means the same before and after it."""


def resolve_model(ports: Ports, registry: ModelRegistry, tenant_id: str, name: str) -> EmbeddingModel:
    """The model of an id, or the one that the tenant calls so.

    Raises:
        NotFound: code `model_not_found`.
    """
    if name in registry or not _can_be_alias(
        name
    ):  # no alias is called as a model: most requests read nothing
        return registry.find(name)
    key = TenantKeys(tenant_id).model_alias(name)
    item = retry_busy(lambda: ports.table.get(key))
    if item is None:
        return registry.find(name)
    model_id = str(item["model_id"])
    if model_id not in registry:
        raise NotFound(
            "model_not_found",
            f"{name} stands for the embedding model {model_id}, which is not there any more",
        )
    return registry[model_id]


def set_alias(ports: Ports, registry: ModelRegistry, tenant_id: str, alias: str, model_id: str) -> None:
    """Have an alias stand for a model from now on. What was made with the one it stood for before stays as it is.

    Raises:
        InvalidInput: code `invalid_alias`.
        NotFound: code `model_not_found`: there is none of that id (an alias of an alias is none).
        Conflict: code `too_many_aliases`.
    """
    check_alias(registry, alias)
    model = registry.find(model_id)
    keys = TenantKeys(tenant_id)
    key = keys.model_alias(alias)
    known = list_aliases(ports, tenant_id)
    if alias not in known and len(known) >= MAX_ALIASES:
        raise Conflict(
            "too_many_aliases",
            f"a tenant has at most {MAX_ALIASES} aliases of models; delete one that is not needed any more",
            {"limit": MAX_ALIASES},
        )
    item = {"pk": key.pk, "sk": key.sk, "alias": alias, "model_id": model.model_id}
    retry_busy(lambda: ports.table.put(item))
    describe_tenant(ports, tenant_id)


def list_aliases(ports: Ports, tenant_id: str) -> dict[str, str]:
    """The tenant's aliases in their order, each with the id of its model."""
    partition = TenantKeys(tenant_id).partition
    return dict(parse_alias(item) for item in every_item(ports, partition, prefix=MODEL_ALIAS_PREFIX))


def drop_alias(ports: Ports, tenant_id: str, alias: str) -> None:
    """Forget an alias. Collections are named by models and stay as they are.

    Raises:
        NotFound: code `alias_not_found`.
    """
    missing = NotFound("alias_not_found", f"there is no alias {alias!r:.140}")
    if not _can_be_alias(alias):
        raise missing
    key = TenantKeys(tenant_id).model_alias(alias)
    try:
        retry_busy(lambda: ports.table.delete(key, condition=Exists("pk")))
    except ConditionFailed as lost:
        raise missing from lost
    describe_tenant(ports, tenant_id)


def parse_alias(item: Item | Mapping[str, str]) -> tuple[str, str]:
    """An alias as stored: its name, and the id of its model."""
    return str(item["alias"]), str(item["model_id"])


def check_alias(registry: ModelRegistry, alias: str) -> str:
    """A name that may be an alias.

    Raises:
        InvalidInput: code `invalid_alias`.
    """
    if not _can_be_alias(alias):
        raise InvalidInput("invalid_alias", f"an alias has 1-{MAX_ALIAS_CHARACTERS} printable characters")
    if alias in registry or alias.startswith(_RESERVED):
        raise InvalidInput("invalid_alias", f"{alias} is, or may become, the id of a model")
    if alias == BLUE:
        raise InvalidInput("invalid_alias", f"{BLUE} is the active collection, and no model")
    return alias


def _can_be_alias(name: str) -> bool:
    return 0 < len(name) <= MAX_ALIAS_CHARACTERS and name.isprintable()
