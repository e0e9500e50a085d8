"""Step `embed`: the objects in some rows of the source become records of the destination."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from shoal.errors import (
    ConditionFailed,
    ImportRejected,
    ImportStopped,
    LimitReached,
    ModelBusy,
    ModelDenied,
    ModelFailed,
    NotFound,
)
from shoal.index.column_file import Blobs, Columns, decode_columns, encode_columns, joined
from shoal.model.import_work import Chunk, ChunkRecord
from shoal.model.reindex_work import (
    BATCH_BYTES,
    EmbeddedBatch,
    EmbedItem,
    RowSource,
    SourceVersion,
    batch_size,
    keeps_batches,
)
from shoal.model.tasks import FailedObject, FailureStage
from shoal.services.collections.embedding import EmbeddedObjects, embed_objects
from shoal.services.collections.objects import Describe, SourceObject, metadata_of
from shoal.services.embedding import Embedder
from shoal.services.imports.chunks import Rejects, store_chunk
from shoal.services.imports.rejected import rejected_line
from shoal.services.imports.workspace import Step, Workspace
from shoal.services.reindex.plan import source_of
from shoal.services.reindex.version import objects_of, open_version
from shoal.services.retry import retry_busy
from shoal.services.snapshot import Snapshot
from shoal.storage.ports import Absent, Add, AnyOf, Assign, Compare

EMBED_SECONDS = 600.0
"""After which a call that keeps its batches leaves the rest to the next one, well before its function ends."""


type Objects = Callable[[Workspace, Snapshot, Sequence[RowSource]], Iterator[SourceObject]]
"""The objects to embed in some rows of the source: the same ones, in the same order, whenever it is asked."""


def _of_collection(
    _work: Workspace, snapshot: Snapshot, sources: Sequence[RowSource]
) -> Iterator[SourceObject]:
    return objects_of(snapshot, sources)


def embed_with(
    embedder: Embedder,
    *,
    objects: Objects = _of_collection,
    describe: Describe = metadata_of,
    seconds: float = EMBED_SECONDS,
    timer: Callable[[], float] = time.monotonic,
) -> Step:
    """The step, with these models, for a process that has so long.

    `objects` finds what is to be embedded, `describe` makes the metadata of its records.
    """

    def embed(work: Workspace, item: Mapping[str, Any]) -> dict[str, Any]:
        """Embed the objects of the piece `item`, unless an earlier attempt has.

        Raises:
            ImportRejected: the model may not be used or fails for good, no tokens are left, or the source is gone.
            ImportStopped: the reindex has ended.
            ModelBusy: the model does not answer, or is slower than it says; another attempt goes on.
        """
        piece = EmbedItem.of_item(item)
        if work.recorded(f"chunk-{piece.number:06d}", ChunkRecord) is None:
            try:
                until = timer() + seconds
                _Embedding(work, embedder, piece, objects, describe, until=until, timer=timer).run()
            except (LimitReached, NotFound, ModelDenied, ModelFailed) as final:
                raise ImportRejected(final.message) from final
        return {}

    return embed


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some objects, embedded: their records, and what became of the others."""

    objects: int
    columns: Columns | None
    failed: Sequence[FailedObject]
    most_parts: int
    truncated: int
    tokens: int
    characters: int


class _Embedding:
    """A piece being embedded."""

    def __init__(
        self,
        work: Workspace,
        embedder: Embedder,
        piece: EmbedItem,
        objects: Objects,
        describe: Describe,
        *,
        until: float,
        timer: Callable[[], float],
    ) -> None:
        binding = work.dataset.binding
        if binding is None:
            raise ImportRejected("the destination has no embedding model")
        self._work = work
        self._embedder = embedder
        self._piece = piece
        self._objects = objects
        self._describe = describe
        self._spec = embedder.registry.find(binding.model_id)
        self._until = until
        self._timer = timer
        self._rejects = Rejects()
        self._batches: list[_Batch] = []

    def run(self) -> ChunkRecord:
        """Embed all of it and store what came of it."""
        work = self._work
        version = work.needed("source", SourceVersion)
        snapshot = open_version(work.ports, source_of(work.ports, work.job.tenant_id, version), version)
        objects = self._objects(work, snapshot, self._piece.sources) if snapshot else iter(())
        size = batch_size(self._spec)
        size = min(size, self._embedder.texts_at_once(self._spec.model_id) or size)
        for number, some in enumerate(batches(objects, size)):
            if not self._goes_on():
                break
            self._take(some, self._made(number, some))
        return self._store()

    def _goes_on(self) -> bool:
        """Whether the next batch is wanted: not once too many objects have failed, here or elsewhere.

        Raises:
            ImportStopped: the reindex has ended.
            ModelBusy: there is no time for it; what is kept need not be done again.
        """
        job = self._work.fresh()
        if job.status.terminal:
            raise ImportStopped(f"the import is {job.status}")
        if keeps_batches(self._spec) and self._timer() > self._until:
            raise ModelBusy(self._spec.model_id, "slower than it should be; the next attempt goes on")
        return not job.too_many_rejected(job.records_rejected + self._rejects.count)

    def _take(self, objects: Sequence[SourceObject], made: _Batch) -> None:
        before = sum(batch.objects for batch in self._batches)
        places = {source.object_id: place for place, source in enumerate(objects, start=before + 1)}
        for one in made.failed:
            self._rejects.add(places[one.object_id], one.detail, rejected_line(one))
        self._batches.append(made)

    # --- batches

    def _made(self, number: int, objects: Sequence[SourceObject]) -> _Batch:
        """A batch, embedded now or by an earlier attempt."""
        if not keeps_batches(self._spec):
            return self._embedded(objects)
        work, name = self._work, f"embed-{self._piece.number:06d}-{number:06d}"
        kept = work.recorded(name, EmbeddedBatch)
        if kept is not None:
            return self._read(kept)
        made = self._embedded(objects)
        columns = work.put(f"{name}-columns", encode_columns(made.columns)) if made.columns else None
        failed = work.put(f"{name}-failed", _encoded(made.failed)) if made.failed else None
        record = EmbeddedBatch(
            objects=made.objects,
            columns=columns,
            failed=failed,
            most_parts=made.most_parts,
            truncated=made.truncated,
            tokens=made.tokens,
            characters=made.characters,
        )
        there, ours = work.record(name, record)
        return made if ours else self._read(there)

    def _embedded(self, objects: Sequence[SourceObject]) -> _Batch:
        found = embed_objects(self._embedder, self._work.dataset, objects, describe=self._describe)
        return _Batch(
            objects=len(objects),
            columns=_columns(found),
            failed=found.failed,
            most_parts=max(found.parts.values(), default=0),
            truncated=found.truncated,
            tokens=found.tokens,
            characters=found.characters,
        )

    def _read(self, kept: EmbeddedBatch) -> _Batch:
        return _Batch(
            objects=kept.objects,
            columns=decode_columns(self._work.read(kept.columns)) if kept.columns else None,
            failed=_decoded(self._work.read(kept.failed)) if kept.failed else (),
            most_parts=kept.most_parts,
            truncated=kept.truncated,
            tokens=kept.tokens,
            characters=kept.characters,
        )

    # --- the end

    def _store(self) -> ChunkRecord:
        work, made = self._work, self._batches
        columns = [batch.columns for batch in made if batch.columns is not None]
        self._say_parts(max((batch.most_parts for batch in made), default=0))
        objects = sum(batch.objects for batch in made)
        more = (
            Add("objects", objects),
            Add("tokens", sum(batch.tokens for batch in made)),
            Add("characters", sum(batch.characters for batch in made)),
            Add("truncated", sum(batch.truncated for batch in made)),
        )
        piece = self._piece
        return store_chunk(
            work,
            Chunk(number=piece.number, key="", version_id=None, sample_rows=piece.sample_rows),
            columns=_concatenated(columns) if columns else None,
            rejects=self._rejects,
            lines=objects,
            more=more,
        )

    def _say_parts(self, most: int) -> None:
        """Have the import know of how many parts an object may be, before any such object is stored."""
        more_than_known = AnyOf((Absent("most_parts"), Compare("most_parts", "<", most)))
        key, ports = self._work.keys.item, self._work.ports
        with suppress(ConditionFailed):
            retry_busy(
                lambda: ports.table.update(key, [Assign("most_parts", most)], condition=more_than_known)
            )


def batches(
    objects: Iterable[SourceObject], size: int, *, most_bytes: int = BATCH_BYTES
) -> Iterator[list[SourceObject]]:
    """Objects in the same batches each time: so many, or of so many bytes of payload."""
    some: list[SourceObject] = []
    held = 0
    for source in objects:
        some.append(source)
        held += len(orjson.dumps(source.payload))
        if len(some) == size or held >= most_bytes:
            yield some
            some, held = [], 0
    if some:
        yield some


def _columns(found: EmbeddedObjects) -> Columns | None:
    if not found.ids:
        return None
    return Columns(Blobs.of([name.encode() for name in found.ids]), found.vectors, Blobs.of(found.metadata))


def _concatenated(columns: Sequence[Columns]) -> Columns:
    return Columns(
        joined([one.ids for one in columns]),
        np.concatenate([one.vectors for one in columns]),
        joined([one.metadata for one in columns]),
    )


def _encoded(failed: Sequence[FailedObject]) -> bytes:
    lines = (orjson.dumps([one.object_id, one.detail, one.stage.value]) for one in failed)
    return b"".join(line + b"\n" for line in lines)


def _decoded(data: bytes) -> list[FailedObject]:
    found = (orjson.loads(line) for line in data.splitlines())
    return [FailedObject(object_id, detail, FailureStage(stage)) for object_id, detail, stage in found]
