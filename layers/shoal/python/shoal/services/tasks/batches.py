"""Batches: the tasks of a line cut into pieces of a size that is good to embed and to write, in their order.

Small tasks that store objects in one collection share a batch; a large one has several. Nothing is written here.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from shoal.errors import LimitReached, ModelBusy, ModelError, NotFound, RequestError
from shoal.model.bindings import MAX_PARTS, MAX_PAYLOAD_BYTES, Aggregation
from shoal.model.datasets import Dataset
from shoal.model.embedding_models import Provider
from shoal.model.tasks import FailedObject, Task, TaskStatus
from shoal.services.collections.objects import object_of_json
from shoal.services.embedding import Embedder
from shoal.services.tasks.due import Due, Hopeless, Planner, Work
from shoal.services.tasks.entries import LogEntry
from shoal.services.tasks.preparing import (
    ModelProblem,
    Prepared,
    prepare_deletion,
    prepare_given,
    prepare_texts,
)
from shoal.storage.ports import UpdateItem

BATCH_SECONDS = 10.0
"""That a model takes for one batch: a worker that has to stop is not to lose more."""
LEAST_OBJECTS = 16
_HELD_SECONDS = 30
"""A line waits so long for a model that does not say how long."""
_ROW_BYTES = 200
_CHARACTERS_A_TOKEN = 3
"""At least that many, for a guess of how many parts a text will have."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large batches are: `objects`, and the `size` in bytes of what they are expected to put into one log.
    Tasks of up to `shared_objects` share one, up to `shared_tasks` of them.
    """

    objects: int = 1000
    size: int = 8 * 1000 * 1000
    shared_objects: int = 200
    shared_tasks: int = 40


type Present = Callable[[Dataset, Sequence[str]], Collection[str] | None]
"""Which of some objects a collection has, all that was written so far applied; None where that takes too long."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What becomes of a task when a batch is written: `count` more of its objects are done, some of them `failed`.

    `status` is the one that it has then; `detail` says why, where it failed.
    """

    task: Task
    status: TaskStatus
    model_id: str
    count: int = 0
    failed: tuple[FailedObject, ...] = ()
    truncated: int = 0
    tokens: int = 0
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written at once. `passed` is the last place of the line that is dealt with then."""

    entries: Sequence[LogEntry] = ()
    counts: Sequence[UpdateItem] = ()
    progress: Sequence[Progress] = ()
    passed: Due | None = None


class Barrier:
    """Asks for all batches before it to be written before the next one is made."""


class Held(Exception):
    """The line has to wait with this task: for a model, or for storage."""

    def __init__(self, task: Task, detail: str, *, seconds: int) -> None:
        super().__init__(detail)
        self.task = task
        self.detail = detail
        self.seconds = seconds


@dataclass(slots=True)
class _Shared:
    """Small tasks that are to share a batch."""

    sizes: Sizes
    works: list[Work] = field(default_factory=list)
    objects: int = 0

    def takes(self, work: Work, *, most: int) -> bool:
        """Whether there is room for one more among so many objects, and it is for the same collection."""
        return not self.works or (
            self.objects + work.task.total <= most
            and len(self.works) < self.sizes.shared_tasks
            and work.collection.dataset_id == self.works[0].collection.dataset_id
            and work.task.vector_quota == self.works[0].task.vector_quota
        )

    def add(self, work: Work) -> None:
        """Take one more."""
        self.works.append(work)
        self.objects += work.task.total


class Batches:
    """Makes the batches of some places of a line, as of one reading of the family."""

    def __init__(
        self,
        embedder: Embedder,
        planner: Planner,
        *,
        present: Present,
        out_of_time: Callable[[], bool],
        sizes: Sizes,
        alone: bool,
    ) -> None:
        """`alone`: no task shares a batch. Nothing more is made once it is `out_of_time`."""
        self._embedder = embedder
        self._planner = planner
        self._present = present
        self._out_of_time = out_of_time
        self._sizes = sizes
        self._alone = alone
        self._passed: Due | None = None
        self.cut_short = False

    def of(self, due: Sequence[Due]) -> Iterator[Batch | Barrier]:
        """The batches, each to be written before the next.

        Raises:
            Held: the line has to wait, with all batches before written.
            StorageError: storage failed.
        """
        shared = _Shared(self._sizes)
        self._planner.read_ahead(due)
        for one in due:
            if self._out_of_time():
                self.cut_short = True
                break
            if one.task is None:
                if not shared.works:
                    self._passed = one
                continue
            planned = self._planner.plan(one, one.task)
            if isinstance(planned, Work) and self._shares(planned):
                if not shared.takes(planned, most=self._most_objects(planned)):
                    yield from self._written_together(shared.works)
                    shared = _Shared(self._sizes)
                shared.add(planned)
                continue
            yield from self._written_together(shared.works)
            shared = _Shared(self._sizes)
            if not self.cut_short:
                yield from self._of_one(planned)
            if self.cut_short:
                return
        yield from self._written_together(shared.works)
        if not self.cut_short:
            self._passed = due[-1] if due else None
            yield Batch(passed=self._passed)

    # --- one task ------------------------------------------------------------------------------------------

    def _of_one(self, work: Work | Hopeless) -> Iterator[Batch | Barrier]:
        """The batches of a task of its own; no more of the line may be made where it is `cut_short`."""
        if isinstance(work, Hopeless):
            yield self._failed(work.due, work.task, work.task.model_id, work.detail)
            return
        task, model_id = work.task, work.collection.name
        start = task.processed
        if start >= len(work.body.lines):
            self._passed = work.due
            yield Batch(progress=[Progress(task, TaskStatus.DONE, model_id)], passed=work.due)
            return
        if task.status is TaskStatus.PENDING and self._takes_long(work):
            yield Batch(progress=[Progress(task, TaskStatus.PROCESSING, model_id)], passed=self._passed)
        while start < len(work.body.lines):
            if self._out_of_time():
                self.cut_short = True
                return
            stop = self._stop(work, start)
            if work.body.operation == "insert":
                yield Barrier()
            try:
                prepared = self._prepared(work, start, stop)
            except (LimitReached, ModelError, NotFound) as error:
                if isinstance(error, ModelBusy):
                    raise _held(task, error) from error
                yield self._failed(work.due, task, model_id, _why(error))
                return
            last = stop == len(work.body.lines)
            if last:
                self._passed = work.due
            progress = Progress(
                task,
                TaskStatus.DONE if last else TaskStatus.PROCESSING,
                model_id,
                stop - start,
                tuple(failure for _, failure in prepared.failed),
                len(prepared.cut),
                prepared.tokens,
            )
            yield Batch(prepared.entries, prepared.counts, [progress], self._passed)
            start = stop

    def _takes_long(self, work: Work) -> bool:
        """Whether somebody may look at the task before it is done."""
        if work.body.operation == "delete" or work.body.with_vectors:
            return len(work.body.lines) > self._sizes.objects
        paid = any(self._provider(target.dataset) is not Provider.STATIC for target in work.targets)
        return paid or len(work.body.lines) > self._sizes.shared_objects

    def _provider(self, dataset: Dataset) -> Provider | None:
        binding = dataset.binding
        model = None if binding is None else self._embedder.registry.get(binding.model_id)
        return None if model is None else model.provider

    def _most_objects(self, work: Work) -> int:
        """How many objects a batch has at most, for the models that read them."""
        most = self._sizes.objects
        for target in work.targets:
            model = self._embedder.registry.get(target.dataset.name)
            if model is not None:
                most = min(most, max(LEAST_OBJECTS, int(model.texts_per_second * BATCH_SECONDS)))
                most = min(most, self._embedder.texts_at_once(model.model_id) or most)
        return most

    def _stop(self, work: Work, start: int) -> int:
        """Up to where the next batch of a task goes."""
        lines = work.body.lines
        if work.body.operation == "delete":
            return min(len(lines), start + self._sizes.objects)
        most, room = self._most_objects(work), self._sizes.size
        row, longest = 0, 0
        for target in work.targets:
            dataset, model = target.dataset, self._embedder.registry.get(target.dataset.name)
            row = max(row, dataset.dimension * 4 + _ROW_BYTES)
            if model is None:
                continue
            if dataset.binding is not None and dataset.binding.aggregation is Aggregation.MIN:
                longest = min(longest or model.max_tokens, model.max_tokens)
        of_one_part = longest * _CHARACTERS_A_TOKEN or MAX_PAYLOAD_BYTES
        stop = start
        while stop < len(lines) and stop - start < most:
            size = len(lines[stop])
            # About what the object puts into the log that gets most of it: each part carries the payload.
            room -= (row + size) * min(MAX_PARTS, 1 + size // of_one_part)
            if room < 0 and stop > start:
                break
            stop += 1
        return stop

    def _prepared(self, work: Work, start: int, stop: int) -> Prepared:
        """What some of the objects of a task become.

        Raises:
            Held: the model of the destination of a reindex cannot be asked: the reindex will fail of it as well.
            LimitReached, ModelError, NotFound: the model of the collection.
        """
        targets = self._planner.targets_of(work.collection)
        if not targets:
            raise NotFound(
                "collection_not_found", f"the collection of {work.collection.name} has been deleted"
            )
        found: list[Any] = [orjson.loads(line) for line in work.body.lines[start:stop]]
        if work.body.operation == "delete":
            return prepare_deletion(targets, found)
        if work.body.with_vectors:
            prepared = self._given(work, found)
        else:
            objects = [object_of_json(one) for one in found]
            prepared = self._asked(work.task, lambda: prepare_texts(self._embedder, targets, objects))
        self._planner.has_parts(prepared.most_parts)
        return prepared

    def _given(self, work: Work, found: list[dict[str, Any]]) -> Prepared:
        """Of several objects with one id the last counts, or the first where only new ones are stored."""
        inserts = work.body.operation == "insert"
        places = {one["object_id"]: place for place, one in enumerate(found)}
        if inserts:
            places = {one["object_id"]: place for place, one in reversed(list(enumerate(found)))}
            present = self._present(work.collection, list(places))
            if present is None:
                raise Held(work.task, "waiting for what was written before to be indexed", seconds=2)
            places = {name: place for name, place in places.items() if name not in present}
        chosen = [found[place] for place in sorted(places.values())]
        targets = self._planner.targets_of(work.collection)
        return self._asked(work.task, lambda: prepare_given(self._embedder, targets, chosen))

    def _asked(self, task: Task, prepare: Callable[[], Prepared]) -> Prepared:
        try:
            return prepare()
        except ModelProblem as problem:
            raise _held(task, problem.cause) from problem

    # --- several tasks -------------------------------------------------------------------------------------

    def _shares(self, work: Work) -> bool:
        """Whether a task may share a batch."""
        return (
            not self._alone
            and work.body.operation == "upsert"
            and not work.body.with_vectors
            and not work.task.processed
            and 0 < work.task.total <= self._sizes.shared_objects
            and self._stop(work, 0) == work.task.total
        )

    def _written_together(self, works: Sequence[Work]) -> Iterator[Batch | Barrier]:
        """One batch of several tasks; each alone where the model has something against them."""
        if not works:
            return
        if len(works) > 1:
            try:
                yield self._together(works)
            except (LimitReached, ModelError, NotFound) as error:
                if isinstance(error, ModelBusy):
                    raise _held(works[0].task, error) from error
            else:
                return
        for work in works:
            yield from self._of_one(work)
            if self.cut_short:
                return

    def _together(self, works: Sequence[Work]) -> Batch:
        objects = [object_of_json(orjson.loads(line)) for work in works for line in work.body.lines]
        targets = self._planner.targets_of(works[0].collection)
        prepared = self._asked(works[0].task, lambda: prepare_texts(self._embedder, targets, objects))
        self._planner.has_parts(prepared.most_parts)
        progress: list[Progress] = []
        start, tokens_left = 0, prepared.tokens
        for work in works:
            stop = start + len(work.body.lines)
            failed = tuple(failure for place, failure in prepared.failed if start <= place < stop)
            tokens = prepared.tokens * (stop - start) // len(objects)
            tokens_left -= tokens
            cut = len({source.object_id for source in objects[start:stop]} & prepared.cut)
            progress.append(
                Progress(
                    work.task,
                    TaskStatus.DONE,
                    work.collection.name,
                    stop - start,
                    failed,
                    cut,
                    tokens + (tokens_left if work is works[-1] else 0),
                )
            )
            start = stop
        self._passed = works[-1].due
        return Batch(prepared.entries, prepared.counts, progress, self._passed)

    def _failed(self, due: Due, task: Task, model_id: str, detail: str) -> Batch:
        self._passed = due
        return Batch(progress=[Progress(task, TaskStatus.FAILED, model_id, detail=detail)], passed=due)


def _held(task: Task, error: RequestError | ModelError) -> Held:
    known = error.retry_after if isinstance(error, ModelBusy) else None
    return Held(task, f"waiting: {error.message}", seconds=known or _HELD_SECONDS)


def _why(error: RequestError | ModelError) -> str:
    """What a task that failed says; where that passes by itself, when it may be asked for again."""
    if isinstance(error, LimitReached):
        return f"{error.message}; restart the task then"
    return error.message
