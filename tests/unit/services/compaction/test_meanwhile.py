"""Whatever comes between two calls of a compaction: no write is lost, no dead row comes back, counts are right."""

from collections.abc import Callable

import pytest

from shoal.errors import ShoalError
from shoal.index.id_index import hash_ids
from shoal.model.compactions import CompactionStatus
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.limits import BUILD_LEASE_SECONDS
from shoal.services import datasets
from shoal.services.heads import keys_of
from shoal.services.restore import restore
from shoal.services.snapshots import create_snapshot
from shoal.storage.memory.faults import Call, Faults, Schedule
from shoal.storage.ports import Drop
from tests.unit.services.compaction.work import (
    CompactWorld,
    Stepper,
    check,
    delete,
    imported,
    rows_named,
    write,
)
from tests.unit.services.world import Record, record

type Meanwhile = Callable[[CompactWorld, Dataset], dict[str, Record] | None]
"""Does something, and says what is there afterwards; None where it is as before."""

BEFORE = rows_named(0, 70) | rows_named(60, 90, "imported")


def begin(*, small: bool) -> tuple[CompactWorld, Dataset]:
    """Flat rows and cells; `small`: few enough for one shard once they are compacted."""
    world = CompactWorld()
    dataset = world.create()
    write(world, dataset, rows_named(0, 70))
    imported(world, dataset, rows_named(60, 90, "imported"))
    create_snapshot(world.ports, dataset, "before")
    if small:
        delete(world, dataset, [f"id-{n:03}" for n in range(35, 90)])
    return world, dataset


def expected_of(*, small: bool) -> dict[str, Record]:
    return rows_named(0, 35) if small else BEFORE


def writes(world: CompactWorld, dataset: Dataset) -> dict[str, Record]:
    new = rows_named(3, 6, "new") | {"new-1": record(1, 2, 3, 4)}
    write(world, dataset, new)
    delete(world, dataset, ["id-000", "id-001"])
    return new


def deletes_whose_tombstones_are_dropped(world: CompactWorld, dataset: Dataset) -> dict[str, Record]:
    """A large commit after the deletes folds all runs: then nothing tells any more that the ids are deleted."""
    delete(world, dataset, ["id-000", "id-001"])
    new = rows_named(90, 150, "new")
    write(world, dataset, new)
    snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    if world.manifest(dataset).compacted_at is None and world.head(dataset).lease_owner is None:
        assert not snapshot.locate(hash_ids(["id-000", "id-001"], dataset.hash_key)).found.any()
    return new


def an_import(world: CompactWorld, dataset: Dataset) -> dict[str, Record]:
    brought = rows_named(3, 6, "brought") | {"new-1": record(1, 2, 3, 4)}
    imported(world, dataset, brought)
    delete(world, dataset, ["id-000", "id-001"])
    return brought


def a_build(world: CompactWorld, dataset: Dataset) -> dict[str, Record]:
    done = writes(world, dataset)
    assert not world.build(dataset)
    return done


def another_compaction(world: CompactWorld, dataset: Dataset) -> dict[str, Record]:
    done = writes(world, dataset)
    before = len(world.compactions.started)
    world.decide(dataset)
    world.decide(dataset, thorough=False)
    assert len(world.compactions.started) == before
    return done


AFTER_WRITES = ("id-000", "id-001")


@pytest.mark.parametrize("small", [False, True], ids=["cells", "one shard"])
@pytest.mark.parametrize(
    "meanwhile", [writes, deletes_whose_tombstones_are_dropped, an_import, a_build, another_compaction]
)
def test_what_is_written_meanwhile_is_there_and_what_is_deleted_is_not(
    meanwhile: Meanwhile, small: bool
) -> None:
    at_call = 0
    while True:
        world, dataset = begin(small=small)
        stepper = Stepper(world, world.started(dataset))
        expected = expected_of(small=small)
        calls = 0
        while not stepper.over:
            if calls == at_call:
                done = meanwhile(world, dataset) or {}
                expected = {k: v for k, v in (expected | done).items() if k not in AFTER_WRITES}
                check(world, dataset, expected, f"before call {at_call}")
            stepper.step()
            calls += 1
        if calls <= at_call:
            break
        assert world.fresh(stepper.job).status is CompactionStatus.COMPLETED, at_call
        check(world, dataset, expected, f"compacted, call {at_call}")
        world.build(dataset)
        check(world, dataset, expected, f"built, call {at_call}")
        world.decide(dataset)
        check(world, dataset, expected)
        at_call += 1
    assert at_call > 3


def restored(world: CompactWorld, dataset: Dataset) -> None:
    """Back to the version before the last deletion: the same shards, of which fewer rows are dead."""
    restore(world.ports, dataset, "before", vector_quota=None)
    world.drain(dataset)


def a_lapsed_lease(world: CompactWorld, dataset: Dataset) -> None:
    """The lease has run out, and others have folded and built since."""
    world.clock.pass_seconds(BUILD_LEASE_SECONDS + 1)
    write(world, dataset, {"new-1": record(1, 2, 3, 4)})
    assert world.build(dataset)


def a_successor(world: CompactWorld, dataset: Dataset) -> None:
    """The lease has run out, and another compaction has begun."""
    world.clock.pass_seconds(BUILD_LEASE_SECONDS + 1)
    world.started(dataset)


@pytest.mark.parametrize("meanwhile", [restored, a_lapsed_lease, a_successor])
def test_a_compaction_whose_ground_is_gone_changes_nothing(
    meanwhile: Callable[[CompactWorld, Dataset], None],
) -> None:
    at_call = 0
    while True:
        world, dataset = begin(small=False)
        stepper = Stepper(world, world.started(dataset))
        calls = 0
        while not stepper.over:
            if calls == at_call:
                meanwhile(world, dataset)
                version = world.head(dataset).version
            stepper.step()
            calls += 1
        if calls <= at_call:
            break
        assert world.fresh(stepper.job).status is CompactionStatus.STOPPED, at_call
        assert world.head(dataset).version == version
        expected = dict(BEFORE)
        if meanwhile is a_lapsed_lease:
            expected["new-1"] = record(1, 2, 3, 4)
        check(world, dataset, expected)
        at_call += 1
    assert at_call > 3


@pytest.mark.parametrize(
    "meanwhile", [writes, deletes_whose_tombstones_are_dropped, restored, a_lapsed_lease]
)
def test_whatever_comes_between_two_calls_to_storage_of_the_commit(
    meanwhile: Callable[[CompactWorld, Dataset], object],
) -> None:
    at_call = 0
    outcomes = set()
    while True:
        world, dataset = begin(small=True)
        stepper = Stepper(world, world.started(dataset))
        while stepper.next_step != "commit":
            stepper.step()
        met: list[object] = []
        schedule = once(at_call, lambda: meanwhile(world, dataset), met)  # noqa: B023 - called before the next
        stepper.step(world.process(Faults(schedule)))
        if not met:
            break
        expected = expected_of(small=True)
        if meanwhile is restored:
            expected = BEFORE
        elif meanwhile is a_lapsed_lease:
            expected["new-1"] = record(1, 2, 3, 4)
        else:
            assert isinstance(met[0], dict)
            expected = {k: v for k, v in (expected | met[0]).items() if k not in AFTER_WRITES}
        world.drain(dataset)  # what came while the commit held the lease
        check(world, dataset, expected, f"at call {at_call}")
        outcomes.add(world.fresh(stepper.job).status)
        at_call += 1
    assert at_call > 20
    assert CompactionStatus.COMPLETED in outcomes
    if meanwhile in (restored, a_lapsed_lease):
        assert outcomes == {CompactionStatus.COMPLETED, CompactionStatus.STOPPED}


def once(at_call: int, do: Callable[[], object], met: list[object]) -> Schedule:
    """Does something just before a call of another process; `met` then holds what it came to."""

    def at(call: Call) -> None:
        if call.number == at_call and not met:
            met.append(None)
            met[0] = do()

    return at


def test_a_compaction_of_a_deleted_dataset_ends() -> None:
    world, dataset = begin(small=False)
    stepper = Stepper(world, world.started(dataset))
    stepper.step()
    datasets.delete_dataset(world.ports, world.tenant_id, scope=NATIVE_SCOPE, name="books")
    while not stepper.over:
        stepper.step()
    assert world.fresh(stepper.job).status is CompactionStatus.STOPPED


def test_a_failure_keeps_its_lease_for_a_while_and_is_then_made_up_for() -> None:
    world, dataset = begin(small=False)
    stepper = Stepper(world, world.started(dataset))
    stepper.step()
    assert stepper.fail("CorruptObject") == "error"
    failed = world.fresh(stepper.job)
    assert failed.status is CompactionStatus.FAILED
    assert failed.error_message == "internal error (CorruptObject); the dataset is as it was"
    world.decide(dataset)
    assert len(world.compactions.started) == 1
    world.clock.pass_seconds(BUILD_LEASE_SECONDS + 1)
    world.compact(dataset)
    check(world, dataset, BEFORE)


def test_a_workflow_that_does_not_start_gives_the_lease_back() -> None:
    world, dataset = begin(small=False)

    class Refusing:
        def start(self, name: str, given: object) -> None:
            raise ShoalError(f"{name} {given}")

    world.ports = world.ports_with(compactions=Refusing())
    with pytest.raises(ShoalError):
        world.decide(dataset)
    assert world.head(dataset).build_owner is None
    assert world.fresh_newest(dataset).status is CompactionStatus.STOPPED


def test_a_compaction_that_died_is_stopped_by_its_successor() -> None:
    world, dataset = begin(small=False)
    first = world.started(dataset)
    world.table.update(keys_of(dataset).sequence, [Drop("gsi1pk"), Drop("gsi1sk")])
    world.clock.pass_seconds(BUILD_LEASE_SECONDS + 1)
    second = world.compact(dataset)
    assert world.fresh(first).status is CompactionStatus.STOPPED
    assert second.status is CompactionStatus.COMPLETED
