"""A line of tasks in a TextWorld: accepted, done by workers of any luck, and what must have come of them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson

from shoal.embedding.text_models import Embedded, Purpose
from shoal.errors import ShoalError
from shoal.model.bindings import Family
from shoal.model.datasets import Dataset
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.tasks import Task, TaskKind, TaskStatus
from shoal.services.collections.given import given_objects
from shoal.services.tasks import lookup
from shoal.services.tasks.accept import DeleteBody, ObjectsBody, TaskBody, UpsertBody, accept
from shoal.services.tasks.batches import Sizes
from shoal.services.tasks.bodies import decode_body, encode_body
from shoal.services.tasks.family import LEASE_SECONDS as LINE_LEASE_SECONDS
from shoal.services.tasks.family import Pair, with_pair, without_pair
from shoal.services.tasks.items import read_task
from shoal.services.tasks.reconcile import reconcile_families
from shoal.services.tasks.worker import work
from shoal.storage.keys import TenantKeys
from shoal.storage.memory.faults import SimulatedCrash
from shoal.storage.ports import Drop, Ports
from tests.unit.services.reindex.models import OLD, THIRD, FakeModel, FakeModels
from tests.unit.services.reindex.world import TextWorld
from tests.unit.services.world import Clock, Record

type Operation = Literal["upsert", "delete", "set", "insert"]
"""`set` and `insert` are of objects that bring their vectors."""
SMALL = Sizes(objects=3, shared_objects=2, shared_tasks=3)
CANNOT = "cannot"
"""A text with this word in it fails."""
NOT_IN_THIRD = "not-in-third"
"""A text with this word in it fails in the model `third` alone."""
ALL_KINDS = (
    TaskKind.UPSERTION,
    TaskKind.DELETION,
    TaskKind.INTERNAL_UPSERTION,
    TaskKind.INTERNAL_DELETION,
    TaskKind.OBJECTS,
)


class PickyModel(FakeModel):
    """One that does not take every text."""

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Embedded:
        found = super().embed(texts, purpose=purpose)
        refused = {CANNOT, NOT_IN_THIRD} if self.spec == THIRD else {CANNOT}
        failed = {place: "not here" for place, text in enumerate(texts) if refused & set(text.split())}
        return replace(found, failed={**found.failed, **failed})


class PickyModels(FakeModels):
    """The models of a line."""

    def open(self, model_id: str) -> PickyModel:
        return PickyModel(self.registry.find(model_id), self.told)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a task asks for, in order: the operation, and of each object its id and its payload (None: deleted)."""

    operation: Operation
    objects: tuple[tuple[str, Mapping[str, Any] | None], ...]

    def body(self, dimension: int) -> TaskBody:
        """As a request would have it."""
        if self.operation == "delete":
            return DeleteBody([name for name, _ in self.objects])
        found = [{"object_id": name, "payload": payload} for name, payload in self.objects]
        if self.operation == "upsert":
            return UpsertBody(found)
        parts = [
            {**one, "parts": [{"vector": [float(len(name))] * dimension}] * (1 + len(payload or {}))}
            for one, (name, payload) in zip(found, self.objects, strict=True)
        ]
        return ObjectsBody("upsert" if self.operation == "set" else "insert", parts)


@dataclass(slots=True)
class Attempt:
    """One place of the line: what was asked there, how much of it was done, and in which collection. `done` is
    None for as long as the task may still be done.
    """

    place: int
    task_id: str
    kind: TaskKind
    asked: Asked
    done: int | None = None
    model_id: str = ""
    from_pair: int = 0
    to_pair: int | None = None


class Ticking(Clock):
    """A clock on which every look takes a while."""

    tick = 0.0

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


@dataclass
class LineWorld(TextWorld):
    """A TextWorld with a line of items."""

    clock: Ticking = field(default_factory=Ticking)
    quota: int | None = 1_000_000
    attempts: list[Attempt] = field(default_factory=list)
    pair: Dataset | None = None
    pair_ended: bool = False
    models: FakeModels = field(default_factory=PickyModels)

    # --- what happens

    def accept(
        self,
        asked: Asked,
        *,
        task_id: str | None = None,
        ports: Ports | None = None,
        model: EmbeddingModel | None = None,
    ) -> Task:
        """Ask for something: of the active collection, or of that of a model."""
        kind = self.kind_of(asked, public=model is None)
        to = model or OLD
        return accept(
            ports or self.ports,
            self.tenant_id,
            kind=kind,
            family=Family.ITEMS,
            model_id=to.model_id,
            asked_as=to.model_id,
            task_id=task_id or f"task-{len(self.attempts)}",
            body=asked.body(to.dimension),
            vector_quota=self.quota,
        )

    def ask(
        self,
        asked: Asked,
        *,
        task_id: str | None = None,
        ports: Ports | None = None,
        model: EmbeddingModel | None = None,
    ) -> Task | None:
        """As `accept`, and note what became of it, whoever died."""
        task_id = task_id or f"task-{len(self.attempts)}"
        kind = self.kind_of(asked, public=model is None)
        before = read_task(self.ports, self.tenant_id, kind, task_id)
        told: Task | None = None
        with suppress(ShoalError, SimulatedCrash):
            told = self.accept(asked, task_id=task_id, ports=ports, model=model)
        stored = read_task(self.ports, self.tenant_id, kind, task_id)
        assert stored is not None or told is None, "acknowledged and lost"
        if before is None and stored is not None:
            assert stored.place is not None
            self.attempts.append(Attempt(stored.place, task_id, kind, asked))
        return told

    @staticmethod
    def kind_of(asked: Asked, *, public: bool) -> TaskKind:
        """What sort of task it is."""
        match asked.operation:
            case "set" | "insert":
                return TaskKind.OBJECTS
            case "upsert":
                return TaskKind.UPSERTION if public else TaskKind.INTERNAL_UPSERTION
            case "delete":
                return TaskKind.DELETION if public else TaskKind.INTERNAL_DELETION

    def work(
        self, *, ports: Ports | None = None, sizes: Sizes = SMALL, budget: float = 60.0, tick: float = 0.0
    ) -> None:
        """A worker, with any luck; each look at the clock takes it `tick` seconds."""
        self.clock.tick = tick
        with suppress(ShoalError, SimulatedCrash):
            work(
                ports or self.ports,
                self.embedder(ports),
                self.tenant_id,
                Family.ITEMS,
                owner="test",
                budget_seconds=budget,
                pause=self.pause,
                threads=1,
                sizes=sizes,
            )
        self.clock.tick = 0.0

    def pause(self, seconds: float) -> None:
        """While a worker waits, logs are applied."""
        self.clock.pass_seconds(max(seconds, 0.01))
        self.drain_all()

    def cancel(self, attempt: Attempt) -> None:
        with suppress(ShoalError):
            lookup.cancel_task(self.ports, self.tenant_id, [attempt.kind], attempt.task_id)

    def restart(self, attempt: Attempt) -> None:
        """Have a task done again, where that may be asked for; what it did before is noted."""
        before = self.task_of(attempt)
        newest = max(
            (
                known
                for known in self.attempts
                if known.task_id == attempt.task_id and known.kind is attempt.kind
            ),
            key=lambda known: known.place,
        )
        with suppress(ShoalError):
            again = lookup.restart_task(self.ports, self.tenant_id, [attempt.kind], attempt.task_id)
            newest.done, newest.model_id = before.processed, before.model_id
            assert again.place is not None
            self.attempts.append(Attempt(again.place, attempt.task_id, attempt.kind, attempt.asked))

    def task_of(self, attempt: Attempt) -> Task:
        task = read_task(self.ports, self.tenant_id, attempt.kind, attempt.task_id)
        assert task is not None
        return task

    def begin_pair(self, source: EmbeddingModel, dest: EmbeddingModel) -> None:
        """What a reindex of nothing does when it begins: from here on, writes reach the destination as well."""
        self.pair = self.collection(dest)
        pair = Pair("r", "imp_" + "0" * 32, self.found(source).dataset_id, self.pair.dataset_id)
        for attempt in self.attempts:
            attempt.from_pair = self.progress(attempt)
        self.table.transact([with_pair(self.family, self.state(), pair)], token="with")
        # The sweep would find that there is no such reindex.
        self.table.update(self.family.state, [Drop("gsi1pk"), Drop("gsi1sk")])

    def end_pair(self) -> None:
        for attempt in self.attempts:
            attempt.to_pair = self.progress(attempt)
        self.table.transact([without_pair(self.family, self.state(), "r")], token="without")
        self.pair_ended = True

    def progress(self, attempt: Attempt) -> int:
        if attempt.done is not None:
            return attempt.done
        return self.task_of(attempt).processed

    # --- what must have come of it

    def settle_line(self) -> None:
        """Let leases run out, and do what the sweep finds."""
        for _ in range(6):
            self.clock.pass_seconds(100 + LINE_LEASE_SECONDS)
            reconcile_families(self.ports)
            while messages := self.tasks.receive():
                self.work()
                for message in messages:
                    self.tasks.delete(message.receipt)
            self.rest()

    def check(self) -> None:
        """Everything accepted is done, once and in order, and nothing else is there."""
        self.settle_line()
        counter = self.table.get(self.family.counter)
        last = int(counter["next"]) if counter else 0
        state = self.state()
        assert state.done == last == len(self.attempts), "a task is stuck"
        assert sorted(attempt.place for attempt in self.attempts) == list(range(1, last + 1))
        assert state.lease_owner is None or state.lease_until < self.clock()
        assert counter is None or "gsi1pk" not in counter
        shown = {(task.kind, task.task_id): task for kind in ALL_KINDS for task in self.listed(kind)}
        for attempt in self.attempts:
            task = shown[attempt.kind, attempt.task_id]
            assert task.status.terminal
            if attempt.done is None:
                attempt.done, attempt.model_id = task.processed, task.model_id
                assert task.status is not TaskStatus.DONE or task.processed == task.total
                assert task.failed == len(lookup.failed_objects(self.ports, task))
        rows = 0
        for model_id, documents in self.oracle().items():
            dataset = self.found(self.models.registry[model_id])
            expected = self.rows_of(dataset, documents)
            assert self.records(dataset) == expected
            rows += len(expected)
        quota = self.table.get(TenantKeys(self.tenant_id).quota)
        assert self.quota is None or int(quota["used"] if quota else 0) == rows

    def listed(self, kind: TaskKind) -> list[Task]:
        return lookup.list_tasks(self.ports, self.tenant_id, kind, limit=1000)

    def oracle(self) -> dict[str, dict[str, tuple[Operation, Mapping[str, Any]]]]:
        """The objects of every collection, each as it was last written: all tasks in order, one by one."""
        found: dict[str, dict[str, tuple[Operation, Mapping[str, Any]]]] = {
            dataset.name: {} for dataset in self.live()
        }
        for attempt in sorted(self.attempts, key=lambda one: one.place):
            stop_pair = len(attempt.asked.objects) if attempt.to_pair is None else attempt.to_pair
            if attempt.to_pair is None and self.pair_ended:
                stop_pair = 0
            for place, (name, payload) in enumerate(attempt.asked.objects[: attempt.done]):
                into = found[attempt.model_id]
                operation = attempt.asked.operation
                if payload is None:
                    into.pop(name, None)
                elif operation == "insert" and name in into:
                    continue
                elif operation in {"set", "insert"} or self.embeds(payload, attempt.model_id):
                    into[name] = (operation, payload)
                else:
                    continue
                paired = attempt.model_id == OLD.model_id and attempt.from_pair <= place < stop_pair
                if self.pair is not None and paired:
                    other = found[self.pair.name]
                    if payload is not None and self.embeds(payload, self.pair.name):
                        other[name] = ("upsert", payload)
                    else:
                        other.pop(name, None)
        return found

    @staticmethod
    def embeds(payload: Mapping[str, Any], model_id: str) -> bool:
        """Whether a model takes the text of a payload."""
        words = str(payload.get("title", "")).split()
        refused = {CANNOT, NOT_IN_THIRD} if model_id == THIRD.model_id else {CANNOT}
        return bool(words) and not refused & set(words)

    def rows_of(
        self, dataset: Dataset, documents: Mapping[str, tuple[Operation, Mapping[str, Any]]]
    ) -> dict[str, Record]:
        """The rows that objects are, made one by one."""
        rows: dict[str, Record] = {}
        for name, (operation, payload) in documents.items():
            if operation == "upsert":
                rows |= self.expected(dataset, {name: dict(payload)})
                continue
            data, _ = encode_body(Asked("set", ((name, payload),)).body(dataset.dimension), dataset)
            found = given_objects(dataset, [orjson.loads(line) for line in decode_body(data).lines])
            made = zip(found.ids, found.vectors.tolist(), found.metadata, strict=True)
            rows |= {row: (tuple(values), orjson.loads(metadata)) for row, values, metadata in made}
        return rows
