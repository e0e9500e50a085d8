"""Upserts that delete ids at the same place of the log, and what else they may require."""

import pytest

from shoal.errors import Conflict
from shoal.model.limits import COMMIT_MAX_ROWS
from shoal.model.writes import Outcome
from shoal.services import write
from shoal.services.append import Requirement
from shoal.services.heads import keys_of
from shoal.services.jobs import get_job
from shoal.services.log import read_tail
from shoal.services.recover import recover
from shoal.services.search import Searcher
from shoal.storage.memory.faults import AtCall, Fault, Faults, SimulatedCrash
from shoal.storage.ports import Assign, CheckItem, Compare, Exists, Key, UpdateItem
from tests.unit.services.imports.small import begun, finished, validated
from tests.unit.services.test_recover import lose_the_table
from tests.unit.services.world import World, record, used

A, B = record(1, 2, 3, 4, n=1), record(5, 6, 7, 8, n=2)
OTHERS = ["a-1", "a-2", "a-3"]
FENCE, NOTED = Key("t#test", "FENCE"), Key("t#test", "NOTED")


def outcome_of(world: World, accepted: write.Accepted) -> Outcome | None:
    return get_job(world.ports, world.tenant_id, accepted.job_id).outcome


@pytest.mark.parametrize("resolved_one_by_one", [False, True])
@pytest.mark.parametrize("in_one_commit", [False, True])
def test_what_is_put_and_what_is_removed_change_at_once(
    in_one_commit: bool, resolved_one_by_one: bool
) -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": A, "a-1": A, "a-2": A, "stays": A})
    if not in_one_commit:
        world.drain(dataset)
    replaced = world.upsert(dataset, {"a": B}, removed=OTHERS)
    if resolved_one_by_one:
        world.patch(dataset, ("stays", {"n": 3}))
    again = world.upsert(dataset, {"a-1": B}, removed=OTHERS[1:])
    world.drain(dataset)
    assert outcome_of(world, replaced) == Outcome(upserted=1, deleted=2)
    assert outcome_of(world, again) == Outcome(upserted=1)
    stays = (A[0], {"n": 3}) if resolved_one_by_one else A
    assert world.stored(dataset, ["a", *OTHERS, "stays"]) == {"a": B, "a-1": B, "stays": stays}
    assert world.head(dataset).row_count == 3
    found = world.query(dataset, A[0])
    assert sorted(match.id for match in found.matches) == ["a", "a-1", "stays"]


def test_an_upsert_may_only_remove() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": A, "b": A})
    only = world.upsert(dataset, {}, removed=["a", "c", "a"])
    world.drain(dataset)
    assert outcome_of(world, only) == Outcome(deleted=1)
    assert world.stored(dataset, ["a", "b"]) == {"b": A}


def test_an_id_is_not_both_put_and_removed_and_nothing_is_stored() -> None:
    world = World()
    dataset = world.create()
    with pytest.raises(ValueError, match="both put and removed"):
        world.upsert(dataset, {"a": A}, removed=["b", "a"])
    assert not list(world.objects.list(keys_of(dataset).log_folder))
    assert used(world) == 0


def test_quota_is_reserved_for_what_is_put_and_given_back_for_what_is_removed() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": A, "a-1": A, "a-2": A}, quota=5)
    world.drain(dataset)
    world.upsert(dataset, {"a": B}, quota=4, removed=OTHERS)
    assert used(world) == 4
    world.drain(dataset)
    assert used(world) == 1


def test_removed_ids_count_among_the_rows_of_a_commit() -> None:
    world = World()
    dataset = world.create()
    for _ in range(3):
        world.upsert(dataset, {"a": A}, removed=[f"a-{n}" for n in range(COMMIT_MAX_ROWS // 2)])
    tail = read_tail(world.ports, keys_of(dataset), watermark=0)
    assert [(job.rows, job.removed) for job in tail.jobs] == [(1, COMMIT_MAX_ROWS // 2)] * 2


@pytest.mark.parametrize("in_cells", [False, True])
@pytest.mark.parametrize("place", ["in the commit that opens", "in a later commit", "among patches"])
def test_removed_ids_keep_out_the_rows_of_an_import_that_began_before(place: str, in_cells: bool) -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": A, "a-1": A})
    world.drain(dataset)
    job = begun(world, dataset)
    rows = {name: record(9, 9, 9, n, source="file") for n, name in enumerate(["a", *OTHERS, "other"])}
    validated(world, job, list(rows.items()))
    if place != "in the commit that opens":
        world.drain(dataset)
    if place == "among patches":
        world.patch(dataset, ("nobody", {"n": 1}))
    world.upsert(dataset, {"a": B}, removed=OTHERS)
    world.drain(dataset)
    world.build(dataset)
    finished(world, dataset, job, in_cells=in_cells)
    assert world.stored(dataset, rows) == {"a": B, "other": rows["other"]}
    assert world.head(dataset).row_count == 2
    assert {match.id for match in world.query(dataset, B[0]).matches} == {"a", "other"}


def test_what_is_removed_before_an_import_begins_may_come_with_it() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": B}, removed=OTHERS)
    job = begun(world, dataset)
    validated(world, job, [("a-1", A)])
    finished(world, dataset, job)
    assert world.stored(dataset, ["a", *OTHERS]) == {"a": B, "a-1": A}


def test_a_write_that_waits_when_the_table_is_lost_removes_when_it_is_put_again() -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": A, "a-1": A, "a-2": A})
    world.drain(dataset)
    world.upsert(dataset, {"a": B}, removed=OTHERS)
    world.clock.pass_seconds(1)  # the bucket tells the order of writes by their milliseconds
    world.upsert(dataset, {"a-3": B})
    lose_the_table(world)
    (told,) = recover(world.ports).datasets
    assert told.writes_again == 2
    tail = read_tail(world.ports, keys_of(dataset), watermark=world.head(dataset).watermark)
    assert [(job.rows, job.removed) for job in tail.jobs] == [(1, 3), (1, 0)]
    world.drain(dataset)
    assert world.stored(dataset, ["a", *OTHERS]) == {"a": B, "a-3": B}
    assert world.head(dataset).row_count == 2


@pytest.mark.parametrize("call", range(0, 24, 2))
def test_a_commit_that_dies_removes_all_or_nothing(call: int) -> None:
    world = World()
    dataset = world.create()
    before = {"a": A, "a-1": A, "a-2": A}
    world.upsert(dataset, before)
    world.drain(dataset)
    world.upsert(dataset, {"a": B}, removed=OTHERS)
    try:
        world.drain(dataset, ports=world.process(Faults(AtCall(call, Fault.CRASH_BEFORE))))
    except SimulatedCrash:
        world.searcher = Searcher(world.ports, cache_bytes=1 << 20)
        assert world.stored(dataset, [*before, "a-3"]) in (before, {"a": B})
        world.clock.pass_seconds(60)
        world.drain(dataset)
    assert world.stored(dataset, [*before, "a-3"]) == {"a": B}


class TestRequired:
    """Writes and checks that are one with the job."""

    @pytest.mark.parametrize("kind", ["upsert", "removal", "nothing", "delete"])
    def test_all_of_it_is_written_or_none(self, kind: str) -> None:
        world = World()
        dataset = world.create()
        world.table.put({"pk": FENCE.pk, "sk": FENCE.sk})
        world.table.put({"pk": NOTED.pk, "sk": NOTED.sk, "batch": 0})

        def accept(batch: int) -> write.Accepted:
            noted = UpdateItem(NOTED, (Assign("batch", batch + 1),), condition=Compare("batch", "=", batch))
            requires = (
                Requirement(CheckItem(FENCE, Exists("pk")), Conflict("never", "never")),
                Requirement(noted, Conflict("done_before", "this batch is written")),
            )
            if kind == "delete":
                return write.delete_ids(world.ports, dataset, ["a"], requires=requires)
            records = {"a": A} if kind == "upsert" else {}
            removed = ["b"] if kind == "removal" else []
            return world.upsert(dataset, records, removed=removed, requires=requires, quota=9)

        accept(0)
        for batch in (0, 7):
            with pytest.raises(Conflict, match="this batch is written"):
                accept(batch)
        accept(1)
        world.drain(dataset)
        item = world.table.get(NOTED)
        assert item is not None
        assert item["batch"] == 2
        # Four places were taken, two of which were closed.
        assert world.head(dataset).watermark == 4
        assert world.head(dataset).row_count == (kind == "upsert")
        assert used(world) == (kind == "upsert")
