"""Reading reindexes: by task, or where only the import's id is known."""

from dataclasses import dataclass

from shoal.model.datasets import Dataset
from shoal.model.imports import Import
from shoal.model.reindexes import ReindexSettings
from shoal.model.tasks import Task, TaskKind
from shoal.services.heads import parse_meta, read_head
from shoal.services.imports.lookup import find_import, read_import
from shoal.services.retry import retry_busy
from shoal.services.tasks.family import FamilyState, Pair, read_family
from shoal.services.tasks.items import family_keys_of, read_task
from shoal.storage.keys import DatasetKeys, FamilyKeys, ImportKeys
from shoal.storage.ports import Ports


@dataclass(frozen=True, slots=True)
class Reindex:
    """A reindex that has begun and not ended, as read once."""

    keys: FamilyKeys
    state: FamilyState
    pair: Pair
    task: Task
    settings: ReindexSettings
    job: Import


def settings_of(task: Task) -> ReindexSettings:
    """What a reindex was asked, and what has become of it."""
    return ReindexSettings.parse(task.settings)


def read_reindex(ports: Ports, tenant_id: str, task_id: str) -> Task | None:
    """The task as it is now; None where there is none."""
    return read_task(ports, tenant_id, TaskKind.REINDEX, task_id)


def find_reindex(ports: Ports, import_id: str) -> Reindex | None:
    """The reindex that an import belongs to; None where it has ended, or that is no import of a reindex."""
    job = find_import(ports, import_id)
    task = read_reindex(ports, job.tenant_id, job.task_id) if job and job.task_id else None
    if job is None or task is None:
        return None
    keys = family_keys_of(task)
    state = read_family(ports, keys)
    pair = next((pair for pair in state.reindexes if pair.import_id == import_id), None)
    if pair is None:
        return None
    return Reindex(keys, state, pair, task, settings_of(task), job)


def import_of(ports: Ports, task: Task) -> Import | None:
    """The import of the attempt at hand; None before there is one."""
    settings = settings_of(task)
    if settings.import_id is None or settings.dest_id is None:
        return None
    return read_import(ports, ImportKeys(task.tenant_id, settings.dest_id, settings.import_id))


def read_dataset(ports: Ports, keys: DatasetKeys) -> Dataset | None:
    """A dataset by its id, deleted or not; None where nothing is left of it."""
    meta = retry_busy(lambda: ports.table.get(keys.meta))
    return parse_meta(meta) if meta else None


def is_there(ports: Ports, keys: DatasetKeys) -> bool:
    """Whether a dataset is there and not deleted."""
    head = read_head(ports, keys)
    return head is not None and head.live
