"""Step "plan": the file in chunks, each of which one call validates."""

from collections.abc import Mapping
from typing import Any

from shoal.errors import ImportRejected
from shoal.model.import_work import Chunk, Plan, Unpacked
from shoal.model.imports import ImportFormat
from shoal.model.limits import CHUNK_BYTES
from shoal.services.imports.inspect import EMPTY
from shoal.services.imports.source import upload_of
from shoal.services.imports.workspace import Workspace
from shoal.services.pipeline.sample_sizes import sample_shares

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
