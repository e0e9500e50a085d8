"""Namespaces and documents of plain writes: through deltas, folds and builds, and in answers of bounded size."""

import pytest

from shoal.errors import InvalidInput
from shoal.model.datasets import Dataset
from shoal.services.fetch import Fetched, fetch
from shoal.services.winners import matches_of
from tests.unit.services.world import World, record


def shown(world: World, dataset: Dataset, *ids: str) -> Fetched:
    return fetch(
        world.searcher,
        dataset.tenant_id,
        scope=dataset.scope,
        name=dataset.name,
        ids=ids,
        include_values=False,
        include_document=True,
    )


def texts(found: Fetched) -> dict[str, tuple[str, bytes]]:
    return {each.id: (each.namespace, each.document) for each in found.records}


def test_texts_outlive_folds_and_builds() -> None:
    world = World()
    dataset = world.create()
    wanted: dict[str, tuple[str, bytes]] = {}
    for write in range(20):
        name, more = f"r{write}", (f"n{write % 3}", b"text %d" % write) if write % 2 else ("", b"")
        world.upsert(dataset, {name: record(write, 0, 0, 1)}, namespaces=[more[0]], documents=[more[1]])
        world.drain(dataset)
        wanted[name] = more
    assert texts(shown(world, dataset, *wanted)) == wanted
    world.build(dataset)
    assert texts(shown(world, dataset, *wanted)) == wanted
    # a record is written as a whole: what the last write of an id does not name is gone
    world.upsert(dataset, {"r1": record(1, 2, 3, 4)})
    world.drain(dataset)
    assert texts(shown(world, dataset, "r1")) == {"r1": ("", b"")}


def test_a_fetch_ends_before_documents_outgrow_an_answer() -> None:
    world = World()
    dataset = world.create()
    names = [f"r{row}" for row in range(30)]
    world.upsert(dataset, {name: record(1, 2, 3, 4) for name in names}, documents=[b"d" * 256_000] * 30)
    world.drain(dataset)
    found = shown(world, dataset, *names)
    assert (len(found.records), found.unprocessed_ids) == (20, tuple(names[20:]))


def test_winners_with_documents_are_bounded_too() -> None:
    world = World()
    dataset = world.create()
    names = [f"r{row}" for row in range(30)]
    world.upsert(dataset, {name: record(1, 2, 3, 4) for name in names}, documents=[b"\n" * 120_000] * 30)
    world.drain(dataset)
    snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    (shard,) = snapshot.manifest.shards
    best = [(shard, row, 0.0) for row in range(30)]
    assert not any(match.document for match in matches_of(snapshot, best, {}, include_values=False))
    few = matches_of(snapshot, best[:14], {}, include_values=False, include_document=True)
    assert {match.document for match in few} == {b"\n" * 120_000}
    with pytest.raises(InvalidInput) as error:
        matches_of(snapshot, best, {}, include_values=False, include_document=True)
    assert error.value.details == {"top_k": 14}
