"""Reading an import: by its keys, or where only its id is known."""

from shoal.model.imports import Import
from shoal.services.imports.items import parse_import
from shoal.services.retry import retry_busy
from shoal.storage.keys import ImportKeys, import_by_id
from shoal.storage.ports import Ports


def read_import(ports: Ports, keys: ImportKeys) -> Import | None:
    """The import as it is now; None where it is gone."""
    item = retry_busy(lambda: ports.table.get(keys.item))
    return parse_import(item) if item else None


def find_import(ports: Ports, import_id: str) -> Import | None:
    """The import of that id, whoever owns it; None where there is none."""
    owner = retry_busy(lambda: ports.table.get(import_by_id(import_id)))
    if owner is None:
        return None
    return read_import(ports, ImportKeys(owner["tenant_id"], owner["dataset_id"], import_id))
