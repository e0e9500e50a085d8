"""Collections of a family: datasets named by the model that they are bound to."""

from dataclasses import dataclass

from shoal.errors import Conflict, NotFound, TryAgain
from shoal.model.bindings import BLUE, Aggregation, Binding, Family
from shoal.model.datasets import Dataset, DatasetView
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.templates import check_template
from shoal.services.append import Requirement
from shoal.services.datasets import create_dataset, delete_dataset, list_datasets, resolve
from shoal.services.heads import keys_of
from shoal.services.retry import retry_busy
from shoal.services.tasks.family import read_family, same_version
from shoal.storage.keys import FamilyKeys, TenantKeys
from shoal.storage.ports import Absent, AnyOf, CheckItem, Compare, Item, Ports


@dataclass(frozen=True, slots=True)
class CollectionView:
    """A collection as users see it; `blue`: it is the active one."""

    view: DatasetView
    blue: bool


def create_collection(
    ports: Ports,
    tenant_id: str,
    family: Family,
    model: EmbeddingModel,
    *,
    template: str | None = None,
    aggregation: Aggregation = Aggregation.MIN,
) -> DatasetView:
    """Create an empty collection of a model.

    Raises:
        Conflict: code `collection_exists`.
        InvalidInput: `invalid_template`.
    """
    if template is not None:
        check_template(template)
    if model.model_id == BLUE:
        raise ValueError("no embedding model is called blue")
    binding = Binding(model.model_id, template, aggregation)
    try:
        view = create_dataset(
            ports,
            tenant_id,
            scope=family.scope,
            name=model.model_id,
            dimension=model.dimension,
            metric=model.metric,
            binding=binding,
        )
    except Conflict as taken:
        raise Conflict("collection_exists", f"a collection of {model.model_id} already exists") from taken
    key = keys_of(view.dataset).collection
    # Without it, any object is taken to have all parts: who dies here has only made deletes longer.
    counted: Item = {"pk": key.pk, "sk": key.sk, "many_parts": False, "documents": 0, "characters": 0}
    retry_busy(lambda: ports.table.put(counted))
    return view


def find_collection(ports: Ports, tenant_id: str, family: Family, model_id: str) -> Dataset:
    """The collection of a model.

    Raises:
        NotFound: code `collection_not_found`.
    """
    try:
        found = resolve(ports, tenant_id, scope=family.scope, name=model_id)
    except NotFound as missing:
        raise _not_found(family, model_id) from missing
    if found.name != model_id:
        raise _not_found(family, model_id)
    return found


def list_collections(ports: Ports, tenant_id: str, family: Family) -> list[CollectionView]:
    """The collections of a family, by model."""
    active = _blue_id(ports, tenant_id, family)
    views = list_datasets(ports, tenant_id, scope=family.scope)
    return [CollectionView(view, view.dataset.dataset_id == active) for view in views]


def delete_collection(ports: Ports, tenant_id: str, family: Family, model_id: str) -> None:
    """Delete the collection of a model.

    Raises:
        Conflict: `collection_is_blue`: it is the active one; `collection_in_reindex`: one reads or makes it.
        NotFound: code `collection_not_found`.
        TryAgain: a reindex began or ended at the same moment.
    """
    dataset = find_collection(ports, tenant_id, family, model_id)
    keys = FamilyKeys(tenant_id, family.value)
    state = read_family(ports, keys)
    if state.pair_of(dataset.dataset_id) is not None:
        raise Conflict(
            "collection_in_reindex",
            f"the collection of {model_id} is being reindexed; cancel that first, or wait until it has ended",
        )
    alias = TenantKeys(tenant_id).name(family.scope, BLUE)
    not_active = AnyOf((Absent("pk"), Compare("dataset_id", "<>", dataset.dataset_id)))
    requires = (
        Requirement(
            CheckItem(alias, not_active),
            Conflict("collection_is_blue", f"the collection of {model_id} is the active one (blue)"),
        ),
        Requirement(
            CheckItem(keys.state, same_version(state)),
            TryAgain("a reindex began or ended at this moment; send the request again"),
        ),
    )
    try:
        delete_dataset(ports, tenant_id, scope=family.scope, name=model_id, requires=requires)
    except NotFound as missing:
        raise _not_found(family, model_id) from missing


def _blue_id(ports: Ports, tenant_id: str, family: Family) -> str | None:
    item = retry_busy(lambda: ports.table.get(TenantKeys(tenant_id).name(family.scope, BLUE)))
    return str(item["dataset_id"]) if item else None


def _not_found(family: Family, model_id: str) -> NotFound:
    return NotFound("collection_not_found", f"there is no collection of {family.value} of {model_id:.140}")
