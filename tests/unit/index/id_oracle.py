"""Runs of the id index from small hashes, whose halves collide, and their reading as a dict."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from shoal.index.id_index import (
    TOMBSTONE,
    Entries,
    combine,
    entries,
    tombstones,
)

HASHES = st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 5, 2**64 - 1]))
WRITES = st.lists(st.tuples(HASHES, st.integers(1, 9), st.none() | st.integers(0, 30)), max_size=12)
RUNS = st.lists(st.tuples(st.sampled_from(["s1", "s2", "s3"]), WRITES), max_size=5)


type Write = tuple[tuple[int, int], int, int | None]
type Known = dict[tuple[int, int], tuple[int, str | None, int | None]]


def array(hashes: Any) -> Any:
    return np.array(hashes, dtype=np.uint64).reshape(-1, 2)


def run_of(shard_id: str, writes: list[Write]) -> Entries:
    """One run: rows of a shard, and tombstones (row None)."""
    placed = [write for write in writes if write[2] is not None]
    deleted = [write for write in writes if write[2] is None]
    return combine(
        [
            tombstones(array([w[0] for w in deleted]), np.array([w[1] for w in deleted], dtype=np.uint64)),
            entries(
                array([w[0] for w in placed]),
                np.array([w[1] for w in placed], dtype=np.uint64),
                shard_id,
                np.array([w[2] for w in placed], dtype=np.int64),
            ),
        ],
        drop_tombstones_up_to=None,
    )


def as_dict(run: Entries) -> Known:
    """hash -> (sequence, shard id, row), or (sequence, None, None)."""
    found: Known = {}
    for high, low, sequence, shard, row in run.table.tolist():
        gone = row == TOMBSTONE
        found[high, low] = (sequence, None, None) if gone else (sequence, run.shard_ids[shard], row)
    return found


def merged(newest_first: Sequence[Entries]) -> Known:
    found: Known = {}
    for run in newest_first:
        for key, entry in as_dict(run).items():
            if key not in found or entry[0] > found[key][0]:
                found[key] = entry
    return found


def assert_sound(run: Entries) -> None:
    keys = [(high, low) for high, low, *_ in run.table.tolist()]
    assert keys == sorted(set(keys))
    assert len(set(run.shard_ids)) == len(run.shard_ids)
    placed = run.table["row"] != TOMBSTONE
    assert set(run.table["shard"][placed].tolist()) == set(range(len(run.shard_ids)))
    assert (run.table["shard"][~placed] == TOMBSTONE).all()
