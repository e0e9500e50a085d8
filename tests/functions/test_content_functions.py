"""Content indexes by the functions that build them and have them follow, over the sample events of reindexes."""

import json

import pytest

from functions.tasks import handler as tasks
from shoal.embedding.models import Models
from shoal.errors import ImportStopped
from shoal.model.content_documents import Change, Deletion, Document
from shoal.model.content_indexes import ContentIndex, check_index, check_query
from shoal.model.datasets import Dataset
from shoal.model.embedding_models import ModelRegistry
from shoal.services.commit import drain
from shoal.services.content.documents import ensure_documents, put_versions
from shoal.services.content.indexes import create_index, delete_index, failures_of, get_index
from shoal.services.content.items import read_index
from shoal.services.content.querying import query_index
from shoal.services.embedding import Embedder
from shoal.services.heads import keys_of, read_head
from shoal.services.search import Searcher
from shoal.services.snapshot import open_snapshot
from shoal.storage.memory import MemoryInference, MemoryOutbound
from tests.functions.world import World

STEPS = (
    ("reindex", "plan"),
    ("reindex", "embed"),
    ("import_cells", "settle"),
    ("import_cells", "build_shard"),
    ("import_finish", "commit"),
    ("reindex", "deploy"),
)


def document(name: str, ms: int = 1, **fields: object) -> Document:
    return Document(name, {"_id": name, "_type": "movie", **fields}, ms)


def applied(world: World, dataset: Dataset) -> None:
    """What the indexer does."""
    drain(world.ports, dataset.tenant_id, dataset.dataset_id, owner="test")


@pytest.fixture
def documents(world: World) -> Dataset:
    """Two documents, one of which has nothing to be embedded, and an index whose build has begun."""
    found = ensure_documents(world.ports, world.values["TENANT_ID"], "production")
    put_versions(
        world.ports,
        found,
        [document("alien", title="a hungry alien"), document("mute", year=1)],
        vector_quota=None,
    )
    applied(world, found)
    head = read_head(world.ports, keys_of(found))
    assert head is not None
    reader = Searcher(world.ports, cache_bytes=10**6).reader
    version = open_snapshot(reader, found, head)
    assert version is not None
    made = create_index(
        world.ports,
        ModelRegistry(),
        reader,
        found,
        check_index("movies", '_type == "movie"', ""),
        vector_quota=None,
    )
    item = read_index(world.ports, keys_of(made.dataset))
    assert item is not None
    world.values["IMPORT_ID"] = item.import_id
    world.values["SHARD_ID"] = version.manifest.shards[0].shard_id
    applied(world, made.dataset)
    return found


def index(world: World) -> ContentIndex:
    return get_index(world.ports, world.values["TENANT_ID"], dataset_name="production", name="movies")


def wake(world: World, dataset: Dataset) -> None:
    """A wake-up for what follows a dataset, in a new container."""
    tasks.reader.cache_clear()
    event = world.event("tasks", "one_message")
    body = {"tenant_id": dataset.tenant_id, "dataset_id": dataset.dataset_id}
    event["Records"][0]["body"] = json.dumps(body)
    assert world.invoke("tasks", event) == {"batchItemFailures": []}


@pytest.mark.parametrize("times", [1, 2])
def test_built_step_by_step_and_followed(world: World, documents: Dataset, times: int) -> None:
    assert index(world).status == "pending"
    for function, step in STEPS:
        for _ in range(1 if step == "commit" else times):
            world.replay(function, step)
    built = index(world)
    assert (built.status, built.start_count, built.remaining_count, built.failed_count) == ("active", 2, 0, 1)
    assert [one.document_id for one in failures_of(world.ports, built, limit=10)[0]] == ["mute"]
    assert found(world, "alien") == ["alien"]
    changes: list[Change] = [
        Deletion("alien", 2),
        document("mute", 2, title="not mute any more"),
        document("new", title="new"),
    ]
    put_versions(world.ports, documents, changes, vector_quota=None)
    applied(world, documents)
    for _ in range(times):
        wake(world, documents)
    applied(world, built.dataset)
    assert sorted(found(world, "alien")) == ["mute", "new"]
    assert index(world).failed_count == 0
    assert world.replay("reindex", "fail") == {"outcome": "stopped"}


def found(world: World, text: str) -> list[str]:
    models = Models(ModelRegistry(), inference=MemoryInference(), outbound=MemoryOutbound())
    answer = query_index(
        world.ports,
        Searcher(world.ports, cache_bytes=10**6),
        Embedder(world.ports, models),
        world.values["TENANT_ID"],
        dataset_name="production",
        name="movies",
        query=check_query(text),
    )
    return [one.document_id for one in answer]


def test_a_step_that_failed_for_good_ends_it(world: World, documents: Dataset) -> None:
    assert documents
    assert world.replay("reindex", "fail") == {"outcome": "error"}
    failed = index(world)
    assert (failed.status, failed.failed_count) == ("indexing", 2)
    assert "create it again" in (failed.error or "")
    assert world.replay("reindex", "deploy") == {}


def test_of_a_deleted_index_nothing_more_is_done(world: World, documents: Dataset) -> None:
    delete_index(world.ports, documents.tenant_id, dataset_name="production", name="movies")
    for step in ("plan", "embed"):
        with pytest.raises(ImportStopped):
            world.replay("reindex", step)
    assert world.replay("reindex", "deploy") == {}
    wake(world, documents)
