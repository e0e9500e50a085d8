"""The id index against a dict: hashes from a small space, so that their halves collide."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.id_index import (
    TOMBSTONE,
    Entries,
    combine,
    entries,
    find,
    hash_ids,
    remap,
    tombstones,
)
from shoal.index.id_run import BLOCK_ENTRIES, RunFront, bytes_needed, decode_run, encode_run

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


@given(WRITES)
def test_of_several_rows_for_one_hash_the_newest_then_the_last_stays(writes: list[Write]) -> None:
    writes = [(key, sequence, row or 0) for key, sequence, row in writes]
    expected: Known = {}
    for key, sequence, row in writes:
        if key not in expected or sequence >= expected[key][0]:
            expected[key] = (sequence, "s1", row)
    run = run_of("s1", writes)
    assert as_dict(run) == expected
    assert_sound(run)


@given(RUNS, st.none() | st.integers(0, 10))
def test_combine_is_the_merge_of_dicts(runs: list[tuple[str, list[Write]]], bound: int | None) -> None:
    newest_first = [run_of(*run) for run in runs]
    expected = merged(newest_first)
    if bound is not None:
        expected = {k: e for k, e in expected.items() if e[1] is not None or e[0] > bound}
    found = combine(newest_first, drop_tombstones_up_to=bound)
    assert as_dict(found) == expected
    assert_sound(found)


@given(RUNS)
def test_combine_by_steps_is_combine_at_once(runs: list[tuple[str, list[Write]]]) -> None:
    newest_first = [run_of(*run) for run in runs]
    at_once = combine(newest_first, drop_tombstones_up_to=None)
    by_steps = combine([], drop_tombstones_up_to=None)
    for run in reversed(newest_first):
        by_steps = combine([run, by_steps], drop_tombstones_up_to=None)
    assert as_dict(by_steps) == as_dict(at_once)


@given(RUNS, st.lists(HASHES, max_size=12))
def test_find_is_a_lookup_in_the_merge(
    runs: list[tuple[str, list[Write]]], wanted: list[tuple[int, int]]
) -> None:
    newest_first = [run_of(*run) for run in runs]
    expected = merged(newest_first)
    located = find(newest_first, array(wanted))
    for place, key in enumerate(wanted):
        assert located.found[place] == (key in expected)
        sequence, shard_id, row = expected.get(key, (0, None, None))
        assert located.sequence[place] == sequence
        assert located.row[place] == (-1 if row is None else row)
        assert located.live[place] == (row is not None)
        if shard_id is None:
            assert located.shard[place] == -1
        else:
            assert located.shard_ids[located.shard[place]] == shard_id


@given(RUNS, st.data())
def test_remap_moves_rows_and_drops_those_that_are_gone(
    runs: list[tuple[str, list[Write]]], data: st.DataObject
) -> None:
    run = combine([run_of(*run) for run in runs], drop_tombstones_up_to=None)
    maps = st.lists(st.integers(-1, 40), min_size=31, max_size=31)
    moves = {
        old: (data.draw(st.sampled_from(["new", "newer"])), np.array(data.draw(maps), dtype=np.int64))
        for old in data.draw(st.sets(st.sampled_from(["s1", "s2", "absent"])))
    }
    expected: Known = {}
    for key, (sequence, shard_id, row) in as_dict(run).items():
        if shard_id in moves:
            new, row_map = moves[shard_id]
            if row_map[row] >= 0:
                expected[key] = (sequence, new, int(row_map[row]))
        else:
            expected[key] = (sequence, shard_id, row)
    before = as_dict(run)
    found = remap(run, moves)
    assert as_dict(found) == expected
    assert as_dict(run) == before
    assert_sound(found)


def test_remap_refuses_rows_that_the_old_shard_does_not_have() -> None:
    run = run_of("s1", [((0, 0), 1, 5)])
    with pytest.raises(CorruptObject, match="row 5 of a shard of 3"):
        remap(run, {"s1": ("s2", np.arange(3))})


@given(RUNS)
def test_a_run_comes_back(runs: list[tuple[str, list[Write]]]) -> None:
    run = combine([run_of(*run) for run in runs], drop_tombstones_up_to=None)
    found = decode_run(encode_run(run))
    assert found.shard_ids == run.shard_ids
    assert np.array_equal(found.table, run.table)


@settings(max_examples=25)
@given(st.integers(0, 4 * BLOCK_ENTRIES), st.integers(0, 2**32), st.integers(1, 2**64 - 1))
def test_single_blocks_answer_as_the_whole_run_does(count: int, seed: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, spread, size=(count, 2), dtype=np.uint64)
    hashes[: count // 2, 0] = hashes[0, 0] if count else 0  # half of them agree in the first half
    run = entries(hashes, np.arange(count, dtype=np.uint64), "s", np.arange(count))
    data = encode_run(run)
    wanted = np.concatenate([hashes[::7], rng.integers(0, spread, size=(20, 2), dtype=np.uint64)])
    first = b""
    while len(first) < (needed := bytes_needed(first)):
        first = data[:needed]
    front = RunFront.parse(first)
    assert (front.front_size, front.size, front.entries) == (len(first), len(data), len(run))
    ranges = front.blocks_of(wanted)
    blocks = [front.parse_block(number, data[start:stop]) for number, (start, stop) in ranges]
    assert all(stop - start <= 16 * 1024 for _, (start, stop) in ranges)
    whole, probed = find([run], wanted), find(blocks, wanted)
    assert np.array_equal(whole.found, probed.found)
    assert np.array_equal(whole.row, probed.row)
    assert np.array_equal(whole.sequence, probed.sequence)


def big_run() -> bytes:
    count = 3 * BLOCK_ENTRIES // 2
    hashes = hash_ids([str(n) for n in range(count)], b"k" * 16)
    return encode_run(entries(hashes, np.ones(count, dtype=np.uint64), "s", np.arange(count)))


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_run_is_corrupt_and_nothing_worse(data: st.DataObject) -> None:
    packed = bytearray(big_run())
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    size = data.draw(st.integers(0, len(packed)) | st.just(len(packed)))
    for read in (decode_run, RunFront.parse, bytes_needed):
        try:
            read(packed[:size])
        except CorruptObject:
            continue


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_block_or_front_is_seen_without_the_rest(place: int, change: int) -> None:
    packed = bytearray(big_run())
    front = RunFront.parse(packed)
    place = place % (front.front_size + 64)
    packed[place] ^= change
    if place < front.front_size:
        padding = bytes(packed[: front.front_size])
        try:
            RunFront.parse(padding)
        except CorruptObject:
            return
        assert bytes(big_run())[place] == 0  # between header and fence
    else:
        (start, stop) = front._range(0)
        if place >= start:
            with pytest.raises(CorruptObject, match="block 0"):
                front.parse_block(0, packed[start:stop])


def test_a_run_that_names_a_shard_that_is_not_listed_is_corrupt() -> None:
    run = run_of("s1", [((0, 0), 1, 5)])
    with pytest.raises(CorruptObject, match="not listed"):
        decode_run(encode_run(Entries((), run.table)))
    with pytest.raises(CorruptObject, match="twice"):
        decode_run(encode_run(Entries(("s", "s"), run.table)))


def test_a_run_out_of_order_is_corrupt() -> None:
    run = run_of("s1", [((0, 0), 1, 5), ((1, 0), 1, 6)])
    with pytest.raises(CorruptObject, match="order"):
        decode_run(encode_run(Entries(run.shard_ids, run.table[::-1])))


def test_hashes_depend_on_the_key_and_the_whole_id() -> None:
    ids = ["a", "b", "", "é", "a" * 256]
    hashes = hash_ids(ids, b"k" * 16)
    assert hashes.shape == (5, 2)
    assert hashes.dtype == np.uint64
    assert len({tuple(row) for row in hashes.tolist()}) == 5
    assert not (hashes == hash_ids(ids, b"l" * 16)).all(axis=1).any()
    assert hash_ids([], b"k" * 16).shape == (0, 2)
