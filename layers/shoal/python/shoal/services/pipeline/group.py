"""Step `group`: how many rows each cell has, and which cells are built together into one shard."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.cell_blocks import BLOCK
from shoal.services.parallel import in_parallel
from shoal.services.pipeline.cell_work import (
    Assigned,
    BuildItem,
    Grouped,
    Stretch,
    Trained,
    encode_plan,
    plan_of,
    stretches,
)
from shoal.services.pipeline.run import IndexRun


def group(work: IndexRun, item: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG001 - no map's item
    """Deal the cells out to builders."""
    grouped = work.recorded("grouped", Grouped)
    if grouped is None:
        grouped = work.record("grouped", _group(work))[0]
    work.enter("building", total=grouped.builds)
    return {"items_key": grouped.items_key}


def _group(work: IndexRun) -> Grouped:
    trained, rows = work.needed("trained", Trained), work.row_count()
    names = [f"assign-{number:06d}" for number in range(trained.tasks)]
    assigned = in_parallel(lambda name: work.needed(name, Assigned), names)
    tables = np.stack(in_parallel(lambda one: _table(work, one, trained.cells), assigned))
    if int(tables["rows"].sum(dtype=np.int64)) != rows:
        raise CorruptObject("the assigners have other rows than count")
    mean_rows = rows / trained.cells

    def item_of(place: tuple[int, Stretch]) -> BuildItem:
        number, stretch = place
        plan = encode_plan(plan_of(stretch, assigned, tables, mean_rows))
        return BuildItem(number=number, plan=work.put(f"plan-{number:06d}", plan))

    places = list(enumerate(stretches(tables, work.dataset.dimension * 4)))
    items = in_parallel(item_of, places)
    return Grouped(builds=len(items), items_key=work.put_items("build-items", items))


def _table(work: IndexRun, assigned: Assigned, cells: int) -> NDArray[np.void]:
    """What an assigner has of each cell: of `BLOCK`."""
    table = np.frombuffer(work.read(assigned.table), dtype=BLOCK)
    if len(table) != cells or int(table["size"].sum()) != assigned.blocks.size:
        raise CorruptObject(f"the table of assigner {assigned.number} does not fit its blocks")
    return table
