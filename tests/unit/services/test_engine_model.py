"""The engine against a dictionary: any order of writes, commits and builds ends in the same state.

Invariants of the design tried here: 2 (applied in order), 4 (one version, whole), 5 (exact counts).
"""

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shoal.model.datasets import Metric
from tests.unit.services.world import Record, World

IDS = [f"id-{number}" for number in range(12)]
values = st.tuples(*[st.integers(-8, 8).map(float)] * 3)
batches = st.dictionaries(st.sampled_from(IDS), values, min_size=1, max_size=6)


class EngineAgainstDictionary(RuleBasedStateMachine):
    """`acknowledged` is what all accepted writes come to; `visible` what those applied so far come to."""

    @initialize(metric=st.sampled_from([Metric.L2, Metric.DOT]))
    def begin(self, metric: Metric) -> None:
        self.world = World()
        self.dataset = self.world.create(dimension=3, metric=metric)
        self.acknowledged: dict[str, Record] = {}
        self.visible: dict[str, Record] = {}
        self.step = 0

    @rule(batch=batches)
    def upsert(self, batch: dict[str, tuple[float, ...]]) -> None:
        self.step += 1
        records: dict[str, Record] = {name: (vector, {"step": self.step}) for name, vector in batch.items()}
        self.world.upsert(self.dataset, records)
        self.acknowledged = {**self.acknowledged, **records}

    @rule(ids=st.sets(st.sampled_from(IDS), min_size=1, max_size=5))
    def delete(self, ids: set[str]) -> None:
        self.world.delete(self.dataset, ids)
        self.acknowledged = {name: kept for name, kept in self.acknowledged.items() if name not in ids}

    @rule()
    def commit(self) -> None:
        self.world.drain(self.dataset)
        self.visible = dict(self.acknowledged)
        head = self.world.head(self.dataset)
        assert head.row_count == len(self.visible)

    @rule()
    def build(self) -> None:
        self.world.build(self.dataset)

    @invariant()
    def fetch_is_exact(self) -> None:
        if self.step:
            assert self.world.stored(self.dataset, IDS) == self.visible

    @invariant()
    def query_is_exact(self) -> None:
        if not self.step:
            return
        query = np.array([1.0, -2.0, 3.0], dtype=np.float32)
        answer = self.world.query(self.dataset, query, top_k=5)
        expected = []
        for vector, _ in self.visible.values():
            stored = np.array(vector, dtype=np.float32)
            if self.dataset.metric is Metric.L2:
                expected.append(float(((stored - query) ** 2).sum()))
            else:
                expected.append(-float(stored @ query))
        best = sorted(expected)[:5]
        sign = 1 if self.dataset.metric is Metric.L2 else -1
        np.testing.assert_allclose(
            [sign * match.score for match in answer.matches], best, rtol=1e-5, atol=1e-4
        )
        for match in answer.matches:
            assert match.id in self.visible


EngineAgainstDictionary.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestEngineAgainstDictionary = EngineAgainstDictionary.TestCase
