"""Writing the batches of a line, each in one transaction with what becomes of its tasks."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from shoal.errors import LimitReached, NotFound, ShoalError, TransactionCancelled, TryAgain
from shoal.model.ids import new_token, transaction_token
from shoal.model.tasks import FailedObject, Task, TaskStatus
from shoal.services.heads import keys_of
from shoal.services.lease_items import Lease
from shoal.services.retry import retry_busy
from shoal.services.tasks.batches import Batch, Held, Progress
from shoal.services.tasks.due import Due
from shoal.services.tasks.entries import NotAsRead, enter_logs
from shoal.services.tasks.failures import read_failures, store_failures
from shoal.services.tasks.family import FamilyState, read_family, unchanged
from shoal.services.tasks.items import after_change, change
from shoal.services.waiting import Pause
from shoal.storage.keys import FamilyKeys
from shoal.storage.ports import Assign, CheckItem, Item, Ports, UpdateItem, Write

_log = logging.getLogger(__name__)
_SETTLE_SECONDS = 10.0
"""How long a vector quota that is used up is asked again while logs are applied: rows that replace others hold
quota until then."""
_PAUSE_SECONDS = 0.5
_SHORT_WAIT_SECONDS = 5
"""A log that has no room for longer than this is come back to later."""
_PLACE_KEPT_SECONDS = 86_400

type _Name = tuple[str, str]


class Stale(Exception):
    """Something is not as it was read."""


class TooMany(Stale):
    """Tasks that share a batch have to be written one by one."""


class Wanted(Exception):
    """Somebody has asked for the lease."""


class Lost(Exception):
    """The lease has been taken over."""


def read_state(ports: Ports, keys: FamilyKeys, lease: Lease) -> FamilyState:
    """The family as it is now.

    Raises:
        Lost: the lease has been taken over.
        Wanted: somebody has asked for it.
    """
    state = read_family(ports, keys)
    if state.fence != lease.fence:
        raise Lost
    if state.wanted_until > ports.clock():
        raise Wanted
    return state


class Writer:
    """Writes batches in their order, as of one reading of the family and of the tasks at some places."""

    def __init__(
        self,
        ports: Ports,
        keys: FamilyKeys,
        lease: Lease,
        state: FamilyState,
        due: Sequence[Due],
        *,
        deadline: float,
        pause: Pause,
    ) -> None:
        self._ports = ports
        self._keys = keys
        self._lease = lease
        self._state = state
        self._deadline = deadline
        self._pause = pause
        self._tasks = {_name(one.task): one.task for one in due if one.task is not None}
        self._failures: dict[_Name, list[FailedObject]] = {}
        self.done = state.done
        self.written = 0

    def write(self, batch: Batch) -> None:
        """Write one.

        Raises:
            Held: there is no room in a log.
            Lost, Wanted: as for `read_state`.
            Stale: nothing was written; read again.
            StorageError: storage failed.
        """
        moved = batch.passed is not None and batch.passed.place > self.done
        if not batch.entries and not batch.progress and not moved:
            return
        state = read_state(self._ports, self._keys, self._lease)
        if state.version != self._state.version:
            raise Stale
        listed = {_name(one.task): self._listed(one) for one in batch.progress if one.failed}
        changes: dict[_Name, dict[str, Any]] = {}
        now = self._ports.clock()

        def along(places: Mapping[str, int]) -> list[Write]:
            changes.update({_name(one.task): self._changes(one, places, listed) for one in batch.progress})
            of_tasks = [change(self._tasks[name], now=now, **fields) for name, fields in changes.items()]
            return [self._family(batch.passed), *batch.counts, *of_tasks]

        while True:
            try:
                enter_logs(
                    self._ports,
                    self._keys.tenant_id,
                    batch.entries,
                    vector_quota=batch.progress[0].task.vector_quota if batch.progress else None,
                    along=along,
                )
                break
            except LimitReached as error:
                self._wait_for_room(batch, error, since=now)
            except (NotAsRead, NotFound, TryAgain) as error:
                _log.info("batch not written", extra={"reason": str(error)})
                raise Stale from error
        for name, fields in changes.items():
            self._tasks[name] = after_change(self._tasks[name], now=now, **fields)
        self.written += 1
        if moved and batch.passed is not None:
            self.done = batch.passed.place

    def note(self, held: Held) -> None:
        """Have a task say what it waits for; where that does not work it says nothing."""
        task = self._tasks.get(_name(held.task))
        if task is None or task.detail == held.detail:
            return
        said = change(task, now=self._ports.clock(), detail=held.detail)
        writes: list[Write] = [unchanged(self._keys, self._lease, self._state), said]
        try:
            self._ports.table.transact(writes, token=transaction_token("note", new_token()))
        except ShoalError:
            return

    def forget_places(self, due: Sequence[Due]) -> None:
        """Have the places that are dealt with expire; they are not read any more."""
        expires_at = int(self._ports.clock()) + _PLACE_KEPT_SECONDS
        keys = [(one.place, self._keys.place(one.place)) for one in due if one.place <= self.done]
        items: list[Item] = [
            {"pk": key.pk, "sk": key.sk, "place": place, "expires_at": expires_at} for place, key in keys
        ]
        try:
            self._ports.table.batch_put(items)
        except ShoalError:
            _log.info("places are left", extra={"tenant_id": self._keys.tenant_id, "places": len(items)})

    # --- what goes along -----------------------------------------------------------------------------------

    def _family(self, passed: Due | None) -> Write:
        """That the family is as it was read; how far the line is done, where that changes."""
        check: CheckItem = unchanged(self._keys, self._lease, self._state)
        if passed is None or passed.place <= self.done:
            return check
        actions = (Assign("done", passed.place), Assign("bytes_done", passed.bytes_so_far))
        return UpdateItem(check.key, actions, condition=check.condition)

    def _changes(
        self, progress: Progress, places: Mapping[str, int], listed: Mapping[_Name, tuple[str, str]]
    ) -> dict[str, Any]:
        name = _name(progress.task)
        task = self._tasks[name]
        fields: dict[str, Any] = {
            "status": progress.status,
            "model_id": progress.model_id,
            "processed": task.processed + progress.count,
            "truncated": task.truncated + progress.truncated,
            "tokens": task.tokens + progress.tokens,
            "written": task.written | {dataset: task.written.get(dataset, 0) + 1 for dataset in places},
            "sequences": task.sequences | dict(places),
            "detail": progress.detail,
        }
        if progress.failed:
            fields["failed"] = task.failed + len(progress.failed)
            fields["failed_key"], fields["failed_sha256"] = listed[name]
        return fields

    def _listed(self, progress: Progress) -> tuple[str, str]:
        """Store what a task could not do, with what it could not do before."""
        name = _name(progress.task)
        task = self._tasks[name]
        known = self._failures.get(name)
        if known is None:
            known = read_failures(self._ports, task)
        self._failures[name] = [*known, *progress.failed]
        return store_failures(self._ports, task, self._failures[name])

    # --- no room -------------------------------------------------------------------------------------------

    def _wait_for_room(self, batch: Batch, error: LimitReached, *, since: float) -> None:
        """Let time pass where a log or a quota may have room soon.

        Raises:
            Held: it will take longer than we have.
            Stale: tasks have to be written one by one; or the only one has failed.
        """
        task = batch.progress[0].task
        now = self._ports.clock()
        if error.code == "backlog_full":
            if error.retry_after > _SHORT_WAIT_SECONDS or now + _PAUSE_SECONDS >= self._deadline:
                raise Held(task, f"waiting: {error.message}", seconds=error.retry_after) from error
        elif now - since >= _SETTLE_SECONDS or now >= self._deadline or not self._behind(batch):
            if len(batch.progress) > 1:
                raise TooMany from error
            self._fail(task, f"{error.message}; restart the task once there is room")
            raise Stale from error
        self._pause(_PAUSE_SECONDS)

    def _fail(self, task: Task, detail: str) -> None:
        failed = change(
            self._tasks[_name(task)], now=self._ports.clock(), status=TaskStatus.FAILED, detail=detail
        )
        writes: list[Write] = [unchanged(self._keys, self._lease, self._state), failed]
        with suppress(TransactionCancelled):  # read again it will be, either way
            token = transaction_token("fail", new_token())
            retry_busy(lambda: self._ports.table.transact(writes, token=token))

    def _behind(self, batch: Batch) -> bool:
        """Whether a log that the batch goes to has something that is not applied."""
        for entry in batch.entries:
            keys = keys_of(entry.dataset)
            found = {item["sk"]: item for item in self._ports.table.batch_get([keys.head, keys.sequence])}
            head, counter = found.get(keys.head.sk), found.get(keys.sequence.sk)
            if head is not None and counter is not None and int(counter["next"]) > int(head["watermark"]):
                return True
        return False


def _name(task: Task) -> _Name:
    return task.kind.value, task.task_id
