"""What a name of the scope `openverse` stands for: an index, an alias of one, or nothing."""

from dataclasses import dataclass

from shoal.errors import InvalidInput, NotFound
from shoal.model.datasets import Dataset, check_name
from shoal.model.openverse import SCOPE
from shoal.services.alias_items import parse_name, read_pointers
from shoal.services.datasets import resolve
from shoal.services.name_items import built_by, visible
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Ports


@dataclass(frozen=True, slots=True)
class Stat:
    """What a name stands for. `alt_names`: of an alias the index that it points at, of an index its aliases."""

    exists: bool
    is_alias: bool | None = None
    alt_names: str | list[str] | None = None


NOTHING = Stat(exists=False)


def stat(ports: Ports, tenant_id: str, name: str) -> Stat:
    """What a name stands for. An index that is being built is not there yet."""
    try:
        key = TenantKeys(tenant_id).name(SCOPE, check_name(name))
    except InvalidInput:
        return NOTHING
    item = visible(retry_busy(lambda: ports.table.get(key)))
    if item is None:
        return NOTHING
    alias = parse_name(item)
    if alias is not None:
        return Stat(exists=True, is_alias=True, alt_names=alias.alias.target.name)
    keys = DatasetKeys(tenant_id, str(item["dataset_id"]))
    names = read_pointers(ports, [keys])[keys.dataset_id].names
    return Stat(exists=True, is_alias=False, alt_names=list(names))


def find_index(ports: Ports, tenant_id: str, name: str) -> Dataset | None:
    """The index behind a name, which may be an alias of it; None where there is none, or not yet."""
    try:
        return resolve(ports, tenant_id, scope=SCOPE, name=name)
    except NotFound:
        return None


def name_taken_by(ports: Ports, tenant_id: str, name: str) -> str | None:
    """Why there can be no new index of that name, in words; None where the name is free."""
    item = retry_busy(lambda: ports.table.get(TenantKeys(tenant_id).name(SCOPE, name)))
    if item is None:
        return None
    alias = parse_name(item)
    if alias is not None:
        return f"{name} already exists: it is an alias of {alias.alias.target.name}"
    building = built_by(item)
    return f"{name} already exists" + (f": it is being built by {building}" if building else "")
