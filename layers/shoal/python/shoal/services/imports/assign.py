"""Step `assign`: each row of some chunks to its nearest centroid, stored sorted by cell."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from shoal.errors import CorruptObject
from shoal.index.cell_blocks import CellRows, concatenate, encode_blocks, take
from shoal.index.cell_model import decode_model
from shoal.index.column_file import decode_columns
from shoal.model.import_work import ChunkRecord, Settled
from shoal.services.imports.cell_work import Assigned, AssignItem, Trained
from shoal.services.imports.workspace import Workspace
from shoal.services.parallel import in_parallel


def assign(work: Workspace, item: Mapping[str, Any]) -> dict[str, Any]:
    """Sort the rows that count of the item's chunks."""
    task = AssignItem.model_validate(item)
    name = f"assign-{task.number:06d}"
    if work.recorded(name, Assigned) is None:
        trained = work.needed("trained", Trained)
        centroids, _ = decode_model(work.read(trained.model))
        rows = _rows(work, task)
        blocks, table = encode_blocks(rows, centroids.of_rows(rows.columns.vectors), trained.cells)
        made = Assigned(
            number=task.number,
            rows=len(rows),
            blocks=work.put(f"{name}-blocks", blocks),
            table=work.put(f"{name}-table", table.tobytes()),
        )
        if work.record(name, made)[1]:
            work.piece_done()
    return {}


def _rows(work: Workspace, task: AssignItem) -> CellRows:
    """The rows that count, in the order of the file."""
    settled = work.needed("settled", Settled)

    def read(number: int) -> CellRows:
        record = work.needed(f"chunk-{number:06d}", ChunkRecord)
        if record.columns is None or record.hashes is None:
            raise CorruptObject(f"chunk {number} has no rows to assign")
        columns = decode_columns(work.read(record.columns))
        hashes = np.frombuffer(work.read(record.hashes), dtype="<u8").reshape(-1, 2)
        rows = CellRows(columns, hashes.astype(np.uint64, copy=False))
        kept = settled.kept[str(number)]
        return rows if kept is None else take(rows, np.frombuffer(work.read(kept), "<u4").astype(np.intp))

    return concatenate(in_parallel(read, task.chunks))
