"""Step "plan": the file in chunks, each of which one call validates."""

from collections.abc import Mapping, Sequence
from typing import Any

from shoal.errors import ImportRejected
from shoal.index.cell_sizes import cell_count, rows_wanted
from shoal.model.import_work import Chunk, Plan, Unpacked
from shoal.model.imports import ImportFormat
from shoal.model.limits import CHUNK_BYTES
from shoal.services.imports.inspect import EMPTY
from shoal.services.imports.source import upload_of
from shoal.services.imports.workspace import Workspace

SAMPLE_ROWS = 131_072
"""Rows that cells are trained on, at most: 32 for each of 4,096 cells."""
SAMPLE_BYTES = 256 * 1000 * 1000
"""Of their vectors: one function holds them a few times over."""
_VALUE_BYTES = 8
"""Of a value in a line, with its comma, where it has few digits: there are rather fewer rows than it says."""

type _Place = tuple[str, str | None, int, int]
"""Key, version, first byte and end."""


def plan(work: Workspace, _item: Mapping[str, Any]) -> dict[str, Any]:
    """Split the file: ``{"items_key"}``, the object that lists the chunks.

    Raises:
        ImportRejected: there is nothing in it, or it is no Parquet file that can be imported.
    """
    counts = work.recorded("plan", Plan)
    if counts is None:
        chunks = _chunks(work)
        made = Plan(chunks=len(chunks), items_key=work.put_items("items", chunks))
        counts, _ = work.record("plan", made)
    work.enter("validating", total=counts.chunks)
    return {"items_key": counts.items_key}


def _chunks(work: Workspace) -> list[Chunk]:
    if work.job.format is ImportFormat.PARQUET:
        # Imported here: pyarrow takes a third of a second that no other format needs.
        from shoal.services.imports.parquet_plan import plan_parquet

        return plan_parquet(work)
    unpacked = work.recorded("unpacked", Unpacked)
    if unpacked is not None:
        places: list[_Place] = [(ref.key, None, 0, ref.size) for ref in unpacked.objects]
    else:
        upload = upload_of(work)
        places = [
            (upload.key, upload.version_id, start, stop)
            for start, stop in even_ranges(upload.size, CHUNK_BYTES)
        ]
    if not places:
        raise ImportRejected(EMPTY)
    dimension = work.dataset.dimension
    sizes = [stop - start for *_, start, stop in places]
    samples = sample_shares(sizes, dimension=dimension, rows=sum(sizes) // (_VALUE_BYTES * dimension))
    return [
        Chunk(number=number, key=key, version_id=version_id, start=start, stop=stop, sample_rows=sample)
        for number, ((key, version_id, start, stop), sample) in enumerate(zip(places, samples, strict=True))
    ]


def even_ranges(size: int, most: int) -> list[tuple[int, int]]:
    """As few ranges ``[start, stop)`` of at most `most` bytes as cover `size` bytes, of nearly one length."""
    count = -(-size // most)
    return [(size * number // count, size * (number + 1) // count) for number in range(count)]


def sample_shares(sizes: Sequence[int], *, dimension: int, rows: int) -> list[int]:
    """How many rows of each chunk go into the sample: in proportion to its size, at least one.

    Args:
        sizes: of the chunks, in any unit.
        dimension: length of a vector.
        rows: of all chunks, about: no more than training will want are stored twice.
    """
    useful = rows_wanted(cell_count(max(rows, 1), dimension), dimension)
    wanted = min(SAMPLE_ROWS, SAMPLE_BYTES // (4 * dimension), useful)
    total = max(sum(sizes), 1)
    return [max(wanted * size // total, 1) for size in sizes]
