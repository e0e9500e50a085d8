"""Deriving: exactly the records that the condition leaves, seen at once or not at all."""

from collections.abc import Mapping

import pytest

from shoal.errors import Conflict, InvalidInput, NotFound, RunStopped
from shoal.model.datasets import Dataset
from shoal.model.derivations import Condition, DerivationStatus
from shoal.services import datasets
from shoal.services.datasets import list_datasets
from shoal.services.derived.ending import handle_failure
from shoal.services.derived.run import open_derivation
from shoal.services.derived.starting import (
    cancel_derivation,
    get_derivation,
    lineage_of,
    list_derivations,
    reconcile_derivations,
    source_named,
    start_derivation,
    start_rebuild,
)
from shoal.services.followers import children_of
from shoal.services.heads import keys_of, parse_meta
from shoal.storage.keys import DatasetKeys
from tests.unit.services.cell_world import add_cells
from tests.unit.services.derived.deriving import DeriveWorld, seen
from tests.unit.services.imports.small import begun
from tests.unit.services.world import Record, record, used

EVEN = Condition(filter={"parity": "even"})
TERMS = Condition(
    terms=("water", "running dog", "bird"),
    term_fields=("title", "description", "tags[].name"),
    list_name="sensitive",
)


def numbered(prefix: str, count: int) -> dict[str, Record]:
    return {
        f"{prefix}{n}": record(n, 0.5, -0.0, 3, number=n, parity="odd" if n % 2 else "even")
        for n in range(count)
    }


def evens(records: Mapping[str, Record]) -> dict[str, Record]:
    return {name: found for name, found in records.items() if found[1]["parity"] == "even"}


def filled(world: DeriveWorld) -> tuple[Dataset, dict[str, Record]]:
    """Cells, a resident shard, a delta, and dead rows in each."""
    source = world.create()
    there: dict[str, Record] = {}
    blocks = [numbered(f"cell{number}-", 5) for number in range(4)]
    add_cells(world, source, blocks)
    for block in blocks:
        there |= block
    for prefix in ("resident-", "delta-"):
        world.upsert(source, numbered(prefix, 9))
        there |= numbered(prefix, 9)
        world.drain(source)
        if prefix == "resident-":
            world.build(source)
    doomed = {"cell1-0", "cell1-1", "cell1-2", "resident-3", "resident-4", "delta-4"}
    world.delete(source, doomed)
    world.drain(source)
    return source, {name: value for name, value in there.items() if name not in doomed}


def test_a_derived_dataset_is_what_the_filter_leaves() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    run = world.completed(world.begin(source, "evens", EVEN))
    made = world.named("evens")
    assert seen(world, made, there) == evens(there)
    assert seen(world, source, there) == there
    assert (run.status, run.progress, run.strategy) == (DerivationStatus.COMPLETED, 100.0, "mask")
    assert (run.rows_total, run.rows_removed) == (len(there), len(there) - len(evens(there)))
    lineage = lineage_of(world.ports, made)
    assert lineage is not None
    assert (lineage.source_id, lineage.source_name) == (source.dataset_id, source.name)
    assert (lineage.source_version, lineage.running) == (world.head(source).version, None)
    assert (lineage.condition, lineage.last_run) == (EVEN, run.run_id)
    (child,) = children_of(world.ports, keys_of(source))
    assert (child.dataset_id, child.follows, child.synced_version) == (
        made.dataset_id,
        False,
        lineage.source_version,
    )
    assert used(world) == len(there) + len(evens(there))


def test_without_a_condition_all_of_it() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    run = world.completed(world.begin(source, "copy"))
    assert seen(world, world.named("copy"), there) == there
    assert (run.rows_removed, run.progress) == (0, 100.0)


def test_terms_take_records_that_hold_them_as_whole_words() -> None:
    world = DeriveWorld()
    source = world.create()
    texts: dict[str, dict[str, object]] = {
        "plain": {"title": "A boat", "description": "at sea"},
        "title": {"title": "Running WATER", "description": "in the hills"},
        "part": {"title": "waterfall, birds"},
        "several": {"description": "a running  dog!", "title": "The bird"},
        "apart": {"description": "running, then a dog", "title": "dog running"},
        "tag": {"tags": [{"name": "sea"}, {"name": "Bird"}]},
        "elsewhere": {"tags": [{"provider": "water"}], "note": "water"},
        "odd": {"title": 7, "tags": "bird", "description": ["water", 3]},
        "across": {"tags": [{"name": "running"}, {"name": "dog"}]},
    }
    records = {name: record(n, 0, 0, 0, **text) for n, (name, text) in enumerate(texts.items())}
    world.upsert(source, records)
    world.drain(source)
    run = world.completed(world.begin(source, "clean", TERMS))
    left = {"plain", "part", "apart", "elsewhere", "across"}
    assert seen(world, world.named("clean"), texts).keys() == left
    assert dict(run.removed_by_term) == {"water": 2, "bird": 2, "running dog": 1}
    assert run.rows_removed == len(texts) - len(left)
    lineage = lineage_of(world.ports, world.named("clean"))
    assert lineage is not None
    assert lineage.removed_by_term == run.removed_by_term
    assert lineage.condition == TERMS


def test_a_filter_and_terms_together() -> None:
    world = DeriveWorld()
    source = world.create()
    world.upsert(
        source,
        {
            "a": record(1, 0, 0, 0, kind="x", title="water"),
            "b": record(2, 0, 0, 0, kind="x", title="fire"),
            "c": record(3, 0, 0, 0, kind="y", title="water"),
        },
    )
    world.drain(source)
    both = Condition(filter={"kind": "x"}, terms=("water",), term_fields=("title",))
    run = world.completed(world.begin(source, "both", both))
    assert seen(world, world.named("both"), "abc").keys() == {"b"}
    # What the filter leaves out no term has removed.
    assert (run.rows_removed, run.removed_by_term) == (2, (("water", 1),))


def test_nothing_is_left_and_then_something_is() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    none = Condition(filter={"parity": "neither"})
    made = world.derive(source, "none", none)
    assert seen(world, made, there) == {}
    world.upsert(source, {"new": record(9, 9, 9, 9, parity="neither")})
    world.drain(source)
    world.rebuild(made)
    assert seen(world, made, there).keys() == {"new"}


def test_of_a_source_without_a_version() -> None:
    world = DeriveWorld()
    source = world.create()
    made = world.derive(source, "empty", EVEN)
    assert seen(world, made) == {}
    world.upsert(made, numbered("own-", 2))
    world.drain(made)
    world.rebuild(made)
    assert seen(world, made, numbered("own-", 2)) == {}


def test_it_goes_its_own_way() -> None:
    """Writes to either do not show in the other; a masked id is one that is not there."""
    world = DeriveWorld()
    source, there = filled(world)
    made = world.derive(source, "evens", EVEN)
    world.upsert(made, {"delta-1": record(7, 7, 7, 7, own=True), "fresh": record(8, 8, 8, 8)})
    world.delete(made, ["delta-3", "delta-0", "cell0-1"])
    world.patch(made, ("cell0-3", {"more": 1}), ("cell0-2", {"more": 2}))
    world.drain(made)
    expected = evens(there) | {"delta-1": record(7, 7, 7, 7, own=True), "fresh": record(8, 8, 8, 8)}
    del expected["delta-0"]
    expected["cell0-2"] = (expected["cell0-2"][0], {**expected["cell0-2"][1], "more": 2})
    assert seen(world, made, there) == expected
    assert seen(world, source, there) == there
    # Rows that were left out stay so when what they lie beside is folded, built and compacted.
    for step in range(14):
        world.upsert(made, {f"more{step}": record(step, 1, 1, 1)})
        expected[f"more{step}"] = record(step, 1, 1, 1)
        world.drain(made)
    assert seen(world, made, there) == expected
    world.build(made)
    assert seen(world, made, there) == expected
    world.upsert(made, {"cell2-1": record(5, 5, 5, 5)})
    expected["cell2-1"] = record(5, 5, 5, 5)
    world.drain(made)
    assert seen(world, made, there) == expected
    world.compact(made)
    assert not world.snapshot_of(made).manifest.masked
    assert seen(world, made, there) == expected
    assert seen(world, source, there) == there


def test_a_rebuild_takes_the_newest_version_and_looks_at_new_shards_only() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    made = world.derive(source, "evens", EVEN)
    world.upsert(made, {"own": record(1, 1, 1, 1)})
    world.drain(made)
    world.upsert(source, numbered("later-", 4))
    world.delete(source, ["cell0-0", "cell0-1"])
    asked: list[str] = []
    run = start_rebuild(world.ports, world.tenant_id, dataset=made, vector_quota=None)
    assert seen(world, made, there).keys() == {*evens(there), "own"}
    assert world.run_derivation(run, before=lambda given: asked.append(given["step"])).succeeded
    assert asked.count("mask") == 1  # of the new delta
    now = {**there, **numbered("later-", 4)}
    del now["cell0-0"], now["cell0-1"]
    assert seen(world, made, now) == evens(now)
    lineage = lineage_of(world.ports, made)
    assert lineage is not None
    assert lineage.source_version == world.head(source).version
    assert [each.first for each in list_derivations(world.ports, made, limit=10)] == [False, True]


def test_a_rebuild_does_not_depend_on_what_is_remembered() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    made = world.derive(source, "evens", EVEN)
    lineage = lineage_of(world.ports, made)
    assert lineage is not None
    assert lineage.masks is not None
    world.objects.delete([lineage.masks.key])
    world.rebuild(made)
    assert seen(world, made, there) == evens(there)


def test_a_derived_dataset_of_a_derived_one() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    middle = world.derive(source, "evens", EVEN)
    last = world.derive(middle, "few", Condition(filter={"number": {"$lt": 3}}))
    few = {name: found for name, found in evens(there).items() if found[1]["number"] < 3}  # type: ignore[operator]
    assert seen(world, last, there) == few


# --- not to be seen before it is whole


def test_it_is_not_there_before_it_is_whole() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    run = world.begin(source, "evens", EVEN)
    looks: list[str] = []

    def look(given: Mapping[str, object]) -> None:
        with pytest.raises(NotFound):
            world.named("evens")
        assert [
            view.dataset.name for view in list_datasets(world.ports, world.tenant_id, scope="native")
        ] == ["books"]
        looks.append(str(given["step"]))

    assert world.run_derivation(run, before=look).succeeded
    assert set(looks) == {"plan", "mask", "publish", "settle", "finish"}
    assert world.named("evens").dataset_id == run.dataset_id


def test_two_of_one_name() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    run = world.begin(source, "evens", EVEN)
    with pytest.raises(Conflict) as taken:
        world.begin(source, "evens", EVEN)
    assert (taken.value.code, (taken.value.details or {})["building"]) == ("dataset_exists", run.run_id)
    with pytest.raises(Conflict, match="already exists"):
        world.create("evens")
    with pytest.raises(Conflict, match="already exists"):
        world.begin(source, "books")


def test_the_same_run_asked_for_twice_is_one() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    first = world.begin(source, "evens", EVEN)
    assert world.begin(source, "evens", EVEN, run_id=first.run_id) == first
    done = world.completed(first)
    assert world.begin(source, "evens", EVEN, run_id=first.run_id) == done


def test_of_a_source_that_is_being_built() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    run = world.begin(source, "evens", EVEN)
    with pytest.raises(Conflict) as unfinished:
        source_named(world.ports, world.tenant_id, scope="native", name="evens")
    assert unfinished.value.code == "source_unfinished"
    world.completed(run)
    made = source_named(world.ports, world.tenant_id, scope="native", name="evens")
    again = world.begin(made, "copy")
    with pytest.raises(NotFound):
        source_named(world.ports, world.tenant_id, scope="native", name="nobody")
    datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name="books")
    with pytest.raises(NotFound):
        world.begin(source, "late", EVEN)
    assert world.completed(again).status is DerivationStatus.COMPLETED


def test_a_hidden_source_is_refused_in_the_transaction_too() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    run = world.begin(source, "evens", EVEN)
    hidden = parse_meta(world.table.get(DatasetKeys(world.tenant_id, run.dataset_id).meta) or {})
    with pytest.raises(Conflict) as unfinished:
        world.begin(hidden, "copy")
    assert unfinished.value.code == "source_unfinished"


# --- conditions that are none


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (Condition(filter={"a": {"$nope": 1}}), "invalid_request"),
        (Condition(terms=("a",)), "invalid_fields"),
        (Condition(terms=("a",), term_fields=("",)), "invalid_fields"),
        (Condition(terms=("a",), term_fields=("a..b",)), "invalid_fields"),
        (Condition(terms=("a",), term_fields=("a" * 300,)), "invalid_fields"),
        (Condition(terms=("a",), term_fields=("a",) * 21), "invalid_fields"),
    ],
)
def test_a_condition_that_is_none_begins_nothing(condition: Condition, code: str) -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    with pytest.raises(InvalidInput) as refused:
        world.begin(source, "evens", condition)
    assert refused.value.code == code
    assert world.derivations.started == {}
    world.create("evens")


# --- ends


def test_a_cancelled_first_run_leaves_nothing() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    run = world.begin(source, "evens", EVEN)
    over = cancel_derivation(world.ports, world.tenant_id, run.run_id)
    assert over.status is DerivationStatus.CANCELLED
    assert world.derivations.statuses[run.run_id] == "ABORTED"
    assert cancel_derivation(world.ports, world.tenant_id, run.run_id) == over
    assert used(world) == len(there)
    world.derive(source, "evens", EVEN)


def test_cancelled_between_any_two_steps() -> None:
    for number in range(60):
        world = DeriveWorld()
        source, there = filled(world)
        run, calls = world.begin(source, "evens", EVEN), iter(range(100))

        def cancel(_: Mapping[str, object]) -> None:
            if next(calls) == number:  # noqa: B023 - used before the next turn
                cancel_derivation(world.ports, world.tenant_id, run.run_id)  # noqa: B023

        execution = world.run_derivation(run, before=cancel)
        assert execution.succeeded
        over = world.again(run)
        if over.status is DerivationStatus.COMPLETED:
            assert seen(world, world.named("evens"), there) == evens(there)
            return
        with pytest.raises(NotFound):
            world.named("evens")
        assert used(world) == len(there)
        assert children_of(world.ports, keys_of(source)) == []
    raise AssertionError("never ran through")


def test_a_rebuild_can_be_cancelled_until_its_version_is_in_the_log() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    made = world.derive(source, "evens", EVEN)
    world.upsert(source, numbered("later-", 4))
    run = start_rebuild(world.ports, world.tenant_id, dataset=made, vector_quota=None)
    with pytest.raises(Conflict) as twice:
        start_rebuild(world.ports, world.tenant_id, dataset=made, vector_quota=None)
    assert twice.value.code == "derivation_running"
    cancelled = cancel_derivation(world.ports, world.tenant_id, run.run_id)
    assert cancelled.status is DerivationStatus.CANCELLED
    assert world.run_derivation(run).succeeded
    assert seen(world, made, there) == evens(there)

    second = start_rebuild(world.ports, world.tenant_id, dataset=made, vector_quota=None)

    def cancel(given: Mapping[str, object]) -> None:
        if given["step"] == "settle":
            with pytest.raises(Conflict) as late:
                cancel_derivation(world.ports, world.tenant_id, second.run_id)
            assert late.value.code == "derivation_ending"

    assert world.run_derivation(second, before=cancel).succeeded
    now = there | numbered("later-", 4)
    assert seen(world, made, now) == evens(now)


def test_the_source_is_deleted_before_its_version_is_taken() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    run = world.begin(source, "evens", EVEN)
    datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name="books")
    assert world.run_derivation(run).succeeded
    over = world.again(run)
    assert over.status is DerivationStatus.FAILED
    assert over.error_message == "the source books has been deleted"
    with pytest.raises(NotFound):
        world.named("evens")


def test_the_source_is_deleted_once_its_version_is_taken() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    run = world.begin(source, "evens", EVEN)

    def delete(given: Mapping[str, object]) -> None:
        if given["step"] == "publish":
            datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name="books")

    assert world.run_derivation(run, before=delete).succeeded
    made = world.named("evens")
    assert seen(world, made, there) == evens(there)
    with pytest.raises(NotFound) as gone:
        start_rebuild(world.ports, world.tenant_id, dataset=made, vector_quota=None)
    assert gone.value.code == "source_deleted"


def test_more_than_the_quota_has_room_for() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    run = world.begin(source, "copy", quota=len(there) + 3)
    assert world.run_derivation(run).succeeded
    over = world.again(run)
    assert over.status is DerivationStatus.FAILED
    assert "quota would be exceeded" in str(over.error_message)
    with pytest.raises(NotFound):
        world.named("copy")
    assert used(world) == len(there)
    few = Condition(filter={"number": {"$lt": 1}})
    world.completed(world.begin(source, "copy", few, quota=len(there) * 2))


def test_what_is_not_derived_cannot_be_rebuilt() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    with pytest.raises(Conflict) as other:
        start_rebuild(world.ports, world.tenant_id, dataset=source, vector_quota=None)
    assert other.value.code == "not_derived"
    assert lineage_of(world.ports, source) is None
    for unknown in ("drv_" + "0" * 32, "nonsense", "exp_" + "0" * 32):
        with pytest.raises(NotFound) as missing:
            get_derivation(world.ports, world.tenant_id, unknown)
        assert missing.value.code == "derivation_not_found"


def test_another_tenants_run_is_not_there() -> None:
    world, other = DeriveWorld(), DeriveWorld()
    run = world.begin(filled(world)[0], "evens", EVEN)
    for ask in (get_derivation, cancel_derivation):
        with pytest.raises(NotFound):
            ask(world.ports, other.tenant_id, run.run_id)
    assert world.again(run).status is DerivationStatus.RUNNING


def test_a_run_without_a_workflow_gets_it_and_one_whose_workflow_died_fails() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    run = world.begin(source, "evens", EVEN)
    world.derivations.started.clear()
    world.derivations.statuses.clear()
    assert reconcile_derivations(world.ports) == 0
    world.clock.pass_seconds(61)
    reconcile_derivations(world.ports)
    assert world.derivations.started.keys() == {run.run_id}
    world.derivations.end(run.run_id, "TIMED_OUT")
    assert reconcile_derivations(world.ports) == 1
    over = world.again(run)
    assert (over.status, "TIMED_OUT" in str(over.error_message)) == (DerivationStatus.FAILED, True)
    assert reconcile_derivations(world.ports) == 0
    made = world.derive(source, "evens", EVEN)
    rebuild = start_rebuild(world.ports, world.tenant_id, dataset=made, vector_quota=None)
    world.derivations.end(rebuild.run_id, "ABORTED")
    # It holds up no other one: whoever wants the next finds that it is dead.
    assert world.rebuild(made).status is DerivationStatus.COMPLETED
    assert world.again(rebuild).status is DerivationStatus.FAILED
    assert seen(world, made, there) == evens(there)


def test_progress_never_falls() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    run = world.begin(source, "evens", EVEN)
    found: list[float] = []
    world.run_derivation(run, before=lambda _: found.append(world.again(run).progress))
    assert found == sorted(found)
    assert found[0] == 0.0
    assert len(set(found)) > 5
    assert world.again(run).progress == 100.0


def test_started_with_other_words_than_a_run() -> None:
    """The name of the new dataset is the caller's to check; scopes keep names apart."""
    world = DeriveWorld()
    source, there = filled(world)
    run = start_derivation(
        world.ports,
        world.tenant_id,
        source=source,
        scope="openverse",
        name="books",
        condition=EVEN,
        vector_quota=None,
    )
    world.completed(run)
    made = datasets.resolve(world.ports, world.tenant_id, scope="openverse", name="books")
    assert seen(world, made, there) == evens(there)
    assert world.named("books") == source


def test_a_source_forgets_those_that_are_deleted_when_another_is_made() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    for name in ("first", "second"):
        world.derive(source, name, EVEN)
    datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name="first")
    run = world.begin(source, "unfinished", EVEN)
    world.derive(source, "third", EVEN)
    assert {child.name for child in children_of(world.ports, keys_of(source))} == {"second", "third"}
    world.completed(run)
    assert {child.name for child in children_of(world.ports, keys_of(source))} == {
        "second",
        "third",
        "unfinished",
    }


def test_a_rebuild_in_the_middle_of_an_import_changes_nothing() -> None:
    world = DeriveWorld()
    source, there = filled(world)
    made = world.derive(source, "evens", EVEN)
    begun(world, made)
    world.upsert(source, numbered("later-", 4))
    run = start_rebuild(world.ports, world.tenant_id, dataset=made, vector_quota=None)
    assert world.run_derivation(run).succeeded
    over = world.again(run)
    assert over.status is DerivationStatus.FAILED
    assert "an import was under way" in str(over.error_message)
    assert seen(world, made, there) == evens(there)
    lineage = lineage_of(world.ports, made)
    assert lineage is not None
    assert (lineage.running, lineage.source_version) == (None, world.head(source).version - 1)


def test_other_messages_of_a_workflow() -> None:
    world = DeriveWorld()
    source, _ = filled(world)
    run = world.begin(source, "evens", EVEN)
    over = world.completed(run)
    assert handle_failure(world.ports, {"run_id": run.run_id}) == {"outcome": "stopped"}
    assert handle_failure(world.ports, {"run_id": "drv_" + "1" * 32}) == {"outcome": "stopped"}
    with pytest.raises(RunStopped):
        open_derivation(world.ports, run.run_id)
    with pytest.raises(RunStopped):
        open_derivation(world.ports, "drv_" + "1" * 32)
    rebuild = start_rebuild(world.ports, world.tenant_id, dataset=world.named("evens"), vector_quota=None)
    datasets.delete_dataset(world.ports, world.tenant_id, scope="native", name="evens")
    assert world.run_derivation(rebuild).succeeded
    assert world.again(rebuild).error_message == "the dataset has been deleted"
    assert world.again(run) == over
