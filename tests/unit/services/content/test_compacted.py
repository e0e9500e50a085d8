"""Datasets of documents that are compacted: documents, deletions and what the log tells of them stay."""

from shoal.model.content_documents import Deletion
from shoal.services.content.reading import Cursor, changed_since
from tests.unit.services.compaction.work import CompactWorld
from tests.unit.services.content.documents_world import (
    document,
    documents_of,
    put,
    scanned,
    snapshot_of,
    stored,
)
from tests.unit.services.imports.test_documents import NOON, imported, line


def test_documents_survive_a_compaction() -> None:
    world = CompactWorld()
    dataset = documents_of(world)
    names = [f"d{number:03}" for number in range(300)]
    imported(world, dataset, *(line(name, title="imported") for name in names), one_shard_bytes=0)
    put(world, dataset, *(document(name, NOON + 1, title="webhook") for name in names[:100]))
    put(world, dataset, *(Deletion(name, NOON + 2) for name in names[50:150]))
    before = scanned(world, dataset)
    committed = world.head(dataset).watermark
    assert world.run(world.started(dataset)).succeeded
    manifest = world.manifest(dataset)
    assert manifest.compacted_at is not None
    assert len(manifest.cell_sets) == 1
    assert scanned(world, dataset) == before
    assert len(before) == 200
    put(world, dataset, *(document(name, NOON - 1, title="late") for name in names))
    assert scanned(world, dataset) == before
    assert stored(world, dataset, [names[60]]) == {names[60]: None}
    snapshot = snapshot_of(world, dataset)
    assert snapshot is not None
    changed = changed_since(world.ports, snapshot, Cursor(0), most=1000, up_to=committed)
    assert changed is not None
    assert sorted(changed.ids) == names
