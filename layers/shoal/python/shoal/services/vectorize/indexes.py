"""Indexes: datasets of the native scope, with what this dialect keeps beside them."""

from dataclasses import dataclass

from shoal.model.datasets import NATIVE_SCOPE, DatasetView, Metric
from shoal.services import datasets
from shoal.services.heads import keys_of
from shoal.services.retry import retry_busy
from shoal.services.vectorize.settings import IndexSettings, read_all_settings, read_settings, settings_item
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import DeleteItem, Ports, PutItem

_REMEMBERED_SECONDS = 30 * 86_400
"""How long a deleted name is told apart from one that never was."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index as users see it."""

    view: DatasetView
    settings: IndexSettings

    @property
    def modified_at(self) -> float:
        """When its settings changed last (epoch seconds); when it was made, if they never did."""
        return self.settings.modified_at or self.view.dataset.created_at


def create_index(
    ports: Ports,
    tenant_id: str,
    *,
    name: str,
    dimension: int,
    metric: Metric,
    description: str,
    preset: str | None,
) -> Index:
    """Create an empty index; the name of one that was deleted may be used again.

    Raises:
        Conflict: code `dataset_exists`.
    """
    settings = IndexSettings(description, preset, revision=1)
    gone = TenantKeys(tenant_id).deleted_name(NATIVE_SCOPE, name)
    view = datasets.create_dataset(
        ports,
        tenant_id,
        scope=NATIVE_SCOPE,
        name=name,
        dimension=dimension,
        metric=metric,
        beside=lambda keys: (PutItem(settings_item(keys, settings)), DeleteItem(gone)),
    )
    return Index(view, settings)


def get_index(ports: Ports, tenant_id: str, name: str) -> Index:
    """An index with its settings.

    Raises:
        NotFound: code `dataset_not_found`.
    """
    view = datasets.get_dataset(ports, tenant_id, scope=NATIVE_SCOPE, name=name)
    return Index(view, read_settings(ports, keys_of(view.dataset)))


def list_indexes(ports: Ports, tenant_id: str) -> list[Index]:
    """All indexes of a tenant, by name."""
    views = datasets.list_datasets(ports, tenant_id, scope=NATIVE_SCOPE)
    found = read_all_settings(ports, [keys_of(view.dataset) for view in views])
    return [Index(view, settings) for view, settings in zip(views, found, strict=True)]


def delete_index(ports: Ports, tenant_id: str, name: str) -> None:
    """Delete an index; its name is remembered for a while, so that whoever asks for it is told.

    Raises:
        NotFound: code `dataset_not_found`.
    """
    datasets.delete_dataset(ports, tenant_id, scope=NATIVE_SCOPE, name=name)
    gone = TenantKeys(tenant_id).deleted_name(NATIVE_SCOPE, name)
    item = {"pk": gone.pk, "sk": gone.sk, "expires_at": int(ports.clock()) + _REMEMBERED_SECONDS}
    retry_busy(lambda: ports.table.put(item))


def was_deleted(ports: Ports, tenant_id: str, name: str) -> bool:
    """Whether there was an index of that name, where there is none now."""
    return ports.table.get(TenantKeys(tenant_id).deleted_name(NATIVE_SCOPE, name)) is not None
