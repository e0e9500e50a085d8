"""Step `assign`: each row of some pieces to its nearest centroid, stored sorted by cell."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from shoal.index.cell_blocks import CellRows, concatenate, encode_blocks, take
from shoal.index.cell_model import decode_model
from shoal.index.column_file import decode_columns
from shoal.services.parallel import in_parallel
from shoal.services.pipeline.cell_work import Assigned, AssignItem, Trained
from shoal.services.pipeline.run import IndexRun, Piece


def assign(work: IndexRun, item: Mapping[str, Any]) -> dict[str, Any]:
    """Sort the rows that count of the item's pieces."""
    task = AssignItem.of_item(item)
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


def _rows(work: IndexRun, task: AssignItem) -> CellRows:
    """The rows that count, in the order of the pieces."""

    def read(piece: Piece) -> CellRows:
        columns = decode_columns(work.read(piece.columns))
        hashes = np.frombuffer(work.read(piece.hashes), dtype="<u8").reshape(-1, 2)
        rows = CellRows(columns, hashes.astype(np.uint64, copy=False))
        if piece.kept is None:
            return rows
        return take(rows, np.frombuffer(work.read(piece.kept), "<u4").astype(np.intp))

    return concatenate(in_parallel(read, work.pieces(task.pieces)))
