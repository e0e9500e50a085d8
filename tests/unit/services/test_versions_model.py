"""Snapshots, restores and clones among writes, builds and imports, against a dictionary for each dataset.

Invariants of the design tried here: 2 (applied in order), 3 (an import is one write, a restore in the middle of it
fails), 4 (one version, whole), 5 (exact counts), and that no dataset is changed by what happens to its relatives.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shoal.errors import Conflict
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.model.imports import Import, ImportStatus
from shoal.model.jobs import JobStatus
from shoal.services import datasets, jobs
from shoal.services.clone import clone_dataset
from shoal.services.restore import restore
from shoal.services.snapshots import create_snapshot, delete_snapshot
from tests.unit.services.imports.small import Named, begun, finished, validated
from tests.unit.services.world import Record, World, used

IDS = [f"id-{number}" for number in range(8)]
SNAPSHOTS = ["monday", "tuesday"]
QUOTA = 100_000
values = st.tuples(*[st.integers(-8, 8).map(float)] * 3)
batches = st.dictionaries(st.sampled_from(IDS), values, min_size=1, max_size=5)
files = st.lists(st.tuples(st.sampled_from(IDS), values), min_size=1, max_size=8)
which = st.integers(0, 9)

type State = dict[str, Record]
type Batch = dict[str, tuple[float, ...]]


@dataclass
class Known:
    """A dataset: what its log comes to, and what of that is applied.

    `written`: the step of each id's last write. `waiting`: jobs of restores, and whether each comes to something.
    `writes`: how many places of its log are not applied.
    """

    dataset: Dataset
    accepted: State = field(default_factory=dict)
    applied: State = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    imports: list[tuple[Import, int, list[Named]]] = field(default_factory=list)
    snapshots: dict[str, State] = field(default_factory=dict)
    waiting: list[tuple[str, bool]] = field(default_factory=list)
    writes: int = 0


class VersionsAgainstDictionaries(RuleBasedStateMachine):
    """At most three datasets, all related."""

    in_cells = False

    @initialize(metric=st.sampled_from(list(Metric)))
    def begin(self, metric: Metric) -> None:
        self.world = World()
        self.known = [Known(self.world.create(dimension=3, metric=metric))]
        self.step = 0
        self.clone(0, named=False)

    def chosen(self, number: int) -> Known:
        return self.known[number % len(self.known)]

    def records(self, batch: Batch) -> State:
        return {
            name: (vector if any(vector) else (1.0, 0.0, 0.0), {"step": self.step})
            for name, vector in batch.items()
        }

    # --- writes

    @rule(at=which, batch=batches, more=st.lists(batches, max_size=3), applied=st.booleans())
    def upsert(self, at: int, batch: Batch, more: list[Batch], applied: bool) -> None:
        """Several in a row, so that the logs are not all of the same length."""
        one = self.chosen(at)
        for each in (batch, *more):
            self.write(one, each)
        if applied:
            self.commit(at)

    def write(self, one: Known, batch: Batch) -> None:
        self.step += 1
        records = self.records(batch)
        self.world.upsert(one.dataset, records, quota=QUOTA)
        one.accepted = {**one.accepted, **records}
        one.written.update(dict.fromkeys(records, self.step))
        one.writes += 1

    @rule(at=which, ids=st.sets(st.sampled_from(IDS), min_size=1, max_size=4))
    def delete(self, at: int, ids: set[str]) -> None:
        self.step += 1
        one = self.chosen(at)
        self.world.delete(one.dataset, ids)
        one.accepted = {name: kept for name, kept in one.accepted.items() if name not in ids}
        one.written.update(dict.fromkeys(ids, self.step))
        one.writes += 1

    @rule(at=which)
    def commit(self, at: int) -> None:
        one = self.chosen(at)
        self.world.drain(one.dataset)
        self.all_applied(one)

    def all_applied(self, one: Known) -> None:
        one.applied = one.accepted
        for job_id, comes_to_something in one.waiting:
            status = jobs.get_job(self.world.ports, self.world.tenant_id, job_id).status
            assert status is (JobStatus.INDEXED if comes_to_something else JobStatus.FAILED)
        one.waiting.clear()
        one.writes = 0

    @rule(at=which)
    def build(self, at: int) -> None:
        self.world.build(self.chosen(at).dataset)

    # --- imports among them

    @rule(at=which, file=files)
    def begin_import(self, at: int, file: list[tuple[str, tuple[float, ...]]]) -> None:
        one = self.chosen(at)
        if len(one.imports) < 2:
            self.step += 1
            lines: list[Named] = [(name, self.records({name: vector})[name]) for name, vector in file]
            job = begun(self.world, one.dataset, quota=QUOTA)
            validated(self.world, job, lines)
            one.imports.append((job, self.step, lines))
            one.writes += 1

    @precondition(lambda self: any(one.imports for one in self.known))
    @rule()
    def finish_import(self) -> None:
        one = next(one for one in self.known if one.imports)
        job, began, lines = one.imports.pop(0)
        done = finished(self.world, one.dataset, job, in_cells=self.in_cells)
        assert done.status is ImportStatus.COMPLETED
        rows = {name: found for name, found in dict(lines).items() if one.written.get(name, 0) < began}
        one.accepted = {**one.accepted, **rows}
        one.written.update(dict.fromkeys(rows, began))
        self.all_applied(one)

    # --- versions

    @rule(at=which, name=st.sampled_from(SNAPSHOTS))
    def name_it(self, at: int, name: str) -> None:
        one = self.chosen(at)
        if name in one.snapshots:
            delete_snapshot(self.world.ports, one.dataset, name)
        made = create_snapshot(self.world.ports, one.dataset, name)
        assert made.row_count == len(one.applied)
        one.snapshots[name] = one.applied

    @rule(at=which, of=which, name=st.sampled_from(SNAPSHOTS), more=st.lists(batches, max_size=2))
    def go_back(self, at: int, of: int, name: str, more: list[Batch]) -> None:
        """To a snapshot of its own or of a relative, made now if need be; with writes that follow at once."""
        one, source = self.chosen(at), self.chosen(of)
        if name not in source.snapshots:
            self.name_it(of, name)
        if self.world.head(one.dataset).open_imports:
            with pytest.raises(Conflict, match="import"):
                restore(self.world.ports, one.dataset, name, source=source.dataset, vector_quota=QUOTA)
            return
        accepted = restore(self.world.ports, one.dataset, name, source=source.dataset, vector_quota=QUOTA)
        one.waiting.append((accepted.job_id, not one.imports))
        one.writes += 1
        if not one.imports:
            one.accepted = source.snapshots[name]
            one.written = {}
        for each in more:
            self.write(one, each)

    @precondition(lambda self: any(one.snapshots for one in self.known))
    @rule(of=which)
    def forget(self, of: int) -> None:
        named = [one for one in self.known if one.snapshots]
        one = named[of % len(named)]
        name = min(one.snapshots)
        delete_snapshot(self.world.ports, one.dataset, name)
        del one.snapshots[name]

    @precondition(lambda self: len(self.known) < 3)
    @rule(of=which, named=st.booleans())
    def clone(self, of: int, named: bool) -> None:
        self.step += 1
        source = self.chosen(of)
        snapshot = min(source.snapshots) if named and source.snapshots else None
        rows = source.snapshots[snapshot] if snapshot else source.applied
        name = f"clone-{self.step}"
        view = clone_dataset(
            self.world.ports, source.dataset, name=name, snapshot=snapshot, vector_quota=QUOTA
        )
        assert view.head.row_count == len(rows)
        self.known.append(Known(view.dataset, accepted=rows, applied=rows))

    @precondition(lambda self: len(self.known) > 1)
    @rule(at=which)
    def drop(self, at: int) -> None:
        one = self.chosen(at)
        datasets.delete_dataset(
            self.world.ports, self.world.tenant_id, scope=NATIVE_SCOPE, name=one.dataset.name
        )
        self.known.remove(one)

    # --- what must be so

    @invariant()
    def every_dataset_is_what_it_should_be(self) -> None:
        for one in self.known:
            head = self.world.head(one.dataset)
            assert head.row_count == len(one.applied)
            if head.manifest is not None:
                assert self.world.stored(one.dataset, IDS) == one.applied
                found = self.world.query(one.dataset, (1.0, -2.0, 3.0), top_k=20).matches
                assert {match.id for match in found} == one.applied.keys()

    @invariant()
    def the_quota_knows_every_row(self) -> None:
        if not any(one.writes for one in self.known):
            assert used(self.world) == sum(len(one.applied) for one in self.known)


class VersionsOfCellsAgainstDictionaries(VersionsAgainstDictionaries):
    """The same with imports that become cells."""

    in_cells = True


patient = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
VersionsAgainstDictionaries.TestCase.settings = patient
VersionsOfCellsAgainstDictionaries.TestCase.settings = patient
TestVersionsAgainstDictionaries = VersionsAgainstDictionaries.TestCase
TestVersionsOfCellsAgainstDictionaries = VersionsOfCellsAgainstDictionaries.TestCase
