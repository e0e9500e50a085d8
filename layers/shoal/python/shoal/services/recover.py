"""Making the whole table anew from the bucket: tenants, keys, names, datasets, snapshots, and what waited in logs.

Each dataset appears in one transaction, and its tenant after all of its datasets: so a recovery that is cut off
can be repeated, and the janitor sees nothing of a tenant that is not whole. What is there already stays as it is.

Not in the bucket, and so not recovered: counters of queries, tokens and rates, when a key was last used, jobs that
were applied, exports, tasks of collections, and imports and reindexes that were under way. What those had stored
goes as garbage.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from shoal.errors import Conflict, CorruptObject, TransactionCancelled
from shoal.services.descriptor_files import DatasetDescriptor, decode_dataset, encode_dataset
from shoal.services.heads import parse_meta
from shoal.services.name_items import built_by
from shoal.services.parallel import in_parallel
from shoal.services.recovered_dataset import Plan, plan_dataset, put_dataset
from shoal.services.recovered_lineage import tell_sources
from shoal.services.recovered_tenant import (
    nameless,
    names_dataset,
    put_tenant,
    read_named,
    read_tenant,
)
from shoal.services.retry import retry_busy
from shoal.storage.keys import (
    GSI,
    NAME_PREFIX,
    OBJECTS_PREFIX,
    TENANTS,
    DatasetKeys,
    TenantKeys,
    parse_descriptor_key,
)
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecoveredDataset:
    """A dataset that is back: its version, the writes that go on behind it, and what of it is lost."""

    tenant_id: str
    dataset_id: str
    scope: str
    name: str
    version: int
    row_count: int
    snapshots: int
    writes_again: int
    lost: tuple[str, ...]


@dataclass(slots=True)
class Report:
    """What was recovered; of a dry run: what would be.

    `damaged` says by the key of a descriptor why what it describes is not back. `there_already` are datasets that
    the table had.
    """

    dry_run: bool
    tenants: int = 0
    keys: int = 0
    aliases: int = 0
    datasets: list[RecoveredDataset] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    there_already: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether everything that the bucket describes is back, and nothing of it lost."""
        return not self.damaged and not any(each.lost for each in self.datasets)


def recover(
    ports: Ports,
    *,
    dry_run: bool = False,
    force_into: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Make the table anew.

    Args:
        ports: the bucket, the table to fill, and the queue that then wakes the indexer.
        dry_run: read all of it, put nothing.
        force_into: also into a table that has items of what the bucket describes; those stay as they are.
        progress: told what comes next.

    Raises:
        Conflict: `table_not_empty`.
        StorageError: storage failed; call again with `force_into`.
    """
    report = Report(dry_run)
    progress("looking for what the bucket describes")
    found = _described(ports)
    progress(f"{len(found)} tenants, {sum(map(len, found.values()))} datasets are described")
    if not force_into:
        _check_empty(ports, found)
    for tenant_id, datasets in sorted(found.items()):
        tenant = TenantKeys(tenant_id)
        progress(f"tenant {tenant_id}: {len(datasets)} datasets")
        _recover_datasets(ports, tenant, datasets, report, progress)
        _recover_tenant(ports, tenant, report)
    _log.info(
        "recovered",
        extra={"tenants": report.tenants, "datasets": len(report.datasets), "damaged": len(report.damaged)},
    )
    return report


def _described(ports: Ports) -> dict[str, list[DatasetKeys]]:
    """All tenants with their datasets, as far as the bucket describes either."""
    found: dict[str, list[DatasetKeys]] = {}
    for each in ports.objects.list(OBJECTS_PREFIX):
        keys = parse_descriptor_key(each.key)
        if isinstance(keys, DatasetKeys):
            found.setdefault(keys.tenant_id, []).append(keys)
        elif keys is not None:
            found.setdefault(keys.tenant_id, [])
    return found


def _check_empty(ports: Ports, found: dict[str, list[DatasetKeys]]) -> None:
    partitions = [TenantKeys(tenant_id).partition for tenant_id in found]
    partitions += [keys.partition for datasets in found.values() for keys in datasets]
    known = in_parallel(lambda partition: bool(ports.table.query(partition, limit=1).items), partitions)
    if any(known) or ports.table.query(TENANTS, index=GSI, limit=1).items:
        raise Conflict(
            "table_not_empty",
            "the table has tenants or datasets already; a table is recovered into an empty one, or with "
            "--force-into, which adds what it lacks and changes nothing that it has",
        )


def _recover_datasets(
    ports: Ports,
    tenant: TenantKeys,
    datasets: Sequence[DatasetKeys],
    report: Report,
    progress: Callable[[str], None],
) -> None:
    stored = {
        each.key: each.size
        for folder in ("parts", "shards")
        for each in ports.objects.list(tenant.folder(folder))
    }
    back: list[DatasetDescriptor] = []
    for keys, descriptor in _live(ports, datasets, report):
        name = descriptor.meta["name"]
        if ports.table.get(keys.head) is not None:
            report.there_already.append(keys.dataset_id)
            continue
        progress(f"dataset {name} ({keys.dataset_id})")
        try:
            plan = plan_dataset(ports, keys, descriptor, stored)
            if not report.dry_run:
                put_dataset(ports, plan)
        except CorruptObject as error:
            report.damaged[keys.descriptor] = str(error)
        except TransactionCancelled:
            report.damaged[keys.descriptor] = f"the name {name} is taken by another dataset in the table"
        else:
            report.datasets.append(_told(plan))
            back.append(descriptor)
    if not report.dry_run:
        tell_sources(ports, back)


def _live(
    ports: Ports, datasets: Sequence[DatasetKeys], report: Report
) -> list[tuple[DatasetKeys, DatasetDescriptor]]:
    """The datasets that were not deleted. Of two with one name the older was, but could not be described so."""
    newest: dict[tuple[str, str], tuple[DatasetKeys, DatasetDescriptor]] = {}
    for keys in datasets:
        try:
            descriptor = decode_dataset(read_named(ports, keys.descriptor))
            dataset = parse_meta(descriptor.meta)
        except (CorruptObject, KeyError, ValueError) as error:
            report.damaged[keys.descriptor] = str(error)
            continue
        if not descriptor.live:
            continue
        if built_by(descriptor.head):
            report.damaged[keys.descriptor] = f"{dataset.name} was being built; derive it once more"
            continue
        place = (dataset.scope, dataset.name)
        pair = (keys, descriptor)
        if place in newest:
            older, pair = sorted([newest[place], pair], key=lambda each: float(each[1].meta["created_at"]))
            _log.warning("two datasets of one name", extra={"deleted": older[0].dataset_id})
            if not report.dry_run:
                gone = replace(older[1], head={**older[1].head, "state": "deleted"})
                _put(ports, older[0].descriptor, encode_dataset(gone))
        newest[place] = pair
    return list(newest.values())


def _told(plan: Plan) -> RecoveredDataset:
    dataset, head = plan.dataset, plan.descriptor.head
    return RecoveredDataset(
        tenant_id=dataset.tenant_id,
        dataset_id=dataset.dataset_id,
        scope=dataset.scope,
        name=dataset.name,
        version=int(head["version"]),
        row_count=int(head["row_count"]),
        snapshots=len(plan.snapshots),
        writes_again=plan.again.writes,
        lost=plan.lost,
    )


def _recover_tenant(ports: Ports, tenant: TenantKeys, report: Report) -> None:
    try:
        descriptor = read_tenant(ports, tenant)
    except CorruptObject as error:
        # Its datasets can be used again once the operator has made a key.
        report.damaged[tenant.descriptor] = (
            f"{error}; the tenant is back without a name, without keys and without aliases"
        )
        descriptor = nameless(ports, tenant)
    back = {each.dataset_id for each in report.datasets} | set(report.there_already)
    lost = [item for item in descriptor.aliases if names_dataset(item) not in {None, *back}]
    if lost:
        names = ", ".join(str(item["sk"]).removeprefix(NAME_PREFIX) for item in lost)
        report.damaged[tenant.descriptor] = f"{names}: what it pointed at is not back"
        kept = tuple(item for item in descriptor.aliases if item not in lost)
        descriptor = replace(descriptor, aliases=kept)
    report.tenants += 1
    report.keys += len(descriptor.keys)
    report.aliases += len(descriptor.aliases)
    if not report.dry_run:
        put_tenant(ports, tenant, descriptor)


def _put(ports: Ports, key: str, body: bytes) -> None:
    retry_busy(lambda: ports.objects.put(key, body))
