"""UPDATE_INDEX: what changed since a moment, once and as it is, whoever dies meanwhile."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shoal.index.records import Record as Stored
from shoal.model.derivations import Condition, Lineage
from shoal.model.openverse import Action, OpenverseTask, TaskState
from shoal.services import datasets
from shoal.services.derived.items import lineage_item
from shoal.services.heads import keys_of
from shoal.services.openverse import batch, update
from shoal.services.openverse.batch import Batch
from shoal.services.openverse.tasks import change_task
from shoal.services.openverse.update import left_out_by
from shoal.storage.memory.faults import Fault
from tests.unit.services.cell_world import add_cells
from tests.unit.services.openverse.world import OpenverseWorld
from tests.unit.services.world import Record, record
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Invoke

SINCE = "2024-01-01T00:00:00Z"
OLD, NEW = "2023-12-31T23:59:59Z", "2024-01-01 00:00:00+00"


def catalogue(prefix: str, count: int, updated_on: object = NEW) -> dict[str, Record]:
    return {
        f"{prefix}-{n}": record(n, 0.25, -1, 3, title=f"{prefix} {n}", updated_on=updated_on)
        for n in range(count)
    }


def asked(world: OpenverseWorld, **more: Any) -> OpenverseTask:
    return world.accept(Action.UPDATE_INDEX, **{"index_suffix": "a", "since_date": SINCE, **more})


def test_what_changed_since_a_moment_is_copied_as_it_is() -> None:
    world = OpenverseWorld()
    index = world.index("image-a")
    changed = catalogue("new", 3) | catalogue("number", 1, 1_704_067_200) | catalogue("date", 1, "2024-05-06")
    world.fill(catalogue("old", 4, OLD) | changed)
    world.fill(
        {"whole": record(1, 2, 3, 4, updated_on=NEW)},
        namespaces=["ours"],
        documents=[b"all that there is to read"],
    )
    world.fill({"undated": record(1, 1, 1, 1), "odd": record(1, 1, 1, 1, updated_on="last tuesday")})
    world.delete(world.dataset, ["new-2"])
    ended = world.done(asked(world))
    expected = {name: value for name, value in changed.items() if name != "new-2"}
    assert world.stored(index, [*expected, "old-0", "new-2", "undated"]) == expected
    assert world.indexes() == {"image-a": len(expected) + 1}
    found = world.query(index, (1, 2, 3, 4), 1).matches[0]
    assert (found.id, found.namespace) == ("whole", "ours")
    assert ended.detail == (
        "5 of 11 records have changed, and are in the index; 2 have no updated_on, or none that is a timestamp, "
        "and were passed over"
    )
    assert ended.work == {}


def test_what_is_in_the_index_is_replaced_and_the_rest_of_it_stays() -> None:
    world = OpenverseWorld()
    index = world.index("image-a")
    world.fill(catalogue("kept", 2, OLD) | catalogue("old", 2, OLD), index)
    world.fill({"old-0": record(9, 9, 9, 9, title="other", updated_on=NEW)})
    world.done(asked(world))
    assert world.indexes() == {"image-a": 4}
    assert world.stored(index, ["old-0"])["old-0"][1]["title"] == "other"


def test_rows_of_cells_shards_and_deltas() -> None:
    world = OpenverseWorld()
    world.index("image-a")
    blocks = [catalogue(f"cell{n}", 3, NEW if n % 2 else OLD) for n in range(4)]
    add_cells(world, world.dataset, blocks)
    world.fill(catalogue("resident", 5))
    world.build(world.dataset)
    world.fill(catalogue("delta", 5))
    world.delete(world.dataset, ["cell1-0", "resident-3", "delta-4"])
    world.drain(world.dataset)
    world.done(asked(world))
    assert world.indexes() == {"image-a": 6 + 10 - 3}


def test_many_batches_and_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "BATCH_ROWS", 3)
    monkeypatch.setattr(update, "_LOOKED_AT_ONCE", 2)
    world = OpenverseWorld(budget_seconds=-1.0)
    index = world.index("image-a")
    there = catalogue("new", 10) | catalogue("old", 5, OLD) | catalogue("last", 4)
    world.fill(there)
    before = world.head(index).watermark
    seen: list[float] = []

    def invoke(function: str, payload: Any) -> Any:
        seen.append(world.task(task).progress)
        return world.call(world.ports, function, payload)

    task = asked(world)
    assert world.run(task, invoke).succeeded
    assert world.indexes() == {"image-a": 14}
    assert world.head(index).watermark - before >= 5
    assert seen == sorted(seen)
    assert len({progress for progress in seen if 0 < progress < 100}) >= 4


def test_nothing_was_ever_written() -> None:
    world = OpenverseWorld()
    world.index("image-a")
    assert world.done(asked(world)).detail == "0 of 0 records have changed, and are in the index"


def test_what_is_written_after_the_begin_is_left_to_the_next_one() -> None:
    world = OpenverseWorld()
    index = world.index("image-a")
    world.upsert(world.dataset, catalogue("before", 1))
    task = asked(world)
    for _ in range(2):  # remembers how long the log is, then waits for it
        world.call(world.ports, "ingestion", {"step": "work", **ids(task)})
    world.drain_all()
    world.call(world.ports, "ingestion", {"step": "work", **ids(task)})
    world.fill(catalogue("after", 1))
    world.done(task)
    assert set(world.stored(index, ["before-0", "after-0"])) == {"before-0"}


def ids(task: OpenverseTask) -> dict[str, str]:
    return {"task_id": task.task_id, "tenant_id": task.tenant_id}


def filtered(world: OpenverseWorld, condition: Condition) -> Any:
    """A filtered index, as a derivation leaves it."""
    index = world.index("image-a-filtered")
    key = keys_of(index).derivation
    world.table.put(lineage_item(key, Lineage("d", "image-a", "openverse", condition)))
    return index


def test_a_filtered_index_stays_filtered() -> None:
    world = OpenverseWorld()
    terms = Condition(
        terms=("bird", "deep water"), term_fields=("title", "tags[].name"), list_name="sensitive"
    )
    index = filtered(world, terms)
    world.fill({"turned": record(1, 1, 1, 1, title="a tree", updated_on=OLD)}, index)
    world.fill(
        {
            "plain": record(1, 2, 3, 4, title="a birdhouse", updated_on=NEW),
            "title": record(1, 2, 3, 4, title="A Bird!", updated_on=NEW),
            "tag": record(1, 2, 3, 4, tags=[{"name": "sky"}, {"name": "deep  water"}], updated_on=NEW),
            "turned": record(1, 2, 3, 4, title="bird", updated_on=NEW),
            "old": record(1, 2, 3, 4, title="bird", updated_on=OLD),
        }
    )
    ended = world.done(asked(world, index_suffix="a-filtered"))
    assert set(world.stored(index, ["plain", "title", "tag", "turned", "old"])) == {"plain"}
    assert world.indexes() == {"image-a-filtered": 1}
    assert "3 more are of those that the index leaves out" in str(ended.detail)


def test_what_a_condition_leaves_out() -> None:
    everything = left_out_by(Condition())
    assert not everything({"title": "bird"})
    by_filter = left_out_by(Condition(filter={"licence": {"$eq": "cc0"}}))
    assert not by_filter({"licence": "cc0"})
    assert by_filter({"licence": "by"})
    assert not left_out_by(Condition(terms=(), term_fields=("title",)))({"title": "bird"})


class TestRefused:
    """What cannot be done is told, and leaves no trace."""

    def test_an_index_that_is_deleted_meanwhile(self) -> None:
        world = OpenverseWorld()
        world.index("image-a")
        world.fill(catalogue("new", 3))
        task = asked(world)
        datasets.delete_dataset(world.ports, world.tenant_id, scope="openverse", name="image-a")
        assert world.failed(task).detail == "there is no index image-a"

    def test_a_dataset_that_is_deleted_meanwhile(self) -> None:
        world = OpenverseWorld()
        world.index("image-a")
        task = asked(world)
        datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name="image")
        assert world.failed(task).detail == "there is no dataset image"

    @pytest.mark.parametrize(("scope", "name"), [("openverse", "image-a"), ("native", "image")])
    def test_one_that_is_made_anew_meanwhile(self, scope: str, name: str) -> None:
        world = OpenverseWorld()
        world.index("image-a")
        world.fill(catalogue("new", 3))
        task = asked(world)
        world.call(world.ports, "ingestion", {"step": "work", **ids(task)})
        datasets.delete_dataset(world.ports, world.tenant_id, scope=scope, name=name)
        if scope == "native":
            world.dataset = world.create(name)
        else:
            world.index(name)
        assert world.failed(task).detail == f"{name} was deleted and made anew meanwhile"
        assert world.indexes() == {"image-a": 0}

    def test_another_dimension(self) -> None:
        world = OpenverseWorld()
        world.index("image-a", dimension=3)
        world.fill(catalogue("new", 3))
        assert "REINDEX instead" in str(world.failed(asked(world)).detail)

    def test_a_quota_that_is_used_up(self) -> None:
        world = OpenverseWorld()
        world.index("image-a")
        world.fill(catalogue("new", 3))
        task = asked(world, quota=5)
        ended = world.failed(task)
        assert "quota" in str(ended.detail)
        assert world.indexes() == {"image-a": 0}


def test_a_batch_has_a_size() -> None:
    nothing = Batch()
    assert (nothing.empty, nothing.full, nothing.vectors(4).shape) == (True, False, (0, 4))
    made = Batch()
    made.leave_out("a")
    assert (made.empty, made.full) == (False, False)
    made.add(Stored("b", 1, b"{}"), np.ones(4, dtype=np.float32), bytes(batch.BATCH_BYTES))
    assert (made.empty, made.full) == (False, True)
    assert made.vectors(4).tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE])
def test_whoever_dies_each_record_arrives_once(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "BATCH_ROWS", 4)
    worlds: list[tuple[OpenverseWorld, OpenverseTask]] = []
    records = catalogue("new", 9) | catalogue("old", 2, OLD)

    def make(number: int | None) -> KilledOnce:
        world = OpenverseWorld()
        world.index("image-a")
        world.fill(records)
        worlds.append((world, asked(world)))
        return KilledOnce(world.process, world.call, number=number, fault=fault)

    def run(killer: Invoke) -> None:
        world, task = worlds[-1]
        execution = world.run(task, killer)
        assert execution.succeeded, f"killed in {getattr(killer, 'killed', None)}: {execution}"
        ended = world.task(task)
        assert ended.status is TaskState.COMPLETED
        assert "9 of 11 records" in str(ended.detail)
        index = world.found("image-a")
        assert world.stored(index, records) == {n: r for n, r in records.items() if n.startswith("new")}
        jobs = world.table.query(keys_of(index).partition, prefix="JOB#").items
        written = [item for item in jobs if item["kind"] == "upsert" and item.get("rows")]
        assert sorted(int(item["rows"]) for item in written) == [1, 4, 4]

    killing(make, run, every=1 if fault in (Fault.CRASH_AFTER, Fault.TWICE) else 3)


def test_two_processes_at_once_enter_each_batch_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "BATCH_ROWS", 4)
    world = OpenverseWorld()
    index = world.index("image-a")
    world.fill(catalogue("new", 9))
    task = asked(world)
    stale: list[OpenverseTask] = []
    real = world.call

    def twice(function: str, payload: Any) -> Any:
        stale.append(world.task(task))
        first = real(world.ports, function, payload)
        return real(world.ports, function, payload) if first["state"] == "again" else first

    assert world.run(task, twice).succeeded
    # A process that read the task before the others moved on finds that it is late.
    for old in stale:
        late = replace(old, status=TaskState.RUNNING)
        assert change_task(world.ports, late, progress=0.0) is None
    jobs = world.table.query(keys_of(index).partition, prefix="JOB#").items
    assert sorted(int(item["rows"]) for item in jobs if item["kind"] == "upsert") == [1, 4, 4]
