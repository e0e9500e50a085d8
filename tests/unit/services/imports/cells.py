"""An import whose rows are settled, ready for the steps that make cells of them; and those steps, one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from shoal.index.cell_records import CellRecords
from shoal.index.cell_set import CellSet, decode_cell_set
from shoal.index.checksums import digest128, sha256_hex
from shoal.index.column_file import Blobs, Columns
from shoal.index.id_run import decode_run
from shoal.index.shard import CELL_RECORDS_FILE, VECTORS_FILE
from shoal.model.datasets import Dataset, Metric
from shoal.model.import_work import Chunk, Plan, Product, Settled
from shoal.model.manifests import PartRef
from shoal.model.records import Vectors
from shoal.services.imports import chunks
from shoal.services.imports.workspace import Workspace
from shoal.services.pipeline.assign import assign
from shoal.services.pipeline.build import build
from shoal.services.pipeline.calibrate import calibrate
from shoal.services.pipeline.group import group
from shoal.services.pipeline.train import train
from shoal.storage.keys import TenantKeys
from tests.unit.services.imports.work import make_work
from tests.unit.services.world import World

SEQUENCE = 5


@dataclass
class Prepared:
    """An import at work, and the rows that count by id."""

    world: World
    dataset: Dataset
    work: Workspace
    rows: dict[str, tuple[bytes, bytes]]


def settled_import(
    vectors: Vectors,
    metric: Metric,
    *,
    chunk_rows: Sequence[int],
    dropped: Sequence[int] = (),
    sample_rows: int = 1000,
) -> Prepared:
    """Chunks of `chunk_rows` rows; the rows numbered `dropped` lose to later rows of their id."""
    world = World()
    dataset = world.create(dimension=int(vectors.shape[1]), metric=metric)
    work = make_work(world, dataset, sequence=SEQUENCE)
    kept: dict[str, PartRef | None] = {}
    rows: dict[str, tuple[bytes, bytes]] = {}
    start = 0
    for number, count in enumerate(chunk_rows):
        ids = [f"row/{start + n} é" for n in range(count)]
        metadata = [orjson.dumps({"n": start + n, "pad": "x" * (n % 40)}) for n in range(count)]
        some = np.ascontiguousarray(vectors[start : start + count])
        alive = [n for n in range(count) if start + n not in dropped]
        chunk = Chunk(number=number, key="upload", version_id=None, sample_rows=sample_rows)
        columns = Columns(Blobs.of([name.encode() for name in ids]), some, Blobs.of(metadata))
        chunks.store_chunk(
            work, chunk, columns=columns if count else None, rejects=chunks.Rejects(), lines=count
        )
        if count:
            positions = np.array(alive, dtype="<u4").tobytes()
            kept[str(number)] = None if len(alive) == count else work.put("kept", positions)
        rows |= {ids[n]: (some[n].tobytes(), metadata[n]) for n in alive}
        start += count
    work.record("plan", Plan(chunks=len(chunk_rows), items_key="unused"))
    work.record(
        "settled",
        Settled(layout="cells", rows=len(rows), accepted=start, rejected=0, kept=kept),
    )
    return Prepared(world, dataset, work, rows)


def items_of(work: Workspace, output: Mapping[str, Any]) -> list[Any]:
    """What the map of a step's output goes over."""
    return [orjson.loads(line) for line in work.ports.objects.get(output["items_key"]).splitlines()]


def run_steps(work: Workspace, *, times: int = 1) -> Product:
    """All steps in their order, each so many times."""
    for maker, mapped in ((train, assign), (group, build)):
        outputs = [maker(work, {}) for _ in range(times)]
        for item in items_of(work, outputs[-1]):
            for _ in range(times):
                assert mapped(work, item) == {}
    for _ in range(times):
        assert calibrate(work, {}) == {}
    return work.needed("product", Product)


def open_cells(made: Prepared, product: Product) -> CellSet:
    """The cell set of a product, after all that names it has been compared."""
    assert product.cell_set is not None
    data = made.world.objects.get(product.cell_set.key)
    assert (len(data), sha256_hex(data)) == (product.cell_set.size, product.cell_set.sha256)
    return decode_cell_set(data, dimension=made.dataset.dimension, metric=made.dataset.metric)


def stored_cells(made: Prepared, product: Product) -> list[dict[str, tuple[bytes, bytes]]]:
    """For each cell its rows by id (vector bytes and metadata), every digest and the id index compared."""
    assert product.run is not None
    assert product.cell_set is not None
    cells = open_cells(made, product)
    run = decode_run(made.world.objects.get(product.run.key))
    assert product.run.entries == product.rows == len(run.table) == product.cell_set.rows
    assert set(run.table["sequence"].tolist()) == {SEQUENCE}
    places = {(run.shard_ids[shard], row) for _, _, _, shard, row in run.table.tolist()}
    assert places == {(ref.shard_id, row) for ref in cells.shards for row in range(ref.rows)}
    found = []
    for number, entry in enumerate(cells.table):
        shard = cells.shards[int(entry["shard"])]
        assert (shard.min_sequence, shard.max_sequence) == (SEQUENCE, SEQUENCE)
        keys = TenantKeys(made.dataset.tenant_id)
        for name, ref in shard.files.items():
            assert sha256_hex(made.world.objects.get(keys.shard_file(shard.shard_id, name))) == ref.sha256
        raw = made.world.objects.get(
            keys.shard_file(shard.shard_id, VECTORS_FILE), byte_range=cells.vectors_range(number)
        )
        block = made.world.objects.get(
            keys.shard_file(shard.shard_id, CELL_RECORDS_FILE), byte_range=cells.records_range(number)
        )
        assert digest128(raw) == entry["vectors_digest"].tobytes()
        assert digest128(block) == entry["records_digest"].tobytes()
        ids, sequences, metadata = CellRecords(block).all()
        assert set(sequences.tolist()) == {SEQUENCE}
        width = made.dataset.dimension * 4
        vectors = [raw[start : start + width] for start in range(0, len(raw), width)]
        found.append(dict(zip(ids, zip(vectors, metadata, strict=True), strict=True)))
        assert len(found[-1]) == int(entry["rows"])
    return found
