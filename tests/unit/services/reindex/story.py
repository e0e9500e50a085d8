"""A reindex during which anything may happen: tasks come, workers and steps die anywhere, searches go on.

The dice are those of a seed. What must be true at any moment is what the line says: the active collection holds
the documents as they are after some of its tasks, never fewer than it has held before, whichever collection it is.
"""

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from shoal.errors import Conflict, ShoalError
from shoal.model.bindings import Family
from shoal.model.datasets import Dataset
from shoal.model.tasks import TaskKind, TaskStatus
from shoal.services.collections.blue import blue_of
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.reindex.ending import cancel_reindex
from shoal.services.reindex.starting import restart_reindex
from shoal.services.tasks.accept import DeleteBody, TaskBody, UpsertBody, accept
from shoal.services.tasks.items import read_task
from shoal.services.tasks.reconcile import reconcile_families
from shoal.services.tasks.worker import work
from shoal.storage.memory.faults import Call, Fault, Faults, SimulatedCrash
from shoal.storage.ports import Ports
from tests.unit.services.reindex.models import NEW, OLD
from tests.unit.services.reindex.world import Documents, TextWorld, no_pause, numbered

IDS = [f"doc-{number}" for number in range(10)]
CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)
RARE, OFTEN = 0.01, 0.06


@dataclass
class Story:
    """One run. `faults` are how likely a call of a step or a worker is its last, or is not answered."""

    seed: int
    in_cells: bool = False
    faults: float = RARE
    cancels: bool = False
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.world = TextWorld(in_cells=self.in_cells)
        self.before = numbered(6, words=10)
        self.world.source(self.before)
        self.bodies: dict[tuple[TaskKind, str], Documents | list[str]] = {}
        self.seen = 0
        self.wrong: list[str] = []
        self.acting = False
        self.cancelled = False
        self.old_named = True

    # --- what the line says

    def states(self) -> list[Documents]:
        """The documents after each task of the line, in its order; before them those that were there first."""
        placed: list[tuple[int, Documents | list[str]]] = []
        for (kind, task_id), body in self.bodies.items():
            task = read_task(self.world.ports, self.world.tenant_id, kind, task_id)
            if task is not None and task.place is not None:
                placed.append((task.place, body))
        found = [dict(self.before)]
        for _, body in sorted(placed, key=lambda one: one[0]):
            now = dict(found[-1])
            if isinstance(body, dict):
                now |= body
            else:
                for name in body:
                    now.pop(name, None)
            found.append(now)
        return found

    # --- what happens

    def ask(self) -> None:
        """A task comes."""
        words = self.dice.choice([2, 5, 12, 30])
        names = self.dice.sample(IDS, self.dice.randint(1, 3))
        deletes = self.dice.random() < 0.3
        number = len(self.bodies)
        kind, body = TaskKind.DELETION, cast("TaskBody", DeleteBody(names))
        told: Documents | list[str] = names
        if not deletes:
            title = " ".join(f"{number}-{n}" for n in range(words))
            told = {name: {"title": f"{name} {title}"} for name in names}
            kind = TaskKind.UPSERTION
            body = UpsertBody([{"object_id": name, "payload": payload} for name, payload in told.items()])
        if self.old_named and self.dice.random() < 0.3:
            kind = TaskKind.INTERNAL_DELETION if deletes else TaskKind.INTERNAL_UPSERTION
        task_id = f"task-{number}"
        self.bodies[kind, task_id] = told
        with suppress(ShoalError, SimulatedCrash):
            accept(
                self.process(self.faults / 2),
                self.world.tenant_id,
                kind=kind,
                family=Family.ITEMS,
                model_id=OLD.model_id,
                asked_as=OLD.model_id,
                task_id=task_id,
                body=body,
            )

    def work(self, rate: float | None = None) -> None:
        """A worker does what is due, until it dies."""
        ports = self.process(self.faults if rate is None else rate)
        with suppress(ShoalError, SimulatedCrash):
            work(
                ports,
                self.world.embedder(ports),
                self.world.tenant_id,
                Family.ITEMS,
                owner="story",
                pause=no_pause,
                threads=1,
            )

    def index(self) -> None:
        """Some log is applied."""
        with suppress(ShoalError):
            self.world.drain(self.world.found(self.dice.choice([OLD, NEW])))

    def wait(self) -> None:
        self.world.clock.pass_seconds(self.dice.choice([1, 5, 30]))

    def tidy(self) -> None:
        """The sweep comes by."""
        ports = self.process(self.faults)
        with suppress(ShoalError, SimulatedCrash):
            reconcile_imports(ports)
            reconcile_families(ports)

    def cancel(self) -> None:
        with suppress(ShoalError, SimulatedCrash):
            cancel_reindex(self.process(self.faults), self.world.tenant_id, "reindex-1")
            self.cancelled = True

    def look(self) -> None:
        """Somebody searches: what is found is what the line says, and not less than the time before.

        What is wrong is kept: within a step of the workflow an error is only one of its failures.
        """
        blue = blue_of(self.world.ports, self.world.tenant_id, Family.ITEMS)
        assert blue is not None
        rows = self.world.records(blue)
        states = self.states()
        later = range(self.seen, len(states))
        fitting = [number for number in later if rows == self.world.expected(blue, states[number])]
        if not fitting:
            self.wrong.append(f"{blue.name} holds nothing that the line says after {self.seen} tasks")
            return
        self.seen = fitting[0]
        try:
            answer = self.world.query(blue, np.ones(blue.dimension, dtype=np.float32), top_k=3)
        except ShoalError as error:
            self.wrong.append(f"a search of {blue.name} failed: {error}")
            return
        if not {match.id for match in answer.matches} <= rows.keys():
            self.wrong.append(f"a search of {blue.name} finds what is not there")

    def write_and_look(self) -> None:
        """Somebody sees what has just been written to the old collection, before the new one has applied it."""
        self.ask()
        self.work(0.0)
        with suppress(ShoalError):
            self.world.drain(self.world.found(OLD))
        self.look()

    def act(self) -> None:
        """Something happens."""
        if self.acting:
            return
        self.acting = True
        try:
            chances: list[tuple[float, Callable[[], None]]] = [
                (5, self.ask),
                (4, self.work),
                (4, self.index),
                (2, self.look),
                (1, self.wait),
                (1, self.tidy),
                (0.3 if self.cancels else 0, self.cancel),
            ]
            (chosen,) = self.dice.choices([act for _, act in chances], [weight for weight, _ in chances])
            self.told.append(chosen.__name__)
            chosen()
        finally:
            self.acting = False

    def process(self, rate: float, *, interrupted: bool = False) -> Ports:
        """The ports of a process that may die, or be interrupted by whatever else happens."""

        def at_call(_: Call) -> Fault | None:
            if interrupted and self.dice.random() < 0.03:
                self.act()
            if self.dice.random() >= rate:
                return None
            return self.dice.choice([*CRASHES, Fault.BUSY_AFTER, Fault.TWICE])

        return self.world.process(Faults(at_call))

    # --- the whole of it

    def tell(self) -> None:
        """Let it all happen, and see that it ends well."""
        for _ in range(self.dice.randint(0, 4)):
            self.act()
        if self.dice.random() < 0.3:  # written, but not applied when the reindex begins
            self.ask()
            self.work()
        with suppress(ShoalError, SimulatedCrash):
            self.world.reindex(ports=self.process(self.faults), deploy_as_blue=True)
        self.world.clock.pass_seconds(100)
        reconcile_families(self.world.ports)
        if not self.world.has_task():
            self.world.reindex(deploy_as_blue=True)
        for attempt in range(6):
            if attempt == 3:
                self.faults, self.cancels = 0.0, False
            if self.world.task().status is TaskStatus.PROCESSING:
                self.world.run(invoke=self.invoke, meanwhile=self.meanwhile)
            self.tidy_up()
            if self.world.task().status is TaskStatus.DONE:
                break
            with suppress(Conflict):
                restart_reindex(self.world.ports, self.world.tenant_id, "reindex-1")
            self.old_named = True
        self.check()

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        self.told.append(str(payload["step"]))
        if payload["step"] in ("commit", "fail", "deploy"):
            self.old_named = False  # who names the old collection from now on means that one
        for _ in range(self.dice.randint(0, 3)):
            self.act()
        if payload["step"] == "deploy":
            self.write_and_look()
        answer = self.world.step(self.process(self.faults, interrupted=True), function, payload)
        if payload["step"] == "deploy":
            self.look()
        return answer

    def meanwhile(self) -> None:
        self.work(0.0)
        for _ in range(self.dice.randint(0, 3)):
            self.act()

    def tidy_up(self) -> None:
        """Nothing more comes; all that waits is done."""
        for _ in range(6):
            self.world.rest()
            self.work(0.0)
            self.world.settle_down()

    def check(self) -> None:
        task = self.world.task()
        assert task.status is TaskStatus.DONE, f"{self}: {task}"
        for _ in range(self.dice.randint(0, 3)):
            self.ask()
        self.tidy_up()
        documents = self.states()[-1]
        dest: Dataset = self.world.found(NEW)
        assert self.world.blue() == NEW.model_id
        assert self.world.records(dest) == self.world.expected(dest, documents), str(self)
        state = self.world.state()
        assert (state.reindexes, state.waiting) == ((), ())
        for kind, task_id in self.bodies:
            found = read_task(self.world.ports, self.world.tenant_id, kind, task_id)
            assert found is None or found.status is TaskStatus.DONE, f"{self}: {found}"
        self.look()
        assert not self.wrong, f"{self}: {self.wrong}"

    def __str__(self) -> str:
        return f"seed {self.seed}: {' '.join(self.told)}"
