"""The build of a content index: documents of one version that it selects become its first records.

A build is an import of the index (`services.imports`) whose objects are documents. What changes in between, the
index takes up afterwards, from the version on that was built (`following`).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from shoal.errors import ConditionFailed, ImportRejected, ImportStopped, NotFound
from shoal.model.content_documents import Document, version_of_document
from shoal.model.content_indexes import IndexField, Selection
from shoal.model.content_texts import plain
from shoal.model.embedding_models import EmbeddingModel, ModelRegistry
from shoal.model.import_work import Plan
from shoal.model.reindex_work import RowSource, SourceVersion, rows_an_item
from shoal.services.collections.objects import SourceObject
from shoal.services.content.counting import count_selected
from shoal.services.content.items import IndexItem, read_index
from shoal.services.content.reading import scan
from shoal.services.embedding import Embedder
from shoal.services.imports.items import dataset_keys_of
from shoal.services.imports.workspace import Step, Workspace
from shoal.services.reindex.embed import embed_with
from shoal.services.reindex.plan import pieces_of, source_of, take_version
from shoal.services.reindex.version import open_version
from shoal.services.retry import retry_busy
from shoal.services.snapshot import Snapshot
from shoal.services.waiting import Pause
from shoal.storage.ports import AllOf, Assign, Compare

_COUNT_SECONDS = 60.0
"""How long the build counts what it is going to embed; longer, and it is better to begin."""
_MOST_ROWS = 20_000
"""Documents that one call looks at: they may be long, and are read whole."""


def plan_step(
    registry: ModelRegistry,
    *,
    seconds: float,
    pause: Pause,
    timer: Callable[[], float] = time.monotonic,
) -> Step:
    """Step `plan`, for a process that waits so long for the log of the documents."""

    def plan(work: Workspace, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
        """Take a version and deal its rows out: ``{"items_key", "items"}``, the object that lists the pieces, and
        how many there are.

        Raises:
            ImportRejected: the documents are gone, or the model.
            ImportStopped: the index has been deleted.
            StorageBusy: what was sent before is not applied yet; another attempt waits on.
        """
        index = _index_of(work)

        def count(snapshot: Snapshot) -> int:
            until = timer() + _COUNT_SECONDS
            found = count_selected(snapshot, index.selection, until=until, timer=timer)
            return snapshot.manifest.row_count if found is None else found

        version = work.recorded("source", SourceVersion)
        if version is None:
            version = take_version(work, index.documents_id, count, seconds=seconds, pause=pause)
        planned = work.recorded("plan", Plan)
        if planned is None:
            planned = _planned(work, version, _model_of(registry, work))
        _tell(work, index, version)
        work.enter("embedding", total=planned.chunks)
        return {"items_key": planned.items_key, "items": planned.chunks}

    return plan


def embed_step(embedder: Embedder) -> Step:
    """Step `embed`: the documents in some rows that are selected become records of the index."""
    return embed_with(embedder, objects=_selected, describe=describe)


def source_object(selection: Selection, document: Document) -> SourceObject:
    """A document as what is embedded: its projection, and what its record says of it."""
    return SourceObject(
        document.document_id,
        plain(selection.projection.project(dict(document.body))),
        {IndexField.TYPE: document.type, IndexField.VERSION: version_of_document(document)},
    )


def describe(source: SourceObject, *, part: int, parts: int, more: Mapping[str, Any] | None = None) -> bytes:
    """The metadata of a document's record: compact JSON. There is one a document, and the text is not kept."""
    if part or parts != 1:
        raise ValueError("a document is one record")
    return orjson.dumps({str(name): value for name, value in {**source.more, **(more or {})}.items()})


def _selected(work: Workspace, snapshot: Snapshot, sources: Sequence[RowSource]) -> Iterator[SourceObject]:
    selection = _index_of(work).selection
    for document in scan(snapshot, sources):
        if selection.selects(document):
            yield source_object(selection, document)


def _index_of(work: Workspace) -> IndexItem:
    index = read_index(work.ports, dataset_keys_of(work.job))
    if index is None or index.import_id != work.job.import_id:
        raise ImportStopped("the index has been deleted")
    return index


def _model_of(registry: ModelRegistry, work: Workspace) -> EmbeddingModel:
    binding = work.dataset.binding
    try:
        return registry.find(binding.model_id if binding else "")
    except NotFound as missing:
        raise ImportRejected(missing.message) from missing


def _planned(work: Workspace, version: SourceVersion, model: EmbeddingModel) -> Plan:
    snapshot = open_version(work.ports, source_of(work.ports, work.job.tenant_id, version), version)
    items = []
    if snapshot is not None and version.objects:
        live = snapshot.manifest.row_count
        share = max(1, live // version.objects)  # rows that are not selected take no embedding
        rows = min(share * rows_an_item(version.objects, model), _MOST_ROWS)
        items = pieces_of(snapshot, rows, objects=version.objects, dimension=work.dataset.dimension)
    made = Plan(chunks=len(items), items_key=work.put_items("items", items))
    return work.record("plan", made)[0]


def _tell(work: Workspace, index: IndexItem, version: SourceVersion) -> None:
    """Say how many documents there are to be tried, and from where on the index follows.

    Raises:
        ImportStopped: the index has been deleted.
    """
    actions = (Assign("start_count", version.objects), Assign("synced", version.watermark))
    still = AllOf((Compare("import_id", "=", index.import_id), Compare("active", "=", False)))
    try:
        retry_busy(lambda: work.ports.table.update(index.keys.content, actions, condition=still))
    except ConditionFailed as lost:
        raise ImportStopped("the index has been deleted, or is built") from lost
