"""The Parquet form of records: every bit of every value, and text as it was."""

from io import BytesIO

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from shoal.model.records import Rows
from shoal.services.exports.parquet_rows import SCHEMA, encode_parquet

texts = st.text(st.characters(codec="utf-8"), max_size=12)
bits = st.integers(0, 2**32 - 1).filter(lambda n: (n >> 23) & 0xFF != 0xFF)  # finite


@st.composite
def blocks(draw: st.DrawFn) -> list[Rows]:
    dimension = draw(st.integers(1, 5))
    found = []
    for _ in range(draw(st.integers(1, 3))):
        count = draw(st.integers(1, 6))
        values = [draw(st.lists(bits, min_size=dimension, max_size=dimension)) for _ in range(count)]
        found.append(
            Rows(
                ids=tuple(draw(texts.filter(bool)) for _ in range(count)),
                sequences=np.arange(count, dtype=np.uint64),
                vectors=np.array(values, dtype=np.uint32).view(np.float32),
                metadata=tuple(
                    draw(st.sampled_from([b"{}", b'{"a":1.0}', '{"é":"\\n"}'.encode()])) for _ in range(count)
                ),
                namespaces=tuple(draw(st.sampled_from(["", "tenant-1"])) for _ in range(count)),
                documents=tuple(draw(texts).encode() for _ in range(count)),
            )
        )
    return found


@settings(max_examples=60, deadline=None)
@given(blocks=blocks())
def test_a_file_holds_all_rows_in_order(blocks: list[Rows]) -> None:
    table = parquet.read_table(BytesIO(encode_parquet(blocks)))
    assert table.schema.remove_metadata().equals(SCHEMA)
    assert table["id"].to_pylist() == [name for block in blocks for name in block.ids]
    stored = np.array(table["values"].combine_chunks().flatten(), dtype=np.float32).view(np.uint32)
    sent = np.concatenate([block.vectors.reshape(-1) for block in blocks]).view(np.uint32)
    assert stored.tolist() == sent.tolist()
    assert table["metadata"].to_pylist() == [text.decode() for block in blocks for text in block.metadata]
    assert table["document"].to_pylist() == [
        text.decode() or None for block in blocks for text in block.documents
    ]
    assert table["namespace"].to_pylist() == [name or None for block in blocks for name in block.namespaces]


def test_row_groups_are_small_enough_to_be_read_side_by_side() -> None:
    count = 5000
    rows = Rows(
        ids=tuple(map(str, range(count))),
        sequences=np.ones(count, dtype=np.uint64),
        vectors=np.ones((count, 4096), dtype=np.float32),
        metadata=(b"{}",) * count,
    )
    footer = parquet.read_metadata(BytesIO(encode_parquet([rows])))
    assert footer.num_rows == count
    assert footer.num_row_groups == 3
    assert all(footer.row_group(number).num_rows <= 1953 for number in range(3))
