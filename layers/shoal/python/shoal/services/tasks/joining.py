"""A place in the line of a family. Places are numbered without gaps: counter, place and task change in one
transaction, which fails where somebody else has moved the counter.
"""

from collections.abc import Callable
from dataclasses import replace

from shoal.errors import ConditionFailed, LimitReached, NotFound, StorageBusy, TransactionCancelled, TryAgain
from shoal.model.ids import new_token, transaction_token
from shoal.model.tasks import Task
from shoal.services.retry import retry_busy
from shoal.services.tasks.family import parse_family, read_family
from shoal.services.tasks.items import parse_task
from shoal.storage.keys import TASKS, FamilyKeys
from shoal.storage.ports import (
    Absent,
    Assign,
    Compare,
    Condition,
    Drop,
    Item,
    Ports,
    PutItem,
    UpdateItem,
    Write,
)

MAX_WAITING_TASKS = 1000
MAX_WAITING_BYTES = 256 * 1000 * 1000
"""Of the bodies of the tasks of one family that wait."""
_RETRY_SECONDS = 5
_ATTEMPTS = 16


def join_line(
    ports: Ports, keys: FamilyKeys, task: Task, *, size: int, writes: Callable[[Task], list[Write]]
) -> tuple[Task, bool]:
    """Give a task the next place of the line: the task with it, or the one that stands in the way, and whether it
    joined.

    Args:
        ports: where.
        keys: of the family.
        task: the task, without its place.
        size: bytes of its body.
        writes: what stores the task with its place; the first of them fails where that is not possible, and its
            item is the task that is there then.

    Raises:
        LimitReached: code `backlog_full`.
        NotFound: code `task_not_found`: the first of `writes` failed where there is no task.
        TryAgain: the task has no place.
    """
    found, joined = _until_settled(ports, keys, task, size, writes)
    # An attempt whose answer was lost stands in its own way.
    ours = (found.body_key, found.attempt, found.created_at) == (task.body_key, task.attempt, task.created_at)
    return found, joined or ours


def _until_settled(
    ports: Ports, keys: FamilyKeys, task: Task, size: int, writes: Callable[[Task], list[Write]]
) -> tuple[Task, bool]:
    def attempt() -> tuple[Task, bool]:
        settled = _attempt(ports, keys, task, size, writes)
        if settled is None:
            raise StorageBusy("somebody else took the place")
        return settled

    try:
        return retry_busy(attempt, attempts=_ATTEMPTS)
    except StorageBusy as busy:
        raise TryAgain("the line of tasks is busy; send the request again") from busy


def _attempt(
    ports: Ports, keys: FamilyKeys, task: Task, size: int, writes: Callable[[Task], list[Write]]
) -> tuple[Task, bool] | None:
    """The task with its place, or the one that is in the way; None where somebody has moved the counter."""
    found = {item["sk"]: item for item in ports.table.batch_get([keys.counter, keys.state])}
    counter, state = found.get(keys.counter.sk), parse_family(found.get(keys.state.sk))
    last = int(counter["next"]) if counter else 0
    bytes_before = int(counter["bytes"]) if counter else 0
    waiting, bytes_waiting = last - state.done, bytes_before - state.bytes_done
    if waiting >= MAX_WAITING_TASKS or bytes_waiting + size > MAX_WAITING_BYTES:
        raise _backlog_full(waiting, bytes_waiting)
    place = last + 1
    placed = replace(task, place=place)
    not_moved: Condition = Compare("next", "=", last) if counter else Absent("pk")
    actions = (
        Assign("next", place),
        Assign("bytes", bytes_before + size),
        Assign("taken_at", ports.clock()),
        Assign("gsi1pk", TASKS),
        Assign("gsi1sk", f"{keys.counter.pk}#{keys.family}"),
    )
    line_place: Item = {
        "pk": keys.place(place).pk,
        "sk": keys.place(place).sk,
        "place": place,
        "kind": task.kind.value,
        "task_id": task.task_id,
        "size": size,
        "bytes": bytes_before + size,
    }
    transaction: list[Write] = [
        *writes(placed),
        UpdateItem(keys.counter, actions, condition=not_moved),
        PutItem(line_place, condition=Absent("pk")),
    ]
    try:
        ports.table.transact(transaction, token=transaction_token("line", new_token()))
    except TransactionCancelled as lost:
        if not lost.failed[0]:
            return None
        if lost.items[0] is None:
            raise NotFound("task_not_found", f"Task with ID `{task.task_id}` not found") from lost
        return parse_task(lost.items[0]), False
    return placed, True


def _backlog_full(waiting: int, bytes_waiting: int) -> LimitReached:
    return LimitReached(
        "backlog_full",
        "too many tasks wait to be done; send this one again later",
        retry_after=_RETRY_SECONDS,
        details={"tasks_waiting": waiting, "bytes_waiting": bytes_waiting},
    )


def unlist_line(ports: Ports, keys: FamilyKeys) -> bool:
    """Take a line off the sweep's list, if all that ever joined it is dealt with; whether it is."""
    counter = retry_busy(lambda: ports.table.get(keys.counter))
    if counter is None:
        return True
    last = int(counter["next"])
    if last > read_family(ports, keys).done:
        return False
    try:
        retry_busy(
            lambda: ports.table.update(
                keys.counter, [Drop("gsi1pk"), Drop("gsi1sk")], condition=Compare("next", "=", last)
            )
        )
    except ConditionFailed:
        return False
    return True
