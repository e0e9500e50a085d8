"""Looking runs and derived datasets up; a run whose workflow has died is found out when it is looked at."""

from shoal.errors import NotFound
from shoal.model.datasets import Dataset
from shoal.model.derivations import Derivation, Lineage
from shoal.services.derived.ending import look_after
from shoal.services.derived.items import find_derivation, parse_derivation, parse_lineage
from shoal.services.heads import keys_of
from shoal.services.pipeline.items import newest_items
from shoal.services.retry import retry_busy
from shoal.storage.keys import DERIVATION_PREFIX
from shoal.storage.ports import Ports


def get_derivation(ports: Ports, tenant_id: str, run_id: str) -> Derivation:
    """A run of the tenant, as it is by now.

    Raises:
        NotFound: `derivation_not_found`.
    """
    try:
        run = find_derivation(ports, run_id)
    except ValueError:
        run = None
    if run is None or run.tenant_id != tenant_id:
        raise NotFound("derivation_not_found", "derivation not found")
    return look_after(ports, run)


def list_derivations(ports: Ports, dataset: Dataset, *, limit: int) -> list[Derivation]:
    """The newest runs that made the dataset, newest first."""
    found = newest_items(ports, keys_of(dataset), prefix=DERIVATION_PREFIX, limit=limit)
    return [parse_derivation(item) for item in found]


def lineage_of(ports: Ports, dataset: Dataset) -> Lineage | None:
    """Of what a dataset is derived; None where it is not."""
    item = retry_busy(lambda: ports.table.get(keys_of(dataset).derivation))
    return parse_lineage(item) if item else None
