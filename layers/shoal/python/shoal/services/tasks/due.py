"""The next tasks of a line: what each is to do, on which collection, and into which datasets that goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shoal.errors import CorruptObject, NotFound
from shoal.model.bindings import Family
from shoal.model.datasets import Dataset
from shoal.model.tasks import Task, TaskKind
from shoal.services.collections.blue import blue_of
from shoal.services.collections.catalog import find_collection
from shoal.services.collections.counts import parse_counts
from shoal.services.heads import parse_meta
from shoal.services.parallel import in_parallel
from shoal.services.retry import retry_busy
from shoal.services.tasks.bodies import StoredBody, read_body
from shoal.services.tasks.family import FamilyState
from shoal.services.tasks.items import parse_task
from shoal.services.tasks.preparing import Target
from shoal.storage.keys import DatasetKeys, FamilyKeys, TenantKeys
from shoal.storage.ports import Ports

AT_ONCE = 64
"""Places of the line that are read together."""
_READ_AHEAD_BYTES = 64 * 1024
"""A body up to this size is read together with the others."""
_PUBLIC = frozenset({TaskKind.UPSERTION, TaskKind.DELETION})


@dataclass(frozen=True, slots=True)
class Due:
    """One place of the line. `size` is that of the body, `bytes_so_far` that of all bodies up to here. `task` is
    None where there is nothing to do: it has ended, or has another place by now.
    """

    place: int
    size: int
    bytes_so_far: int
    task: Task | None


@dataclass(frozen=True, slots=True)
class Work:
    """A task that can be done."""

    due: Due
    task: Task
    body: StoredBody
    targets: tuple[Target, ...]

    @property
    def collection(self) -> Dataset:
        """The collection that it is for."""
        return self.targets[0].dataset


@dataclass(frozen=True, slots=True)
class Hopeless:
    """A task that cannot be done, and why."""

    due: Due
    task: Task
    detail: str


def read_due(ports: Ports, keys: FamilyKeys, state: FamilyState) -> list[Due]:
    """The places of the line after those that are dealt with, in order."""
    # What comes after a place from which on writes go elsewhere is read with the next reading of the family.
    last = state.done + AT_ONCE if state.same_until is None else min(state.same_until, state.done + AT_ONCE)
    start, stop = keys.place(state.done + 1), keys.place(last)
    places = retry_busy(lambda: ports.table.query(start.pk, start=start.sk, stop=stop.sk)).items
    wanted = {
        (str(item["kind"]), str(item["task_id"])): TenantKeys(keys.tenant_id).task(
            item["kind"], item["task_id"]
        )
        for item in places
    }
    found = retry_busy(lambda: ports.table.batch_get(list(wanted.values()))) if wanted else []
    tasks = {(task.kind.value, task.task_id): task for task in map(parse_task, found)}
    due: list[Due] = []
    for item in places:
        place = int(item["place"])
        if place != state.done + 1 + len(due):
            break  # a page that ends early
        task = tasks.get((item["kind"], item["task_id"]))
        if task is not None and (task.place != place or task.status.terminal):
            task = None
        due.append(Due(place, int(item["size"]), int(item["bytes"]), task))
    return due


class Planner:
    """Finds out what there is to do for tasks, as of one reading of the family."""

    def __init__(self, ports: Ports, keys: FamilyKeys, state: FamilyState, *, threads: int) -> None:
        self._ports = ports
        self._keys = keys
        self._family = Family(keys.family)
        self._state = state
        self._threads = threads
        self._targets: dict[str, tuple[Target, ...]] = {}
        self._coming: dict[str, int] = {}
        self._bodies: dict[int, StoredBody | CorruptObject | None] = {}

    def read_ahead(self, due: Sequence[Due]) -> None:
        """Read the small bodies of these places, side by side."""
        small = [one for one in due if one.task is not None and one.size <= _READ_AHEAD_BYTES]
        if self._threads == 1:
            bodies = [self._body(one) for one in small]
        else:
            bodies = in_parallel(self._body, small, threads=self._threads)
        self._bodies |= {one.place: body for one, body in zip(small, bodies, strict=True)}

    def _body(self, due: Due) -> StoredBody | CorruptObject | None:
        assert due.task is not None  # noqa: S101 - for the type
        try:
            return read_body(self._ports, due.task)
        except CorruptObject as error:
            return error

    def plan(self, due: Due, task: Task) -> Work | Hopeless:
        """What a task is to do.

        A public one goes to what is the active collection when it begins, and ends where it has begun.
        """
        collection = self._collection(task)
        if collection is None:
            missing = f"there is no collection of {self._family.value} of {task.model_id} any more"
            return Hopeless(due, task, missing)
        body = self._bodies.pop(due.place) if due.place in self._bodies else self._body(due)
        if body is None:
            return Hopeless(due, task, "what the task was given is not stored any more; send it again")
        if isinstance(body, CorruptObject):
            return Hopeless(due, task, f"what the task was given cannot be read: {body}")
        targets = self.targets_of(collection)
        if not targets:
            return Hopeless(due, task, f"the collection of {collection.name} has been deleted")
        return Work(due, task, body, targets)

    def _collection(self, task: Task) -> Dataset | None:
        if task.kind in _PUBLIC and not task.processed:
            return blue_of(self._ports, task.tenant_id, self._family)
        try:
            return find_collection(self._ports, task.tenant_id, self._family, task.model_id)
        except NotFound:
            return None

    def targets_of(self, collection: Dataset) -> tuple[Target, ...]:
        """Where writes to a collection go: nowhere once it is deleted, and else to what is made of it as well."""
        if collection.dataset_id not in self._targets:
            self._targets[collection.dataset_id] = self._read_targets(collection)
        return tuple(
            replace(target, most_parts=max(target.most_parts, self._coming.get(target.dataset.dataset_id, 0)))
            for target in self._targets[collection.dataset_id]
        )

    def _read_targets(self, collection: Dataset) -> tuple[Target, ...]:
        wanted = [
            DatasetKeys(collection.tenant_id, name) for name in self._state.targets(collection.dataset_id)
        ]
        items = {
            (item["pk"], item["sk"]): item
            for item in retry_busy(
                lambda: self._ports.table.batch_get(
                    [key for keys in wanted for key in (keys.meta, keys.head, keys.collection)]
                )
            )
        }
        targets: list[Target] = []
        for number, keys in enumerate(wanted):
            meta, head, counts = (
                items.get((key.pk, key.sk)) for key in (keys.meta, keys.head, keys.collection)
            )
            if meta is None or head is None or head["state"] != "live":
                if not number:
                    break
                continue  # its reindex has failed, or is about to
            known = parse_counts(counts).most_parts
            made = any(copy.dest == keys.dataset_id for copy in self._state.copies)
            targets.append(Target(parse_meta(meta), known, made))
        return tuple(targets)

    def has_parts(self, most_parts: Mapping[str, int]) -> None:
        """Note that objects of so many parts are on their way into datasets (by id)."""
        for dataset_id, parts in most_parts.items():
            self._coming[dataset_id] = max(parts, self._coming.get(dataset_id, 0))
