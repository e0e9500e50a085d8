"""Whatever comes between two calls of a compaction: no write is lost, no dead row comes back, counts are right."""

from collections.abc import Callable

import pytest

from shoal.errors import ShoalError
from shoal.model.compactions import CompactionStatus
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.limits import BUILD_LEASE_SECONDS, MAX_RUNS
from shoal.services import datasets
from shoal.services.heads import Swap, keys_of, swap_head
from shoal.services.leases import acquire
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
    """Commits until all runs were folded into one: then nothing tells any more that the ids are deleted."""
    delete(world, dataset, ["id-000", "id-001"])
    for number in range(2 * MAX_RUNS):
        write(world, dataset, {"new-1": record(number, 0, 0, 1)})
    return {"new-1": record(2 * MAX_RUNS - 1, 0, 0, 1)} | rows_named(3, 6)


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
    """As a restore does: the same version once more, with the build ended; then a row of it dies again."""
    keys, head, manifest = keys_of(dataset), world.head(dataset), world.manifest(dataset)
    lease = acquire(world.ports, keys, owner="restore")
    assert lease is not None
    assert head.manifest is not None
    assert head.manifest_sha256 is not None
    following = manifest.model_copy(update={"version": head.version + 1})
    swap = Swap(
        following,
        head.manifest,
        head.manifest_sha256,
        log_bytes=head.log_bytes,
        delta_bytes=head.delta_bytes,
        error_message=None,
        ends_build=True,
    )
    assert swap_head(world.ports, keys, read=head, fence=lease.fence, swap=swap)
    world.clock.pass_seconds(60)


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
