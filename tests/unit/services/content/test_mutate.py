"""Transactions of mutations: all or nothing, one after the other, whatever happens at the same time."""

import threading
from contextlib import suppress
from typing import Any

import pytest

from shoal.errors import Conflict, InvalidInput, LimitReached, NotFound, ShoalError, TooLarge, TryAgain
from shoal.model.content_documents import DOCUMENTS_SCOPE, Deletion
from shoal.model.limits import GAP_SECONDS
from shoal.model.mutations import parse_mutations
from shoal.services import datasets
from shoal.services.content.documents import put_versions
from shoal.services.content.mutate import Mutated, Transaction, mutate
from shoal.services.heads import keys_of
from shoal.storage.memory.faults import AtCall, Fault, Faults, SimulatedCrash
from shoal.storage.ports import Drop
from tests.unit.services.content.documents_world import do, document, documents_of, put, stored
from tests.unit.services.world import World

A = {"_id": "a", "_type": "movie"}


def test_documents_get_times_and_a_revision() -> None:
    world = World()
    dataset = documents_of(world)
    done = do(world, dataset, {"create": {**A, "title": "One"}})
    (result,) = done.results
    assert (result.document_id, result.operation) == ("a", "create")
    expected = {
        **A,
        "title": "One",
        "_createdAt": "2027-01-15T08:00:00.000Z",
        "_updatedAt": "2027-01-15T08:00:00.000Z",
        "_rev": done.transaction_id,
    }
    assert result.document == expected
    assert stored(world, dataset, ["a"]) == {"a": expected}
    world.clock.pass_seconds(1.5)
    again = do(world, dataset, {"patch": {"id": "a", "set": {"title": "Two"}}}, transaction_id="mine")
    assert again.transaction_id == "mine"
    assert stored(world, dataset, ["a"])["a"] == {
        **expected,
        "title": "Two",
        "_rev": "mine",
        "_updatedAt": "2027-01-15T08:00:01.500Z",
    }


def test_a_transaction_that_fails_leaves_nothing() -> None:
    world = World()
    dataset = documents_of(world)
    do(world, dataset, {"create": A})
    before = stored(world, dataset, "abc")
    for last in (
        {"create": A},
        {"patch": {"id": "nowhere", "set": {"x": 1}}},
        {"patch": {"id": "a", "ifRevisionID": "other"}},
        {"patch": {"id": "a", "set": {"_type": "other"}}},
        {"patch": {"id": "a", "set": {"x": "y" * 300_000}}},
    ):
        with pytest.raises((Conflict, NotFound, InvalidInput, TooLarge)):
            do(world, dataset, {"createOrReplace": {**A, "_id": "b"}}, {"delete": {"id": "c"}}, last)
    world.drain(dataset)
    assert stored(world, dataset, "abc") == before
    assert world.head(dataset).watermark == 1


def test_what_does_not_depend_on_anything_does_not_wait() -> None:
    world = World()
    dataset = documents_of(world)
    do(world, dataset, {"createOrReplace": A}, applied=False)
    do(world, dataset, {"delete": {"id": "a"}}, {"createOrReplace": {**A, "_id": "b"}}, applied=False)
    assert world.head(dataset).watermark == 0
    world.drain(dataset)
    assert stored(world, dataset, ["a", "b"])["a"] is None


def test_what_depends_on_writes_before_it_waits_for_them() -> None:
    world = World()
    dataset = documents_of(world)
    do(world, dataset, {"createOrReplace": {**A, "n": 1}}, applied=False)
    done = do(world, dataset, {"createIfNotExists": {**A, "n": 2}})
    assert [each.operation for each in done.results] == ["none"]
    assert stored(world, dataset, ["a"])["a"]["n"] == 1


def test_it_does_not_wait_for_ever() -> None:
    world = World()
    dataset = documents_of(world)
    do(world, dataset, {"createOrReplace": A}, applied=False)
    with pytest.raises(TryAgain, match="nothing was changed"):
        mutate(
            world.ports,
            world.searcher.reader,
            dataset,
            Transaction(parse_mutations([{"create": A}])),
            vector_quota=None,
            pause=world.clock.pass_seconds,
        )


def test_a_write_in_between_is_seen() -> None:
    """A webhook comes after the document was read: the patch is made of what the webhook brought."""
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("a", 10, n=1, m=1), document("b", 10))
    put_versions(world.ports, dataset, [document("b", 11)], vector_quota=None)
    came: list[object] = []

    def pause(_: float) -> None:
        if not came:
            came.append(put_versions(world.ports, dataset, [document("a", 20, n=2, m=2)], vector_quota=None))
        world.drain(dataset)

    transaction = Transaction(parse_mutations([{"patch": {"id": "a", "set": {"m": 3}}}]))
    mutate(world.ports, world.searcher.reader, dataset, transaction, vector_quota=None, pause=pause)
    world.drain(dataset)
    assert came
    found = stored(world, dataset, ["a"])["a"]
    assert (found["n"], found["m"]) == (2, 3)


def test_a_late_webhook_does_not_undo_a_mutation() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("a", 4_000_000_000_000, n=1))  # of a clock that is far ahead
    do(world, dataset, {"patch": {"id": "a", "set": {"n": 2}}})
    put(world, dataset, document("a", 4_000_000_000_000, n=1))
    assert stored(world, dataset, ["a"])["a"]["n"] == 2
    do(world, dataset, {"delete": {"id": "a"}})
    put(world, dataset, document("a", 4_000_000_000_000, n=1))
    assert stored(world, dataset, ["a"]) == {"a": None}


def test_a_document_comes_back_after_its_deletion() -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, Deletion("a", 10))
    done = do(world, dataset, {"create": A})
    assert [each.operation for each in done.results] == ["create"]
    assert stored(world, dataset, ["a"])["a"]["_type"] == "movie"


def test_results_of_what_is_there() -> None:
    world = World()
    dataset = documents_of(world)
    do(world, dataset, {"createOrReplace": A})
    done = do(
        world,
        dataset,
        {"createOrReplace": A},
        {"createOrReplace": {**A, "_id": "b"}},
        {"delete": {"id": "a"}},
        {"delete": {"id": "c"}},
    )
    assert [each.operation for each in done.results] == ["update", "create", "delete", "none"]


def test_a_dry_run_writes_nothing() -> None:
    world = World()
    dataset = documents_of(world)
    done = do(world, dataset, {"create": A}, dry_run=True)
    assert [each.operation for each in done.results] == ["create"]
    assert stored(world, dataset, ["a"]) == {}
    assert world.head(dataset).watermark == 0


def test_what_is_refused_once_it_is_known_is_not_written() -> None:
    world = World()
    dataset = documents_of(world)

    def check(found: Mutated) -> None:
        assert [each.operation for each in found.results] == ["create"]
        raise InvalidInput("response_too_large", "no room")

    with pytest.raises(InvalidInput, match="no room"):
        do(world, dataset, {"create": A}, check=check)
    assert stored(world, dataset, ["a"]) == {}


def test_documents_that_are_too_many_bytes_together_are_refused() -> None:
    world = World()
    dataset = documents_of(world)
    names = [f"d{n}" for n in range(50)]
    for some in (names[:25], names[25:]):
        large = [{"createOrReplace": {"_id": name, "_type": "t", "text": "x" * 250_000}} for name in some]
        do(world, dataset, *large)
    with pytest.raises(InvalidInput, match="over 10485760 bytes together"):
        do(world, dataset, *({"patch": {"id": name, "unset": ["none"]}} for name in names))
    # Those that need not be read are deleted all the same.
    do(world, dataset, *({"delete": {"id": name}} for name in names))
    assert set(stored(world, dataset, names).values()) == {None}


def test_a_quota_and_a_deleted_dataset_refuse() -> None:
    world = World()
    dataset = documents_of(world)
    transaction = Transaction(parse_mutations([{"create": A}, {"create": {**A, "_id": "b"}}]))
    reader = world.searcher.reader
    with pytest.raises(LimitReached, match="quota"):
        mutate(world.ports, reader, dataset, transaction, vector_quota=1, pause=lambda _: None)
    datasets.delete_dataset(world.ports, world.tenant_id, scope=DOCUMENTS_SCOPE, name=dataset.name)
    for mutation in ({"create": A}, {"createOrReplace": A}):
        with pytest.raises(NotFound, match="dataset not found"):
            do(world, dataset, mutation, applied=False)


def test_counters_that_many_raise_at_once_lose_none() -> None:
    """Two writers patch one document by its revision until each has had its turns."""
    world = World()
    dataset = documents_of(world)
    do(world, dataset, {"create": {**A, "seen": []}})
    lock = threading.Lock()
    errors: list[Exception] = []

    def pause(_: float) -> None:
        with lock:
            world.drain(dataset)

    def write(name: str) -> None:
        try:
            for turn in range(4):
                one: list[Any] = [{"patch": {"id": "a", "set": {f"{name}{turn}": True}}}]
                while True:
                    try:
                        mutate(
                            world.ports,
                            world.searcher.reader,
                            dataset,
                            Transaction(parse_mutations(one)),
                            vector_quota=None,
                            pause=pause,
                        )
                        break
                    except TryAgain:
                        continue
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    writers = [threading.Thread(target=write, args=(name,)) for name in ("x", "y")]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    world.drain(dataset)
    assert not errors
    found = stored(world, dataset, ["a"])["a"]
    assert {name for name in found if name[0] in "xy"} == {
        f"{name}{turn}" for name in "xy" for turn in range(4)
    }


def test_of_two_at_once_that_create_one_document_one_is_told() -> None:
    world = World()
    dataset = documents_of(world)
    outcomes: list[str] = []
    lock = threading.Lock()

    def pause(_: float) -> None:
        with lock:
            world.drain(dataset)

    def create(name: str) -> None:
        transaction = Transaction(parse_mutations([{"create": {**A, "by": name}}]), transaction_id=name)
        try:
            mutate(world.ports, world.searcher.reader, dataset, transaction, vector_quota=None, pause=pause)
            outcomes.append("created")
        except Conflict:
            outcomes.append("exists")

    makers = [threading.Thread(target=create, args=(name,)) for name in ("x", "y", "z")]
    for each in makers:
        each.start()
    for each in makers:
        each.join()
    assert sorted(outcomes) == ["created", "exists", "exists"]


@pytest.mark.parametrize(
    "fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_BEFORE, Fault.BUSY_AFTER, Fault.TWICE]
)
def test_whoever_dies_leaves_all_or_nothing(fault: Fault) -> None:
    """At any call to storage; and who was told that it is done finds it done."""
    mutations = parse_mutations(
        [
            {"patch": {"id": "a", "set": {"n": 1}}},
            {"create": {**A, "_id": "b"}},
            {"delete": {"id": "c"}},
        ]
    )
    for number in range(100):
        world = World()
        dataset = documents_of(world)
        put(world, dataset, document("a", 10, n=0), document("c", 10))
        faults = Faults(AtCall(number, fault))
        done = None
        with suppress(SimulatedCrash, ShoalError):
            done = mutate(
                world.process(faults),
                world.searcher.reader,
                dataset,
                Transaction(mutations, transaction_id="t"),
                vector_quota=100,
                pause=world.clock.pass_seconds,
            )
        world.clock.pass_seconds(GAP_SECONDS + 1)
        world.drain(dataset)
        found = stored(world, dataset, "abc")
        happened = found["c"] is None
        assert happened is ("b" in found), faults.describe()
        assert happened is (found["a"]["n"] == 1), faults.describe()
        assert happened or done is None, faults.describe()
        if faults.calls <= number:
            assert happened
            assert number > 5
            return
    raise AssertionError("it has no end")


def test_the_count_of_writes_may_be_lost() -> None:
    """A dataset that was recovered has none."""
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("a", 10, n=0))
    key = keys_of(dataset).content
    world.table.update(key, [Drop("changes")])
    do(world, dataset, {"patch": {"id": "a", "set": {"n": 1}}})
    world.table.delete(key)
    do(world, dataset, {"patch": {"id": "a", "set": {"m": 1}}})
    found = stored(world, dataset, ["a"])["a"]
    assert (found["n"], found["m"]) == (1, 1)
