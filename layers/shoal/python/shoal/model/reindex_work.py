"""What the steps of a reindex tell each other, and how the rows of its source are dealt out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from shoal.model.embedding_models import EmbeddingModel, Provider
from shoal.model.manifests import PartRef
from shoal.model.work import WorkRecord

ITEM_SECONDS = 180.0
"""What embedding the objects of one call should take: a fifth of what a function has, as models may be slower
than they say."""
ITEM_BYTES = 32 * 1000 * 1000
"""Bytes of records that one call reads. An object of many parts is stored as often as it has parts."""
BATCH_BYTES = 8 * 1000 * 1000
"""Of payloads that are embedded between two looks at whether the reindex still goes on."""
_ITEMS = 20
"""Into how many a small collection is cut, so that several functions have something to do."""
_LEAST_ITEM_SECONDS = 0.4
"""About what calling a function and storing what it made takes; and people want to see it move."""
_ITEM_SOURCES = 100
_BATCH_SECONDS = 10.0
_LEAST_BATCH, _MOST_BATCH = 32, 2048


class RowSource(WorkRecord):
    """Rows of one shard from `start` to before `stop`; where `cell_set` is given, its place in the manifest, all
    rows of cells from `start` to before `stop` of it.
    """

    shard_id: str
    cell_set: int | None = None
    start: int = Field(ge=0)
    stop: int = Field(ge=0)


class EmbedItem(WorkRecord):
    """What one call embeds; `sample_rows` of its rows go into the sample that cells are trained on."""

    number: int = Field(ge=0)
    sources: tuple[RowSource, ...] = Field(strict=False)
    sample_rows: int


class SourceVersion(WorkRecord):
    """The version of the source that is embedded, up to which place of its log that goes, and how many objects are
    in it.
    """

    dataset_id: str
    version: int
    manifest: str | None
    manifest_sha256: str | None
    objects: int
    watermark: int = 0


class EmbeddedBatch(WorkRecord):
    """Objects of an item, embedded: kept, so that who goes on after a failure need not ask the model again.

    `columns` are their records (`index.column_file`), `failed` the others, a JSON line each; None where there are
    none. `most_parts`: of one object.
    """

    objects: int
    columns: PartRef | None
    failed: PartRef | None
    most_parts: int
    truncated: int
    tokens: int
    characters: int


@dataclass(frozen=True, slots=True)
class RowPart:
    """A source, its rows with the dead ones, and about how many bytes their records have."""

    source: RowSource
    rows: int
    size: int


def rows_an_item(objects: int, spec: EmbeddingModel) -> int:
    """How many rows one call should embed of a collection of so many objects."""
    most = int(spec.texts_per_second * ITEM_SECONDS)
    least = int(spec.texts_per_second * _LEAST_ITEM_SECONDS)
    return max(1, min(max(-(-objects // _ITEMS), least), most))


def batch_size(spec: EmbeddingModel) -> int:
    """How many objects are embedded between two looks at the import."""
    return max(_LEAST_BATCH, min(int(spec.texts_per_second * _BATCH_SECONDS), _MOST_BATCH))


def keeps_batches(spec: EmbeddingModel) -> bool:
    """Whether batches are stored one by one: where they cost more than storing them does."""
    return spec.provider is not Provider.STATIC


def cut(part: RowPart, most_rows: int, *, most_bytes: int = ITEM_BYTES) -> Iterator[RowPart]:
    """A part of a shard that is searched whole, in pieces of at most so many rows, or bytes."""
    if part.source.cell_set is not None or not part.rows:
        yield part
        return
    row_bytes = max(1, part.size // part.rows)
    step = max(1, min(most_rows, most_bytes // row_bytes))
    start, stop = part.source.start, part.source.stop
    for first in range(start, stop, step):
        last = min(first + step, stop)
        source = part.source.model_copy(update={"start": first, "stop": last})
        yield RowPart(source, last - first, (last - first) * row_bytes)


def grouped(
    parts: Sequence[RowPart], most_rows: int, *, most_bytes: int = ITEM_BYTES
) -> Iterator[list[RowPart]]:
    """Neighbours together, so many as one call takes."""
    group: list[RowPart] = []
    rows = size = 0
    for part in parts:
        full = rows + part.rows > most_rows or size + part.size > most_bytes or len(group) >= _ITEM_SOURCES
        if group and full:
            yield group
            group, rows, size = [], 0, 0
        group.append(part)
        rows += part.rows
        size += part.size
    if group:
        yield group
