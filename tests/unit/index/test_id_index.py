"""The id index against a dict."""

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.id_index import (
    Entries,
    combine,
    find,
    hash_ids,
    remap,
)
from tests.unit.index.id_oracle import (
    HASHES,
    RUNS,
    WRITES,
    Known,
    Write,
    array,
    as_dict,
    assert_sound,
    merged,
    run_of,
)


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


def test_hashes_depend_on_the_key_and_the_whole_id() -> None:
    ids = ["a", "b", "", "é", "a" * 256]
    hashes = hash_ids(ids, b"k" * 16)
    assert hashes.shape == (5, 2)
    assert hashes.dtype == np.uint64
    assert len({tuple(row) for row in hashes.tolist()}) == 5
    assert not (hashes == hash_ids(ids, b"l" * 16)).all(axis=1).any()
    assert hash_ids([], b"k" * 16).shape == (0, 2)


def test_of_runs_that_are_loaded_one_by_one_one_is_held() -> None:
    loaded: list[weakref.ref[np.ndarray]] = []

    def load() -> Iterator[Entries]:
        for number in range(4):
            assert not any(table() is not None for table in loaded)
            run = run_of(f"s{number}", [((number, 0), 1, number)])
            loaded.append(weakref.ref(run.table))
            yield run
            del run

    found = find(load(), array([(number, 0) for number in range(4)]))
    assert found.row.tolist() == [0, 1, 2, 3]
    assert [found.shard_ids[number] for number in found.shard] == ["s0", "s1", "s2", "s3"]
