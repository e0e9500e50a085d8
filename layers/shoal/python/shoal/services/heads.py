"""HEAD and META as items of the table: how they are read, and the one swap that commits."""

from dataclasses import dataclass

from shoal.errors import ConditionFailed
from shoal.model.bindings import Aggregation, Binding
from shoal.model.datasets import Dataset, Head, Metric
from shoal.model.manifests import Manifest
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Absent, Action, AllOf, Assign, Compare, Condition, Drop, Item, Ports


def keys_of(dataset: Dataset) -> DatasetKeys:
    """The dataset's keys."""
    return DatasetKeys(dataset.tenant_id, dataset.dataset_id)


def meta_item(dataset: Dataset) -> Item:
    """META of a new dataset."""
    key, binding = keys_of(dataset).meta, dataset.binding
    bound = {}
    if binding is not None:
        bound = {
            "embedding_model": binding.model_id,
            "template": binding.template,
            "aggregation": binding.aggregation.value,
        }
    return {
        **bound,
        "pk": key.pk,
        "sk": key.sk,
        "tenant_id": dataset.tenant_id,
        "dataset_id": dataset.dataset_id,
        "scope": dataset.scope,
        "name": dataset.name,
        "dimension": dataset.dimension,
        "metric": dataset.metric.value,
        "created_at": dataset.created_at,
        "hash_key": dataset.hash_key,
        "target_recall": dataset.target_recall,
        **({"follows": True} if dataset.follows else {}),
    }


def parse_meta(item: Item) -> Dataset:
    """META as stored."""
    return Dataset(
        tenant_id=item["tenant_id"],
        dataset_id=item["dataset_id"],
        scope=item["scope"],
        name=item["name"],
        dimension=int(item["dimension"]),
        metric=Metric(item["metric"]),
        created_at=float(item["created_at"]),
        hash_key=bytes(item["hash_key"]),
        target_recall=float(item["target_recall"]),
        binding=_binding(item),
        follows=bool(item.get("follows")),
    )


def _binding(item: Item) -> Binding | None:
    if item.get("embedding_model") is None:
        return None
    return Binding(item["embedding_model"], item.get("template"), Aggregation(item["aggregation"]))


def new_head_item(keys: DatasetKeys) -> Item:
    """HEAD of a dataset without a commit."""
    return {
        "pk": keys.head.pk,
        "sk": keys.head.sk,
        "version": 0,
        "state": "live",
        "fence": 0,
        "watermark": 0,
        "row_count": 0,
        "reserved_total": 0,
        "log_bytes": 0,
        "delta_bytes": 0,
    }


def parse_head(item: Item) -> Head:
    """HEAD as stored."""
    return Head(
        version=int(item["version"]),
        state=item["state"],
        fence=int(item["fence"]),
        manifest=item.get("manifest"),
        manifest_sha256=item.get("manifest_sha256"),
        watermark=int(item["watermark"]),
        row_count=int(item["row_count"]),
        reserved_total=int(item["reserved_total"]),
        log_bytes=int(item["log_bytes"]),
        delta_bytes=int(item["delta_bytes"]),
        lease_owner=item.get("lease_owner"),
        lease_until=float(item.get("lease_until", 0)),
        build_owner=item.get("build_owner"),
        build_until=float(item.get("build_until", 0)),
        build_inputs=tuple(item.get("build_inputs", ())),
        last_indexed_at=item.get("last_indexed_at"),
        error_message=item.get("error_message"),
        flat_rows=int(item.get("flat_rows", item["row_count"])),
        cell_sets=int(item.get("cell_sets", 0)),
        open_imports=int(item.get("open_imports", 0)),
        recall=item.get("recall"),
        compacted_by=item.get("compacted_by"),
        followed=bool(item.get("followed")),
    )


def read_head(ports: Ports, keys: DatasetKeys) -> Head | None:
    """HEAD as it is now; None where there is no such dataset."""
    item = ports.table.get(keys.head)
    return parse_head(item) if item else None


@dataclass(frozen=True, slots=True)
class Swap:
    """What a commit puts into HEAD: a stored manifest, and the figures that readers want without opening it.

    `compacted_by` is the compaction whose commit it is.
    """

    manifest: Manifest
    manifest_key: str
    manifest_sha256: str
    log_bytes: int
    error_message: str | None
    ends_build: bool = False
    compacted_by: str | None = None


def swap_head(ports: Ports, keys: DatasetKeys, *, read: Head, fence: int, swap: Swap) -> bool:
    """Make a manifest the current one, if nothing has changed since `read`; whether it did.

    False means that somebody else committed, took the lease, deleted the dataset, or started or ended a build:
    resolve again against what is there now.
    """
    nothing_committed_since = Compare("version", "=", read.version)
    still_live = Compare("state", "=", "live")
    lease_not_taken_over = Compare("fence", "=", fence)
    # A build that began since `read` counts on shards that this commit may have folded away.
    same_build: Condition = (
        Compare("build_owner", "=", read.build_owner) if read.build_owner else Absent("build_owner")
    )
    manifest = swap.manifest
    actions: list[Action] = [
        Assign("version", manifest.version),
        Assign("manifest", swap.manifest_key),
        Assign("manifest_sha256", swap.manifest_sha256),
        Assign("watermark", manifest.watermark),
        Assign("row_count", manifest.row_count),
        Assign("reserved_total", manifest.reserved_total),
        Assign("log_bytes", swap.log_bytes),
        Assign("delta_bytes", manifest.delta_bytes),
        Assign("flat_rows", manifest.flat_rows),
        Assign("cell_sets", len(manifest.cell_sets)),
        Assign("open_imports", len(manifest.open_imports)),
        Assign("recall", manifest.recall_summary),
        Assign("last_indexed_at", manifest.created_at),
        Assign("error_message", swap.error_message) if swap.error_message else Drop("error_message"),
    ]
    if swap.ends_build:
        actions += [Drop("build_owner"), Drop("build_until"), Drop("build_inputs")]
    if swap.compacted_by:
        actions.append(Assign("compacted_by", swap.compacted_by))
    condition = AllOf((nothing_committed_since, still_live, lease_not_taken_over, same_build))
    try:
        retry_busy(lambda: ports.table.update(keys.head, actions, condition=condition))
    except ConditionFailed as lost:
        # An attempt whose answer was lost is made again by the client: the swap that is there may be ours.
        return lost.item is not None and lost.item.get("manifest") == swap.manifest_key
    return True
