"""Imports among other writes, against a dictionary: any order ends in what the log says (invariants 2, 3, 5)."""

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shoal.model.datasets import Metric
from shoal.model.imports import Import, ImportStatus
from shoal.services.imports.lifecycle import cancel_import
from tests.unit.services.imports.small import Named, begun, finished, validated
from tests.unit.services.world import Record, World

IDS = [f"id-{number}" for number in range(10)]
values = st.tuples(*[st.integers(-8, 8).map(float)] * 3)
batches = st.dictionaries(st.sampled_from(IDS), values, min_size=1, max_size=6)
files = st.lists(st.tuples(st.sampled_from(IDS), values), min_size=1, max_size=12)


class ImportsAgainstDictionary(RuleBasedStateMachine):
    """`written` is the step of each id's last write; an import's rows lose to writes after it began."""

    in_cells = False

    @initialize(metric=st.sampled_from(list(Metric)))
    def begin(self, metric: Metric) -> None:
        self.world = World()
        self.dataset = self.world.create(dimension=3, metric=metric)
        self.state: dict[str, Record] = {}
        self.written: dict[str, int] = {}
        self.open: list[tuple[Import, int, list[Named]]] = []
        self.step = 0
        self.all_applied = True

    @rule(batch=batches)
    def upsert(self, batch: dict[str, tuple[float, ...]]) -> None:
        self.step += 1
        records: dict[str, Record] = {
            name: (self.direction(vector), {"step": self.step}) for name, vector in batch.items()
        }
        self.world.upsert(self.dataset, records, quota=10_000)
        self.state.update(records)
        self.written.update(dict.fromkeys(records, self.step))
        self.all_applied = False

    def direction(self, vector: tuple[float, ...]) -> tuple[float, ...]:
        """A vector that any metric takes: a zero vector has no cosine."""
        return vector if any(vector) else (1.0, 0.0, 0.0)

    @rule(ids=st.sets(st.sampled_from(IDS), min_size=1, max_size=4))
    def delete(self, ids: set[str]) -> None:
        self.step += 1
        self.world.delete(self.dataset, ids)
        for name in ids:
            self.state.pop(name, None)
            self.written[name] = self.step
        self.all_applied = False

    @rule()
    def commit(self) -> None:
        self.world.drain(self.dataset)
        self.all_applied = True

    @rule()
    def build(self) -> None:
        self.world.build(self.dataset)

    @precondition(lambda self: len(self.open) < 3)
    @rule(file=files)
    def begin_import(self, file: list[tuple[str, tuple[float, ...]]]) -> None:
        self.step += 1
        records: list[Named] = [
            (name, (self.direction(vector), {"step": self.step, "line": line}))
            for line, (name, vector) in enumerate(file)
        ]
        job = begun(self.world, self.dataset, quota=10_000)
        validated(self.world, job, records)
        self.open.append((job, self.step, records))
        self.all_applied = False

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish_import(self, data: st.DataObject) -> None:
        job, began, records = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        done = finished(self.world, self.dataset, job, in_cells=self.in_cells)
        assert done.status is ImportStatus.COMPLETED
        for name, record in dict(records).items():
            if self.written.get(name, 0) < began:
                self.state[name] = record
                self.written[name] = began
        self.all_applied = True

    @precondition(lambda self: self.open)
    @rule()
    def cancel(self) -> None:
        job, _, _ = self.open.pop()
        assert cancel_import(self.world.ports, self.dataset, job.import_id).error_message == "cancelled"
        self.all_applied = False

    @invariant()
    def all_of_it_and_nothing_else(self) -> None:
        if not self.all_applied or not self.step:
            return
        assert self.world.stored(self.dataset, IDS) == self.state
        head = self.world.head(self.dataset)
        assert head.row_count == len(self.state)
        assert head.open_imports == len(self.open)
        if self.state:
            answer = self.world.query(self.dataset, np.array([1.0, -2.0, 3.0], dtype=np.float32), top_k=20)
            assert {match.id for match in answer.matches} == self.state.keys()


class CellsAgainstDictionary(ImportsAgainstDictionary):
    """The same with imports that become cells."""

    in_cells = True


patient = settings(
    max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
ImportsAgainstDictionary.TestCase.settings = patient
CellsAgainstDictionary.TestCase.settings = patient
TestImportsAgainstDictionary = ImportsAgainstDictionary.TestCase
TestCellsAgainstDictionary = CellsAgainstDictionary.TestCase
