"""Step `plan`: which version of the source is embedded, and in which pieces."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import floor
from typing import Any

from shoal.errors import ImportRejected, ImportStopped, NotFound, StorageBusy
from shoal.model.datasets import Dataset
from shoal.model.embedding_models import EmbeddingModel, ModelRegistry
from shoal.model.import_work import Plan
from shoal.model.reindex_work import EmbedItem, SourceVersion, grouped, rows_an_item
from shoal.model.tasks import TaskStatus
from shoal.services.applied import wait_for_log
from shoal.services.collections.counts import read_counts
from shoal.services.heads import keys_of
from shoal.services.imports.workspace import Step, Workspace
from shoal.services.pipeline.sample_sizes import sample_shares
from shoal.services.reindex.lookup import Reindex, find_reindex, is_there, read_dataset
from shoal.services.reindex.version import count_objects, open_version, parts_of
from shoal.services.snapshot import Snapshot
from shoal.services.tasks.items import change_now
from shoal.services.waiting import Pause
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Assign, Ports

_log = logging.getLogger(__name__)
SOURCE_DELETED = "the source has been deleted"
_CHANGES = 10


def plan_with(registry: ModelRegistry, *, seconds: float, pause: Pause) -> Step:
    """The step, for a process that waits so long for the log of the source."""

    def plan(work: Workspace, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
        """Take a version and deal its rows out: ``{"items_key", "items"}``, the object that lists the pieces, and
        how many there are.

        Raises:
            ImportRejected: the source is gone, or the model.
            ImportStopped: the reindex has ended.
            StorageBusy: what was written to the source before is not applied yet; another attempt waits on.
        """
        found = reindex_of(work)
        version = work.recorded("source", SourceVersion)
        if version is None:
            counts = partial(_objects_in, work.ports)
            version = take_version(work, found.pair.source, counts, seconds=seconds, pause=pause)
        planned = work.recorded("plan", Plan)
        if planned is None:
            source = source_of(work.ports, work.job.tenant_id, version)
            items = _items(work.ports, source, version, _spec(registry, found), work.dataset)
            made = Plan(chunks=len(items), items_key=work.put_items("items", items))
            planned, _ = work.record("plan", made)
        _tell(work, found, version, planned.chunks)
        return {"items_key": planned.items_key, "items": planned.chunks}

    return plan


def reindex_of(work: Workspace) -> Reindex:
    """The reindex that the import belongs to.

    Raises:
        ImportStopped: it has ended.
    """
    found = find_reindex(work.ports, work.job.import_id)
    if found is None or found.task.status is not TaskStatus.PROCESSING:
        raise ImportStopped("the reindex has ended")
    return found


def source_of(ports: Ports, tenant_id: str, version: SourceVersion) -> Dataset:
    """The dataset that is embedded.

    Raises:
        ImportRejected: it has been deleted.
    """
    keys = DatasetKeys(tenant_id, version.dataset_id)
    dataset = read_dataset(ports, keys)
    if dataset is None or not is_there(ports, keys):
        raise ImportRejected(SOURCE_DELETED)
    return dataset


def take_version(
    work: Workspace,
    source_id: str,
    count: Callable[[Snapshot], int],
    *,
    seconds: float,
    pause: Pause,
) -> SourceVersion:
    """A version of the source in which all is that was in its log when the import was open already.

    Args:
        work: the import.
        source_id: the dataset that is embedded.
        count: how many objects there are to be embedded.
        seconds: how long to wait for the log of the source.
        pause: how to wait.

    Raises:
        ImportRejected: the source is gone.
        StorageBusy: its log is not applied yet; another attempt waits on.
    """
    ports, keys = work.ports, DatasetKeys(work.job.tenant_id, source_id)
    try:
        head = wait_for_log(ports, keys, seconds=seconds, pause=pause)
    except NotFound:
        raise ImportRejected(SOURCE_DELETED) from None
    if head is None:
        raise StorageBusy("the import waits for what was written to its source")
    made = SourceVersion(
        dataset_id=source_id,
        version=head.version,
        manifest=head.manifest,
        manifest_sha256=head.manifest_sha256,
        objects=0,
        watermark=head.watermark,
    )
    snapshot = open_version(ports, source_of(ports, work.job.tenant_id, made), made)
    objects = count(snapshot) if snapshot else 0
    return work.record("source", made.model_copy(update={"objects": objects}))[0]


def _objects_in(ports: Ports, snapshot: Snapshot) -> int:
    """What comes after the version is taken, the line writes to the destination as well."""
    several = read_counts(ports, keys_of(snapshot.dataset)).most_parts > 1
    return count_objects(snapshot, many_parts=several)


def _spec(registry: ModelRegistry, found: Reindex) -> EmbeddingModel:
    """The model of the destination, as it is by now."""
    model_id = found.settings.dest.model_id
    try:
        return registry.find(model_id)
    except NotFound as gone:
        raise ImportRejected(gone.message) from gone


def _items(
    ports: Ports, source: Dataset, version: SourceVersion, spec: EmbeddingModel, dest: Dataset
) -> list[EmbedItem]:
    snapshot = open_version(ports, source, version)
    return items_of(snapshot, version.objects, spec, dest.dimension) if snapshot and version.objects else []


def items_of(
    snapshot: Snapshot, objects: int, spec: EmbeddingModel, dimension: int, **limits: int
) -> list[EmbedItem]:
    """The pieces of a version. `limits`: as `model.reindex_work.grouped` takes them, for tests."""
    # Rows of further parts take no embedding, but are not told apart before they are read.
    rows = max(1, snapshot.manifest.row_count // max(objects, 1)) * rows_an_item(objects, spec)
    return pieces_of(snapshot, rows, objects=objects, dimension=dimension, **limits)


def pieces_of(
    snapshot: Snapshot, rows: int, *, objects: int, dimension: int, **limits: int
) -> list[EmbedItem]:
    """The pieces of a version in which so many objects are, of at most so many rows each."""
    groups = list(grouped(list(parts_of(snapshot, rows, **limits)), rows, **limits))
    sizes = [sum(part.rows for part in group) for group in groups]
    samples: Sequence[int] = sample_shares(sizes, dimension=dimension, rows=objects)
    return [
        EmbedItem(number=number, sources=tuple(part.source for part in group), sample_rows=sample)
        for number, (group, sample) in enumerate(zip(groups, samples, strict=True))
    ]


def _tell(work: Workspace, found: Reindex, version: SourceVersion, items: int) -> None:
    """Tell people how much there is to do, and the import how many objects may fail.

    Raises:
        ImportStopped: the reindex has ended.
    """
    share = found.settings.max_failed_share
    work.update(Assign("max_bad_records", floor(share * version.objects)))
    work.enter("embedding", total=items)
    for _ in range(_CHANGES):
        settings = replace(found.settings, items=items).stored()
        if change_now(work.ports, found.task, total=version.objects, settings=settings) is not None:
            return
        found = reindex_of(work)
    _log.warning("the task could not be told how much there is", extra={"task_id": found.task.task_id})
