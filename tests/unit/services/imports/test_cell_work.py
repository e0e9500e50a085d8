"""How rows are dealt out: each to one assigner and to one builder, and none gets too much for its memory."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.cell_blocks import BLOCK
from shoal.model.manifests import PartRef
from shoal.services.pipeline import cell_work
from shoal.services.pipeline.cell_work import (
    Assigned,
    assign_items,
    decode_plan,
    encode_plan,
    plan_of,
    stretches,
)
from tests.unit.services.imports.work import make_work
from tests.unit.services.world import World

MB = 1000 * 1000


@given(st.lists(st.integers(1, 400 * MB), min_size=1, max_size=60))
def test_each_piece_goes_to_one_assigner(sizes: list[int]) -> None:
    items = assign_items(list(enumerate(sizes)))
    assert [item.number for item in items] == list(range(len(items)))
    assert [piece for item in items for piece in item.pieces] == list(range(len(sizes)))
    for item in items:
        assert len(item.pieces) == 1 or sum(sizes[piece] for piece in item.pieces) <= 256 * MB


def test_many_small_pieces_do_not_make_an_item_too_large() -> None:
    items = assign_items([(number, 10) for number in range(10_000)])
    assert max(len(item.line()) for item in items) < 10_000


CELLS = st.integers(0, 40 * MB // 200) | st.integers(0, 100)


@given(
    st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=1, max_size=6),
    st.sampled_from([200, 4096]),
    st.integers(1, 3000),
)
def test_each_block_goes_to_one_builder(counts: list[list[int]], row_bytes: int, more: int) -> None:
    tables = np.zeros((len(counts), 4), dtype=BLOCK)
    tables["rows"] = counts
    tables["size"] = tables["rows"] * np.uint64(row_bytes + more)
    found = stretches(tables, row_bytes)
    seen = np.zeros(tables.shape, dtype=np.int64)
    refs = [PartRef(key=f"k{n}", size=0, sha256="") for n in range(len(counts))]
    assigned = [Assigned(number=n, rows=0, blocks=ref, table=ref) for n, ref in enumerate(refs)]
    for one in found:
        part = np.s_[one.task : one.task_stop, one.cell : one.cell_stop]
        seen[part] += 1
        assert tables["rows"][part].any()
        single = np.count_nonzero(tables["rows"][part]) == 1
        assert single or int(tables["size"][part].sum()) <= cell_work.SHARD_BYTES
        assert single or int(tables["rows"][part].sum()) * row_bytes <= cell_work.SHARD_VECTOR_BYTES
        plan = plan_of(one, assigned, tables, 1.5)
        again = decode_plan(encode_plan(plan))
        assert (again.blocks, again.starts, again.mean_rows) == (plan.blocks, plan.starts, 1.5)
        assert np.array_equal(again.tables, plan.tables)
        for ref, start, table in zip(plan.blocks, plan.starts, plan.tables, strict=True):
            task = refs.index(ref)
            assert start == int(tables["size"][task, : one.cell].sum())
            assert np.array_equal(table, tables[task, one.cell : one.cell_stop])
    assert (seen[tables["rows"] > 0] == 1).all()


def test_an_import_without_a_place_in_the_log_is_not_worked_on() -> None:
    world = World()
    work = make_work(world, world.create())
    with pytest.raises(CorruptObject, match="sequence"):
        _ = replace(work, job=replace(work.job, sequence=None)).sequence
