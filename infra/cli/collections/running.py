"""Tasks from their start to their end, with everything that is said on the way."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import batched

from infra.cli import output
from infra.cli.client import ShoalClient
from infra.cli.collections.display import Moment, View, moment_of
from infra.cli.collections.objects import MAX_TASK_OBJECTS
from infra.cli.collections.results import FailedItem, Family, TaskInfo, TaskKind
from infra.cli.failures import Busy, NotIndexedInTime
from infra.cli.imports.following import follow

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0
_BACKLOG = "backlog_full"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of objects that were sent: one task a batch. `seconds` are those until all could be found."""

    tasks: tuple[TaskInfo, ...]
    objects: int
    seconds: float

    @property
    def over(self) -> bool:
        """Nothing will change any more."""
        return all(task.over for task in self.tasks)

    @property
    def failed(self) -> int:
        """Objects that could not be done."""
        return sum(task.failed for task in self.tasks)

    @property
    def truncated(self) -> int:
        """Objects of whose text only the beginning is embedded."""
        return sum(task.truncated for task in self.tasks)

    @property
    def failed_items(self) -> tuple[FailedItem, ...]:
        """Those of them that the tasks name."""
        return tuple(item for task in self.tasks for item in task.failed_items)


def upsert_all(
    client: ShoalClient,
    batches: Iterable[Sequence[bytes]],
    shown: View,
    *,
    wait: bool,
    name: str | None = None,
    model_id: str | None = None,
    family: Family = Family.ITEMS,
    sleep: Callable[[float], None] = time.sleep,
) -> Written:
    """Send batches, each as a task, and follow them to their end; those with a `name` are NAME-1, NAME-2, ….

    Where more wait than the API takes, sending goes on when one of them is done. A task that fails stops none.
    """

    def send(batch: Sequence[bytes], number: int) -> TaskInfo:
        task_id = f"{name}-{number}" if name else None
        return client.tasks.upsert(batch, task_id=task_id, model_id=model_id, family=family)

    return _send_all(client, batches, send, shown, wait=wait, sleep=sleep, stage="embedding")


def delete_all(
    client: ShoalClient,
    object_ids: Sequence[str],
    shown: View,
    *,
    wait: bool,
    model_id: str | None = None,
    family: Family = Family.ITEMS,
    sleep: Callable[[float], None] = time.sleep,
) -> Written:
    """Delete any number of objects, in as few tasks as the limits allow."""

    def send(batch: Sequence[str], _: int) -> TaskInfo:
        return client.tasks.delete(batch, model_id=model_id, family=family)

    some = batched(object_ids, MAX_TASK_OBJECTS)
    return _send_all(client, some, send, shown, wait=wait, sleep=sleep, stage="deleting")


def _send_all[T: Sequence[object]](
    client: ShoalClient,
    batches: Iterable[T],
    send: Callable[[T, int], TaskInfo],
    shown: View,
    *,
    wait: bool,
    sleep: Callable[[float], None],
    stage: str,
) -> Written:
    began = time.monotonic()
    line = _Line(client, shown, stage=stage, sleep=sleep)
    objects = 0
    try:
        for number, batch in enumerate(batches, 1):
            while True:
                try:
                    task = send(batch, number)
                    break
                except Busy as busy:
                    if busy.code != _BACKLOG or not line.waiting:
                        raise
                    line.await_one()
            objects += len(batch)
            line.add(task, len(batch))
        while wait and line.waiting:
            line.await_one()
    except KeyboardInterrupt:
        output.note(f"\nwhat was sent, {objects:,} objects, goes on by itself: `shoal tasks list`")
        raise
    return Written(tuple(line.tasks), objects, time.monotonic() - began)


class _Line:
    """Tasks that are done one after the other, and how far they are together."""

    def __init__(
        self, client: ShoalClient, shown: View, *, stage: str, sleep: Callable[[float], None]
    ) -> None:
        self.tasks: list[TaskInfo] = []
        self._sizes: list[int] = []
        self._over = 0
        self._client, self._shown, self._stage, self._sleep = client, shown, stage, sleep

    @property
    def waiting(self) -> bool:
        """Whether one is not over yet."""
        return self._over < len(self.tasks)

    def add(self, task: TaskInfo, size: int) -> None:
        """One more at the end."""
        self.tasks.append(task)
        self._sizes.append(size)
        failed = sum(each.failed for each in self.tasks)
        self._shown.state(Moment("sending", sum(self._sizes), None, failed))

    def await_one(self) -> None:
        """Wait until the first that is not over is."""
        place = self._over
        task = self.tasks[place]
        kind = TaskKind(task.kind)
        for state in follow(lambda: self._client.tasks.get(kind, task.task_id), sleep=self._sleep):
            self.tasks[place] = state
            self._show(state.detail)
        self._over += 1

    def _show(self, detail: str | None) -> None:
        done = sum(self._sizes[: self._over])
        if self.waiting:
            done += min(self.tasks[self._over].count, self._sizes[self._over])
        failed = sum(task.failed for task in self.tasks)
        over = all(task.over for task in self.tasks)
        self._shown.state(Moment(self._stage, done, sum(self._sizes), failed, detail=detail, over=over))


def follow_task(client: ShoalClient, task: TaskInfo, shown: View) -> TaskInfo:
    """Follow a task to its end."""
    kind, last = TaskKind(task.kind), task
    try:
        for state in follow(lambda: client.tasks.get(kind, task.task_id)):
            shown.state(moment_of(state))
            last = state
    except KeyboardInterrupt:
        output.note("\nit goes on by itself:")
        output.note(f"  look: `shoal tasks show {task.task_id} --watch`")
        output.note(f"  end it: `shoal tasks cancel {task.task_id}`")
        raise
    return last


def await_end(
    client: ShoalClient,
    task: TaskInfo,
    *,
    timeout_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> TaskInfo:
    """The task once it is over.

    Raises:
        NotIndexedInTime: it is not, after so long.
    """
    began, pause = clock(), _FIRST_PAUSE_SECONDS
    while not task.over:
        if clock() - began > timeout_seconds:
            raise NotIndexedInTime(
                f"task {task.task_id} is still {task.status} after {timeout_seconds:.0f} s",
                hint=f"it goes on by itself: `shoal tasks show {task.task_id}`",
            )
        sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        task = client.tasks.get(TaskKind(task.kind), task.task_id)
    return task
