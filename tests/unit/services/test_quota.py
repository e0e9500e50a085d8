"""The counter of rows: exact after every history, whatever dies between a commit and its settlement."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.errors import LimitReached, ShoalError
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.limits import GAP_SECONDS, LEASE_SECONDS
from shoal.services import datasets
from shoal.services.sweep import sweep
from shoal.storage.memory.faults import Fault, Faults, RandomFaults, SimulatedCrash
from tests.unit.services.world import World, record, used

QUOTA = 8
RATES = {
    Fault.BUSY_BEFORE: 0.05,
    Fault.BUSY_AFTER: 0.03,
    Fault.TWICE: 0.05,
    Fault.CRASH_BEFORE: 0.03,
    Fault.CRASH_AFTER: 0.03,
}


def rest(world: World, *all_datasets: Dataset) -> None:
    """Let leases and open places run out, and the sweep and the indexer do their work."""
    for _ in range(2):
        world.clock.pass_seconds(LEASE_SECONDS + GAP_SECONDS + 20)
        sweep(world.ports)
        for dataset in all_datasets:
            world.drain(dataset)
    sweep(world.ports)


def test_rows_are_reserved_at_once_and_corrected_by_the_commit() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1), "b": record(2, 2, 2, 2)}, quota=QUOTA)
    assert used(world) == 2
    world.upsert(dataset, {"a": record(3, 3, 3, 3)}, quota=QUOTA)
    assert used(world) == 3, "reserved, although it may replace a row"
    world.drain(dataset)
    assert used(world) == 2
    world.delete(dataset, ["a"])
    world.drain(dataset)
    assert used(world) == 1


def test_an_upload_over_the_quota_is_refused_whole() -> None:
    world = World()
    dataset = world.create()
    six = {f"id-{number}": record(number, 0, 0, 0) for number in range(6)}
    world.upsert(dataset, six, quota=QUOTA)
    three = {f"more-{number}": record(number, 0, 0, 0) for number in range(3)}
    with pytest.raises(LimitReached) as refused:
        world.upsert(dataset, three, quota=QUOTA)
    assert refused.value.code == "vector_quota_exceeded"
    assert refused.value.details == {"limit": QUOTA, "used": 6}
    assert refused.value.retry_after > 0
    world.drain(dataset)
    assert world.head(dataset).watermark == 2, "the refused place does not hold up the log"
    assert world.head(dataset).row_count == 6
    with pytest.raises(LimitReached):
        world.upsert(dataset, {**six, **three}, quota=QUOTA)
    world.upsert(dataset, dict(list(three.items())[:2]), quota=QUOTA)


def test_the_same_id_again_eats_no_quota() -> None:
    world = World()
    dataset = world.create()
    for step in range(20):
        world.upsert(dataset, {"a": record(step, 0, 0, 0), "b": record(step, 0, 0, 0)}, quota=QUOTA)
        world.drain(dataset)
    assert used(world) == 2


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    steps=st.lists(
        st.sampled_from(["limited", "unlimited", "delete", "commit", "other", "drop"]),
        min_size=3,
        max_size=15,
    ),
)
def test_the_counter_ends_at_the_live_rows(seed: int, steps: list[str]) -> None:
    world = World()
    first, second = world.create("first"), world.create("second")
    live = {first.name: first, second.name: second}
    log = []
    for number, step in enumerate(steps):
        faults = Faults(RandomFaults(seed + number, RATES))
        ports = world.process(faults)
        rows = {f"id-{number % 4}": record(number, 0, 0, 0), f"id-{number % 3}-x": record(number, 1, 0, 0)}
        try:
            match step:
                case "limited":
                    world.upsert(first, rows, ports=ports, quota=1000)
                case "unlimited":
                    world.upsert(first, rows, ports=ports)
                case "other":
                    world.upsert(second, rows, ports=ports, quota=1000)
                case "delete":
                    world.delete(first, rows, ports=ports)
                case "commit":
                    world.drain(first, ports=ports)
                case "drop":
                    datasets.delete_dataset(ports, world.tenant_id, scope=NATIVE_SCOPE, name="second")
        except (ShoalError, SimulatedCrash):
            pass
        log.append(f"{step}: {faults.describe()}")
    rest(world, first, second)
    rows_left = sum(
        view.head.row_count
        for view in datasets.list_datasets(world.ports, world.tenant_id, scope=NATIVE_SCOPE)
        if view.dataset.name in live
    )
    assert used(world) == rows_left, "\n".join(log)
