"""Invariants 4 and 6: committers, builders and writers that meet, at every call of either.

A schedule that injects nothing serves as a hook: before call n of one process, another process does all its work.
"""

from collections.abc import Callable

import numpy as np
import pytest

from shoal.errors import NotFound
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.limits import BUILD_LEASE_SECONDS, EXACT_LIMIT_BYTES, GAP_SECONDS, LEASE_SECONDS
from shoal.services import datasets, write
from shoal.services.heads import Swap, keys_of, swap_head
from shoal.services.leases import acquire
from shoal.services.snapshot import empty_manifest
from shoal.storage.memory.faults import AtOperation, Call, Fault, Faults
from shoal.storage.ports import Ports
from tests.unit.services.world import Record, World, record, used

type Work = Callable[[World, Dataset, Ports], object]
type Meanwhile = Callable[[World, Dataset], object]

ROWS = {f"id-{number:02}": record(number, 0, 0, 1, version="old") for number in range(12)}
NEW = {"id-03": record(3, 3, 3, 3, version="new"), "id-99": record(9, 9, 9, 9, version="new")}
AFTER: dict[str, Record] = {name: value for name, value in {**ROWS, **NEW}.items() if name != "id-05"}


def drain_work(world: World, dataset: Dataset, ports: Ports) -> None:
    world.drain(dataset, ports=ports)


def build_work(world: World, dataset: Dataset, ports: Ports) -> None:
    world.build(dataset, ports=ports)


def write_and_commit(world: World, dataset: Dataset) -> None:
    world.upsert(dataset, NEW)
    world.delete(dataset, ["id-05"])
    world.drain(dataset)


def write_commit_and_delete(world: World, dataset: Dataset) -> None:
    """Leaves a dead row in a delta that no build read: deletes alone fold nothing."""
    world.upsert(dataset, {**NEW, "id-77": record(0, 0, 0, 0, version="short-lived")})
    world.drain(dataset)
    world.delete(dataset, ["id-05", "id-77"])
    world.drain(dataset)


def take_over(world: World, dataset: Dataset) -> None:
    """Commit while the other believes to hold the lease: it has run out."""
    world.clock.pass_seconds(LEASE_SECONDS + 1)
    write_and_commit(world, dataset)


def take_over_and_build(world: World, dataset: Dataset) -> None:
    take_over(world, dataset)
    world.build(dataset)


def outlive_the_build(world: World, dataset: Dataset) -> None:
    """Commit when both leases have run out, so that the build's inputs are folded away."""
    world.clock.pass_seconds(BUILD_LEASE_SECONDS + 1)
    write_and_commit(world, dataset)


def meet(work: Work, meanwhile: Meanwhile, at_call: int) -> tuple[World, Dataset, bool]:
    """Both at work on a dataset of 12 rows, four of them in a delta beside a resident shard."""
    world = World()
    dataset = world.create()
    names = sorted(ROWS)
    world.upsert(dataset, {name: ROWS[name] for name in names[:8]})
    world.drain(dataset)
    world.build(dataset)
    world.upsert(dataset, {name: ROWS[name] for name in names[8:]})
    if work is build_work:
        world.drain(dataset)
    met = False

    def hook(call: Call) -> Fault | None:
        nonlocal met
        if call.number == at_call:
            met = True
            meanwhile(world, dataset)
            seen.append((world.head(dataset).watermark, world.stored(dataset, AFTER)))
        return None

    seen: list[tuple[int, dict[str, Record]]] = []
    work(world, dataset, world.process(Faults(hook)))
    for watermark, stored in seen:
        assert world.head(dataset).watermark >= watermark, f"went back, at call {at_call}"
        if work is build_work:
            assert world.stored(dataset, AFTER) == stored, f"a reader saw it go back, at call {at_call}"
    return world, dataset, met


@pytest.mark.parametrize(
    ("work", "meanwhile"),
    [
        (drain_work, write_and_commit),
        (drain_work, take_over),
        (drain_work, take_over_and_build),
        (build_work, write_and_commit),
        (build_work, write_commit_and_delete),
        (build_work, take_over),
        (build_work, take_over_and_build),
        (build_work, outlive_the_build),
    ],
)
def test_whoever_comes_between_nothing_is_lost_or_doubled(work: Work, meanwhile: Meanwhile) -> None:
    at_call = 0
    while True:
        world, dataset, met = meet(work, meanwhile, at_call)
        if not met:
            break
        world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 1)
        world.drain(dataset)
        assert world.stored(dataset, AFTER.keys() | {"id-05"}) == AFTER, f"at call {at_call}"
        assert world.head(dataset).row_count == len(AFTER)
        answer = world.query(dataset, (0, 0, 0, 0), top_k=100)
        assert sorted(match.id for match in answer.matches) == sorted(AFTER), f"at call {at_call}"
        world.build(dataset)
        answer = world.query(dataset, (0, 0, 0, 0), top_k=100)
        assert sorted(match.id for match in answer.matches) == sorted(AFTER), f"built, at call {at_call}"
        at_call += 1
    assert at_call > 8


def test_a_build_keeps_its_inputs_from_being_folded_and_is_not_in_vain() -> None:
    built = []
    at_call = 0
    while True:
        world, dataset, met = meet(build_work, write_and_commit, at_call)
        if not met:
            break
        snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
        assert snapshot is not None
        resident = snapshot.manifest.resident
        assert resident is not None
        built.append(resident.rows >= 12)
        at_call += 1
    assert sum(built) >= len(built) - 4, "only a commit before the build lease is taken may win over it"


def test_a_swap_whose_answer_was_lost_is_recognised() -> None:
    world, dataset, _ = meet(drain_work, write_and_commit, -1)
    keys = keys_of(dataset)
    lease = acquire(world.ports, keys, owner="committer")
    read = world.head(dataset)
    manifest = empty_manifest(dataset).model_copy(update={"version": read.version + 1})
    swap = Swap(manifest, "t/x", "0" * 64, log_bytes=0, error_message=None)
    assert lease is not None
    for fault in (Fault.TWICE, Fault.BUSY_AFTER):
        unlucky = world.process(Faults(AtOperation("table.update", fault)))
        assert swap_head(unlucky, keys, read=read, fence=lease.fence, swap=swap)


def test_a_deleted_dataset_takes_no_more_writes_and_gives_back_its_quota() -> None:
    """Whatever call of an upsert the deletion comes before: acknowledged or refused, the counter ends at 0."""
    at_call = 0
    while True:
        world = World()
        dataset = world.create()
        world.upsert(dataset, {"a": record(1, 1, 1, 1)}, quota=100)
        world.drain(dataset)
        done = False

        def hook(call: Call, *, at: int = at_call, where: World = world) -> Fault | None:
            nonlocal done
            if call.number == at:
                done = True
                datasets.delete_dataset(where.ports, where.tenant_id, scope=NATIVE_SCOPE, name="books")
            return None

        try:
            world.upsert(dataset, {"b": record(2, 2, 2, 2)}, quota=100, ports=world.process(Faults(hook)))
        except NotFound:
            assert done
        if not done:
            break
        world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 1)
        world.drain(dataset)
        assert used(world) == 0, f"at call {at_call}"
        at_call += 1
    assert at_call >= 3


def test_of_two_creates_of_one_name_one_wins() -> None:
    world = World()
    winners: list[Dataset] = []

    def hook(call: Call) -> Fault | None:
        if call.operation == "table.transact" and not winners:
            winners.append(world.create("books"))
        return None

    with pytest.raises(Exception, match="already exists"):
        datasets.create_dataset(
            world.process(Faults(hook)),
            world.tenant_id,
            scope=NATIVE_SCOPE,
            name="books",
            dimension=3,
            metric=winners[0].metric if winners else world.create("other").metric,
        )
    listed = datasets.list_datasets(world.ports, world.tenant_id, scope=NATIVE_SCOPE)
    assert [view.dataset.name for view in listed] == ["books", "other"]
    assert keys_of(listed[0].dataset) == keys_of(winners[0])


def test_what_outgrew_the_limit_during_a_build_is_built_next() -> None:
    world = World()
    dataset = world.create(dimension=4096)
    world.upsert(dataset, {"a": record(*([1.0] * 4096))})
    world.drain(dataset)
    count = EXACT_LIMIT_BYTES // (4 * 4096) + 1

    def hook(call: Call) -> Fault | None:
        if call.operation == "objects.put" and call.nth == 0:
            write.upsert(
                world.ports,
                dataset,
                ids=[f"id-{number}" for number in range(count)],
                vectors=np.ones((count, 4096), dtype=np.float32),
                metadata=[b"{}"] * count,
                vector_quota=None,
            )
            world.drain(dataset)
            world.builds.receive()  # the builder is at work: a message that comes now finds it so
        return None

    assert world.build(dataset, ports=world.process(Faults(hook)))
    assert [each.message["dataset_id"] for each in world.builds.receive()] == [dataset.dataset_id]
