"""Whole imports of a few records in a World: created, uploaded, validated by hand, settled, built, committed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from shoal.index.column_file import Blobs, Columns
from shoal.model.datasets import Dataset
from shoal.model.import_work import Chunk, Plan
from shoal.model.imports import ErrorMode, Import, ImportFormat
from shoal.services.imports.chunks import Rejects, store_chunk
from shoal.services.imports.finish import commit_with
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import complete_import, create_import, get_import
from shoal.services.imports.settle import settle_with
from shoal.services.imports.steps import run_step
from shoal.services.imports.workspace import Step, Workspace, open_workspace
from shoal.storage.ports import Ports
from tests.unit.services.world import Record, World
from tests.workflow.steps import steps_of

type Named = tuple[str, Record]

STEPS: Mapping[str, Step] = {**steps_of("import_cells"), "commit": commit_with(0.0)}


def created(
    world: World,
    dataset: Dataset,
    *,
    ports: Ports | None = None,
    quota: int | None = None,
    multipart: bool = False,
) -> Import:
    """An import that awaits its upload."""
    return create_import(
        ports or world.ports,
        dataset,
        file_format=ImportFormat.NDJSON,
        error_mode=ErrorMode.CONTINUE,
        max_bad_records=None,
        multipart=multipart,
        vector_quota=quota,
    )[0]


def uploaded(world: World, job: Import, body: bytes = b"a line\n") -> None:
    """What the presigned PUT does."""
    world.objects.put(keys_of_import(job).upload, body)


def begun(world: World, dataset: Dataset, *, quota: int | None = None) -> Import:
    """An import that is open in the log."""
    job = created(world, dataset, quota=quota)
    uploaded(world, job)
    return complete_import(world.ports, dataset, job.import_id, parts=None)


def validated(world: World, job: Import, records: Sequence[Named], *, chunks: int = 2) -> None:
    """The import's chunks, as if its file held these records."""
    work = open_workspace(world.ports, job.import_id)
    size = -(-len(records) // chunks) or 1
    for number in range(chunks):
        store(work, number, records[number * size : (number + 1) * size])
    work.record("plan", Plan(chunks=chunks, items_key="unused"))


def store(work: Workspace, number: int, records: Sequence[Named]) -> None:
    """One chunk of accepted records."""
    chunk = Chunk(number=number, key="unused", version_id=None, sample_rows=100)
    vectors = np.array([values for _, (values, _) in records], dtype=np.float32)
    columns = Columns(
        ids=Blobs.of([name.encode() for name, _ in records]),
        vectors=vectors.reshape(len(records), work.dataset.dimension),
        metadata=Blobs.of([orjson.dumps(metadata) for _, (_, metadata) in records]),
    )
    store_chunk(work, chunk, columns=columns or None, rejects=Rejects(), lines=len(records))


def settled(world: World, job: Import, *, ports: Ports | None = None) -> str:
    """Run the step after validation; the layout that it chose."""
    return str(run(ports or world.ports, job, "settle", STEPS)["layout"])


def finished(
    world: World, dataset: Dataset, job: Import, *, ports: Ports | None = None, in_cells: bool = False
) -> Import:
    """Run the rest of the workflow; `in_cells` however small the import is."""
    built(world, job, ports=ports, in_cells=in_cells)
    run(ports or world.ports, job, "commit", STEPS)
    return get_import(world.ports, dataset, job.import_id)


def built(world: World, job: Import, *, ports: Ports | None = None, in_cells: bool = False) -> None:
    """Run all steps between validation and the commit."""
    mine = ports or world.ports
    steps = {**STEPS, "settle": settle_with(0)} if in_cells else STEPS
    layout = run(mine, job, "settle", steps)["layout"]
    if layout == "shard":
        run(mine, job, "build_shard", steps)
    if layout == "cells":
        for number, step in (("train", "assign"), ("group", "build")):
            items_key = run(mine, job, number, steps)["items_key"]
            for line in mine.objects.get(str(items_key)).splitlines():
                run(mine, job, step, steps, item=orjson.loads(line))
        run(mine, job, "calibrate", steps)


def run(
    ports: Ports, job: Import, step: str, steps: Mapping[str, Step], *, item: Any = None
) -> Mapping[str, Any]:
    """Do one step, as the workflow asks for it."""
    return run_step(ports, {"step": step, "import_id": job.import_id, "item": item}, steps)
