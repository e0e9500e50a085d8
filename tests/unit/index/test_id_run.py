"""Runs as objects: whole, or front and single blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.id_index import (
    Entries,
    combine,
    entries,
    find,
    hash_ids,
)
from shoal.index.id_run import BLOCK_ENTRIES, RunFront, bytes_needed, decode_run, encode_run
from tests.unit.index.id_oracle import RUNS, Write, run_of


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
