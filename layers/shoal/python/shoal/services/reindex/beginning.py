"""Second of a reindex: one that waits begins, where no other is in its way; or it is refused."""

import logging
from dataclasses import replace

from shoal.errors import Conflict, NotFound, RequestError, ShoalError, TransactionCancelled
from shoal.model.bindings import Aggregation
from shoal.model.datasets import Dataset
from shoal.model.ids import new_import_id, new_token, transaction_token
from shoal.model.reindexes import MAX_REINDEXES, ReindexSettings
from shoal.model.tasks import Task, TaskStatus
from shoal.services.collections.blue import is_live, read_blue
from shoal.services.collections.catalog import create_collection, delete_collection, find_collection
from shoal.services.heads import keys_of, read_head
from shoal.services.reindex.launching import launch
from shoal.services.reindex.lookup import read_reindex, settings_of
from shoal.services.retry import retry_busy
from shoal.services.sequence import or_try_again
from shoal.services.tasks.family import FamilyState, Pair, read_family, with_pair, without_waiting
from shoal.services.tasks.items import after_change, change, change_now, family_keys_of
from shoal.storage.keys import FamilyKeys
from shoal.storage.ports import Ports, Write

_log = logging.getLogger(__name__)
_ATTEMPTS = 10


def begin_waiting(ports: Ports, keys: FamilyKeys) -> int:
    """Begin the reindexes of a family that wait and need not any more, those first that came first; how many."""
    begun = 0
    for task_id in read_family(ports, keys).waiting:
        task = read_reindex(ports, keys.tenant_id, task_id)
        if task is None:
            _wait_no_more(ports, keys, task_id)
        elif begin(ports, task).status is not TaskStatus.PENDING:
            begun += 1
    return begun


def begin(ports: Ports, task: Task) -> Task:
    """Begin a reindex that waits; the task as it is then.

    Where another is in its way it goes on waiting, if it was asked to, and is refused otherwise. It is refused too
    where one of its collections is not as it must be any more.

    Raises:
        StorageBusy, TryAgain: it goes on later.
    """
    for _ in range(_ATTEMPTS):
        if task.status is not TaskStatus.PENDING:
            return task
        try:
            moved = _begun(ports, task)
        except RequestError as wrong:
            moved = _refused(ports, task, wrong.message)
        if moved is not None:
            return moved
        task = read_reindex(ports, task.tenant_id, task.task_id) or task
    return task


def _begun(ports: Ports, task: Task) -> Task | None:
    """The task once it has begun, or where it has to wait; None where something was not as read: look again."""
    keys, settings = family_keys_of(task), settings_of(task)
    state = read_family(ports, keys)
    source = find_collection(ports, task.tenant_id, task.family, settings.source)
    dest = find_dest(ports, task)
    in_the_way = _in_the_way(state, source, dest)
    if in_the_way is not None:
        return task if settings.wait_on_conflict else _refused(ports, task, in_the_way)
    check_dest(ports, keys, dest, settings)
    if dest is None or not is_empty(ports, dest):
        _make_dest(ports, task, source, dest)
        return None
    pair = Pair(task.task_id, new_import_id(ports.clock()), source.dataset_id, dest.dataset_id)
    changes = {
        "status": TaskStatus.PROCESSING,
        "settings": replace(
            settings, import_id=pair.import_id, source_id=pair.source, dest_id=pair.dest
        ).stored(),
    }
    now = ports.clock()
    writes: list[Write] = [
        with_pair(keys, state, pair),
        change(task, now=now, **changes),
        is_live(keys_of(source)),
        is_live(keys_of(dest)),
    ]
    try:
        or_try_again(lambda: ports.table.transact(writes, token=transaction_token("pair", pair.import_id)))
    except TransactionCancelled:
        return None
    task = after_change(task, now=now, **changes)
    _log.info("reindex begun", extra={"task_id": task.task_id, "import_id": pair.import_id})
    try:
        launch(ports, task)
    except ShoalError:
        _log.warning("reindex left to the sweep", extra={"task_id": task.task_id})
    return task


def _in_the_way(state: FamilyState, source: Dataset, dest: Dataset | None) -> str | None:
    """Why a reindex cannot begin now, in words; None where it can."""
    for end, dataset in (("source", source), ("destination", dest)):
        pair = state.pair_of(dataset.dataset_id) if dataset else None
        if pair is not None:
            return f"the {end} takes part in another reindex ({pair.task_id})"
    if len(state.reindexes) >= MAX_REINDEXES:
        return f"{MAX_REINDEXES} reindexes of the family are under way"
    return None


# --- the destination ---------------------------------------------------------------------------------------


def find_dest(ports: Ports, task: Task) -> Dataset | None:
    """The collection that a reindex fills; None where it has to be made."""
    try:
        return find_collection(ports, task.tenant_id, task.family, settings_of(task).dest.model_id)
    except NotFound:
        return None


def is_empty(ports: Ports, dataset: Dataset) -> bool:
    """Whether nothing is in a dataset, nor on its way there."""
    keys = keys_of(dataset)
    head = read_head(ports, keys)
    counter = retry_busy(lambda: ports.table.get(keys.sequence))
    waiting = counter is not None and head is not None and int(counter["next"]) > head.watermark
    return head is not None and not head.row_count and not waiting


def check_dest(ports: Ports, keys: FamilyKeys, dest: Dataset | None, settings: ReindexSettings) -> None:
    """See that a destination is empty, or may be emptied.

    Objects that are not in the source would stay for ever, and parts of those that are.

    Raises:
        Conflict: `destination_not_empty`, `collection_is_blue`.
    """
    if dest is None or is_empty(ports, dest):
        return
    name = settings.dest.model_id
    if not settings.replace and settings.dest_id != dest.dataset_id:
        raise Conflict(
            "destination_not_empty",
            f'the collection of {name} holds objects already: to have it made anew, send "replace": true',
        )
    blue = read_blue(ports, keys)
    if blue is not None and blue.dataset_id == dest.dataset_id:
        raise Conflict(
            "collection_is_blue", f"the collection of {name} is the active one (blue), and cannot be replaced"
        )


def _make_dest(ports: Ports, task: Task, source: Dataset, dest: Dataset | None) -> None:
    """Make the destination, in the place of the one that is there. What is going to be done is written down first.

    Its text is made as in the one that it replaces, or as in the source.
    """
    settings = settings_of(task)
    binding = dest.binding if dest is not None else source.binding
    replaces = dest.dataset_id if dest is not None else settings.replaces
    if not settings.makes or settings.replaces != replaces:
        known = settings.aggregation is not None or binding is None
        settings = replace(
            settings,
            makes=True,
            replaces=replaces,
            template=settings.template if known else binding.template if binding else None,
            aggregation=settings.aggregation if known else binding.aggregation if binding else None,
        )
        if change_now(ports, task, settings=settings.stored()) is None:
            return
    model = settings.dest
    try:
        if dest is not None:
            delete_collection(ports, task.tenant_id, task.family, model.model_id)
        create_collection(
            ports,
            task.tenant_id,
            task.family,
            model,
            template=settings.template,
            aggregation=settings.aggregation or Aggregation.MIN,
        )
    except (Conflict, NotFound) as other:
        if other.code == "collection_is_blue":
            raise
        _log.info("somebody else was faster", extra={"task_id": task.task_id, "reason": other.code})


# --- how it waits no more ----------------------------------------------------------------------------------


def _refused(ports: Ports, task: Task, detail: str) -> Task | None:
    """The task, refused; None where something was not as read."""
    return stop_waiting(ports, task, TaskStatus.REFUSED, detail)


def stop_waiting(ports: Ports, task: Task, status: TaskStatus, detail: str | None) -> Task | None:
    """End a reindex that has not begun; None where something was not as read."""
    keys = family_keys_of(task)
    state = read_family(ports, keys)
    now = ports.clock()
    changes = {"status": status, "detail": detail}
    writes: list[Write] = [without_waiting(keys, state, task.task_id), change(task, now=now, **changes)]
    token = transaction_token("not begun", new_token())
    try:
        or_try_again(lambda: ports.table.transact(writes, token=token))
    except TransactionCancelled:
        return None
    return after_change(task, now=now, **changes)


def _wait_no_more(ports: Ports, keys: FamilyKeys, task_id: str) -> None:
    """Take a task off the list that is not there any more."""
    state = read_family(ports, keys)
    try:
        write = without_waiting(keys, state, task_id)
        retry_busy(lambda: ports.table.update(write.key, write.actions, condition=write.condition))
    except ShoalError:
        _log.info("left to the next sweep", extra={"task_id": task_id})
