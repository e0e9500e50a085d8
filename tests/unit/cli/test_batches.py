"""Packing records into request bodies."""

import gzip
import itertools
import json
import random
from collections.abc import Iterator

import numpy as np
import pytest

from infra.cli.batches import MAX_ENCODED_BYTES, MAX_UNPACKED_BYTES, RecordTooLarge, encode, pack
from infra.cli.results import Record


def records(count: int, width: int) -> Iterator[Record]:
    rng = np.random.default_rng(7)
    for number in range(count):
        yield Record(f"r{number}", rng.normal(size=width).astype(np.float32), {"n": number})


def test_digits_are_the_shortest_that_read_back_as_the_same_float32() -> None:
    values = np.array([0.1, -0.0, 1e-45, 3.4028235e38, 1 / 3], dtype=np.float32)
    line = encode(Record("a", values, {}))
    assert b"[0.1,-0.0,1e-45,3.4028235e+38,0.33333334]" in line
    read = np.array(json.loads(line)["values"], dtype=np.float32)
    assert read.tobytes() == values.tobytes()


def test_both_limits_hold_and_no_request_is_spent_in_vain() -> None:
    batches = list(pack(records(6000, 256)))
    assert all(len(batch.body) <= MAX_ENCODED_BYTES for batch in batches)
    assert all(batch.unpacked <= MAX_UNPACKED_BYTES for batch in batches)
    assert len(batches) == -(-sum(batch.unpacked for batch in batches) // MAX_UNPACKED_BYTES)


@pytest.mark.parametrize("seed", range(20))
def test_small_limits_keep_order_and_every_record(seed: int) -> None:
    dice = random.Random(seed)
    sent = [
        Record(f"{n}", [dice.random() for _ in range(4)], {"text": "x" * dice.choice([0, 3, 400])})
        for n in range(dice.randrange(1, 120))
    ]
    batches = list(pack(sent, max_unpacked=dice.randrange(600, 3000), max_encoded=dice.randrange(300, 900)))
    read = [json.loads(line) for batch in batches for line in gzip.decompress(batch.body).splitlines()]
    assert [line["id"] for line in read] == [record.id for record in sent]
    assert [batch.rows for batch in batches] == [len(gzip.decompress(b.body).splitlines()) for b in batches]
    assert [batch.unpacked for batch in batches] == [len(gzip.decompress(b.body)) for b in batches]


def test_a_record_over_the_limit_is_named() -> None:
    with pytest.raises(RecordTooLarge, match="'r0'"):
        list(pack(records(1, 256), max_unpacked=1000))


def test_packing_is_lazy() -> None:
    taken = itertools.count()

    def endless() -> Iterator[Record]:
        for number in taken:
            yield Record(str(number), [1.0], {})

    first = next(pack(endless(), max_unpacked=1000))
    assert next(taken) <= first.rows + 2


def test_no_records_make_no_request() -> None:
    assert list(pack([])) == []


def test_a_record_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        encode(Record("a", None, {}))
