"""The engine against a dictionary: any order of writes, imports, commits, deaths, builds ends in the same state.

Invariants of the design tried here: 2 (applied in order), 3 (an import is one write), 4 (one version, whole),
5 (exact counts).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shoal.model.datasets import Metric
from shoal.model.ids import job_id
from shoal.model.imports import Import
from shoal.model.limits import GAP_SECONDS, LEASE_SECONDS
from shoal.model.selection import Selection
from shoal.model.writes import WriteCondition, newer_than
from shoal.services.heads import keys_of
from shoal.services.jobs import get_job
from shoal.services.matching import matching_rows
from shoal.services.winners import Shelf, spots_of
from shoal.services.write import Accepted
from shoal.storage.memory.faults import AtCall, Fault, Faults, SimulatedCrash
from tests.unit.services import write_oracle as oracle
from tests.unit.services.imports.small import begun, finished, validated
from tests.unit.services.world import World
from tests.unit.services.write_oracle import Oracle, Stored

IDS = [f"{letter}-{number}" for letter in "ab" for number in range(4)]
ids = st.sampled_from(IDS)
metadata = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["x", "y"]),
        "version": st.one_of(st.integers(0, 4), st.sampled_from([1.5, "1", "2", None, True])),
        "in": st.fixed_dictionaries({}, optional={"deep": st.integers(0, 1), "$gt": st.just(1)}),
    },
)
records = st.builds(
    Stored,
    st.tuples(*[st.integers(-8, 8).map(float)] * 3),
    metadata,
    st.sampled_from(["", "", "n", "m"]),
    st.sampled_from([b"", b"", "a text, é".encode()]),
)
batches = st.dictionaries(ids, records, min_size=1, max_size=6)
PATCHES: list[Mapping[str, Any]] = [
    {},
    {"kind": "y"},
    {"kind": None},
    {"version": 3},
    {"in": {"deep": 1}},
    {"in": {"deep": None, "$gt": 2}},
    {"in": {"new": {"gone": None, "kept": [1, None]}}},
    {"in": 7},
    {"$gt": {"$in": [1]}},
]
CONDITIONS: list[tuple[WriteCondition | None, Callable[[Stored, Stored], bool] | None]] = [
    (None, None),
    (WriteCondition("if_absent"), lambda _new, _old: False),
    (newer_than("version"), oracle.newer("version")),
]
FILTERS: list[tuple[Mapping[str, Any] | None, Callable[[Mapping[str, Any]], bool]]] = [
    (None, lambda _: True),
    ({"kind": "x"}, lambda found: found.get("kind") == "x"),
    ({"kind": {"$exists": False}}, lambda found: "kind" not in found),
    (
        {"in.deep": {"$gte": 1}},
        lambda found: isinstance(found.get("in"), dict) and found["in"].get("deep") == 1,
    ),
]
writes = st.one_of(
    st.tuples(st.just("upsert"), batches, st.sampled_from(CONDITIONS)),
    st.tuples(
        st.just("replace"), st.dictionaries(ids, records, max_size=3), st.sets(ids, min_size=1, max_size=4)
    ),
    st.tuples(st.just("delete"), st.sets(ids, min_size=1, max_size=3)),
    st.tuples(st.just("patch"), st.lists(st.tuples(ids, st.sampled_from(PATCHES)), min_size=1, max_size=5)),
    st.tuples(
        st.just("delete_where"),
        st.sampled_from(FILTERS),
        st.sampled_from([None, None, "", "n"]),
        st.sampled_from([None, None, "a-", "b-1"]),
    ),
)


class EngineAgainstDictionary(RuleBasedStateMachine):
    """`oracle` is what the writes applied so far come to, and what those accepted since will."""

    @initialize(metric=st.sampled_from([Metric.L2, Metric.DOT]))
    def begin(self, metric: Metric) -> None:
        self.world = World()
        self.dataset = self.world.create(dimension=3, metric=metric)
        self.oracle = Oracle()
        self.imports: list[tuple[Import, dict[str, Stored], int]] = []

    # --- writes

    @rule(some=st.lists(writes, min_size=1, max_size=6), applied=st.booleans())
    def write(self, some: list[tuple[Any, ...]], applied: bool) -> None:
        """Accept writes, which one commit applies, often at once."""
        for kind, *given in some:
            getattr(self, f"_{kind}")(*given)
        if applied:
            self.commit()

    def _upsert(self, batch: dict[str, Stored], condition: tuple[Any, Any]) -> None:
        accepted = self._put(batch, condition=condition[0])
        self.oracle.accept(accepted.sequence, oracle.upsert(batch, condition[1]))

    def _replace(self, batch: dict[str, Stored], names: set[str]) -> None:
        removed = sorted(names - batch.keys())
        accepted = self._put(batch, removed=removed)
        self.oracle.accept(accepted.sequence, oracle.upsert(batch, removed=removed))

    def _put(self, batch: dict[str, Stored], **more: Any) -> Accepted:
        return self.world.upsert(
            self.dataset,
            {name: (record.vector, record.metadata) for name, record in batch.items()},
            namespaces=[record.namespace for record in batch.values()],
            documents=[record.document for record in batch.values()],
            **more,
        )

    def _delete(self, names: set[str]) -> None:
        accepted = self.world.delete(self.dataset, sorted(names))
        self.oracle.accept(accepted.sequence, oracle.delete(names))

    def _patch(self, changes: list[tuple[str, Mapping[str, Any]]]) -> None:
        accepted = self.world.patch(self.dataset, *changes)
        self.oracle.accept(accepted.sequence, oracle.patch(changes))

    def _delete_where(self, chosen: tuple[Any, Any], namespace: str | None, prefix: str | None) -> None:
        accepted = self.world.delete_where(self.dataset, filter=chosen[0], namespace=namespace, prefix=prefix)

        def matches(name: str, record: Stored) -> bool:
            return (
                bool(chosen[1](record.metadata))
                and (namespace is None or record.namespace == namespace)
                and (prefix is None or name.startswith(prefix))
            )

        self.oracle.accept(accepted.sequence, oracle.delete_where(matches))

    @precondition(lambda self: len(self.imports) < 2)
    @rule(batch=batches)
    def begin_import(self, batch: dict[str, Stored]) -> None:
        rows = {name: Stored(record.vector, record.metadata) for name, record in batch.items()}
        job = begun(self.world, self.dataset)
        validated(self.world, job, [(name, (each.vector, each.metadata)) for name, each in rows.items()])
        self.imports.append((job, rows, self._newest()))

    @precondition(lambda self: self.imports)
    @rule(in_cells=st.booleans())
    def finish_import(self, in_cells: bool) -> None:
        job, rows, opened = self.imports.pop(0)
        finished(self.world, self.dataset, job, in_cells=in_cells)
        self.oracle.accept(self._newest(), oracle.import_rows(rows, opened))
        self._applied()

    def _newest(self) -> int:
        counter = self.world.table.get(keys_of(self.dataset).sequence)
        assert counter is not None
        return int(counter["next"])

    # --- what applies them

    @rule()
    def commit(self) -> None:
        self.world.drain(self.dataset)
        self._applied()

    @rule(call=st.integers(0, 40), fault=st.sampled_from([Fault.CRASH_BEFORE, Fault.CRASH_AFTER]))
    def commit_that_dies(self, call: int, fault: Fault) -> None:
        try:
            self.world.drain(self.dataset, ports=self.world.process(Faults(AtCall(call, fault))))
        except SimulatedCrash:
            self.world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 1)
            self.world.drain(self.dataset)
        self._applied()

    @rule()
    def build(self) -> None:
        self.world.build(self.dataset)

    def _applied(self) -> None:
        waiting = [sequence for sequence, _ in self.oracle.waiting]
        self.oracle.apply_all()
        assert self.world.head(self.dataset).row_count == len(self.oracle.records)
        for sequence in waiting:
            name = job_id(self.dataset.dataset_id, sequence)
            view = get_job(self.world.ports, self.dataset.tenant_id, name)
            assert view.outcome == self.oracle.outcomes.get(sequence)

    # --- what must hold at any time

    @invariant()
    def every_row_is_what_it_should_be(self) -> None:
        """No row too many, none too few; through the index of ids, too."""
        expected = {
            name: (record.vector, dict(record.metadata), record.namespace, record.document)
            for name, record in self.oracle.records.items()
        }
        assert self._scanned() == expected
        fetched = self.world.stored(self.dataset, IDS)
        assert fetched == {name: (values, found) for name, (values, found, _, _) in expected.items()}

    def _scanned(self) -> dict[str, Any]:
        dataset = self.dataset
        snapshot = self.world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
        if snapshot is None:
            return {}
        found = matching_rows(snapshot, Selection())
        spots = spots_of(snapshot, [(source, row) for source, rows in found for row in rows.tolist()])
        shelf = Shelf(snapshot.reader)
        shelf.load(spots, include_values=True)
        live = shelf.records(spots)
        assert len({record.id for record in live}) == len(live), "an id is live twice"
        return {
            record.id: (
                tuple(shelf.values(spot).tolist()),
                orjson.loads(record.metadata),
                record.namespace,
                record.document,
            )
            for record, spot in zip(live, spots, strict=True)
        }

    @invariant()
    def query_is_exact(self) -> None:
        query = np.array([1.0, -2.0, 3.0], dtype=np.float32)
        answer = self.world.query(self.dataset, query, top_k=5)
        expected = []
        for record in self.oracle.records.values():
            stored = np.array(record.vector, dtype=np.float32)
            if self.dataset.metric is Metric.L2:
                expected.append(float(((stored - query) ** 2).sum()))
            else:
                expected.append(-float(stored @ query))
        sign = 1 if self.dataset.metric is Metric.L2 else -1
        np.testing.assert_allclose(
            [sign * match.score for match in answer.matches], sorted(expected)[:5], rtol=1e-5, atol=1e-4
        )
        for match in answer.matches:
            assert match.id in self.oracle.records


EngineAgainstDictionary.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestEngineAgainstDictionary = EngineAgainstDictionary.TestCase
