"""Answers that are kept: the last few, and no more rows than stated."""

from collections.abc import Iterator

import pytest

from shoal.errors import CorruptObject
from shoal.index.filter_answers import FilterAnswers
from shoal.index.metadata import in_chunks, parse_objects
from shoal.model.filters import parse_filter
from shoal.model.selection import Selection

ROWS = [b'{"n":%d}' % n for n in range(10)]


class Asked:
    """Rows that count how often they are gone through."""

    def __init__(self) -> None:
        self.times = 0

    def candidates(self, _: Selection) -> Iterator[tuple[int, bytes]]:
        self.times += 1
        yield from enumerate(ROWS)


def below(n: int) -> Selection:
    return Selection(filter=parse_filter({"n": {"$lt": n}}))


def test_an_answer_is_worked_out_once() -> None:
    answers, asked = FilterAnswers(2), Asked()
    first = answers.of(below(3), asked.candidates)
    assert first.tolist() == [0, 1, 2]
    assert answers.of(below(3), asked.candidates) is first
    assert asked.times == len(answers) == 1
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_without_a_filter_metadata_is_not_looked_at() -> None:
    found = FilterAnswers(2).of(Selection(namespace="x"), lambda _: [(3, b"no json"), (7, b"")])
    assert found.tolist() == [3, 7]


def test_the_least_recently_used_answer_goes_first() -> None:
    answers, asked = FilterAnswers(2), Asked()
    for n in (1, 2, 1, 3, 1, 2):
        answers.of(below(n), asked.candidates)
    assert asked.times == 4
    assert len(answers) == 2


def test_kept_answers_hold_a_bounded_number_of_rows() -> None:
    answers, asked = FilterAnswers(9, most_rows=10), Asked()
    for n in (4, 5, 4):
        answers.of(below(n), asked.candidates)
    assert (asked.times, len(answers)) == (2, 2)
    answers.of(below(6), asked.candidates)
    assert len(answers) == 2  # 4 and 6 rows: that of 5 was used longest ago
    small = FilterAnswers(9, most_rows=5)
    for _ in range(2):
        assert small.of(below(6), asked.candidates).tolist() == [0, 1, 2, 3, 4, 5]
    assert len(small) == 0


def test_damaged_metadata_is_named() -> None:
    for raw, message in ((b"{", "row 7 is not JSON"), (b"[]", "row 7 is not an object")):
        with pytest.raises(CorruptObject, match=message):
            FilterAnswers(1).of(below(1), lambda _, raw=raw: [(7, raw)])  # type: ignore[misc] # the default binds it
        with pytest.raises(CorruptObject, match=message):
            parse_objects([b"{}", raw, b"{}"], [6, 7, 8])


def test_chunks_are_bounded_in_rows_and_bytes() -> None:
    assert list(in_chunks([b"aa"] * 5, rows=2)) == [[b"aa"] * 2, [b"aa"] * 2, [b"aa"]]
    assert list(in_chunks([b"aa"] * 5, size=3)) == [[b"aa"] * 2, [b"aa"] * 2, [b"aa"]]
    assert list(in_chunks([], rows=2)) == []
