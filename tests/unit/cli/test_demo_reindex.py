"""The second act's judgement: who asks all the while, and of which model an answer is."""

import itertools
import json

import pytest

from infra.cli.collections.results import Found, Hit
from infra.cli.demo.asking import Asked, Asking, Model, Switch, percentile
from infra.cli.demo.documents import document
from infra.cli.demo.operations import Operation

QUESTIONS = ("one", "two")


class Search:
    """A model that puts object n at distance n/10, and all a little farther by its own measure."""

    def __init__(self, shift: float) -> None:
        self._shift = shift

    def __call__(self, question: str, limit: int) -> Found:
        start = QUESTIONS.index(question)
        hits = [Hit(f"o{n}", n / 10 + self._shift, {}) for n in range(start, start + limit)]
        return Found(tuple(hits), 1.0)


OLD, NEW = Search(0.0), Search(0.02)


def asked(search: Search | None, *, at: float = 0.0, seconds: float = 0.01) -> Asked:
    found = search("one", 10) if search is not None else None
    return Asked("one", at, seconds, found, None if search is not None else "Busy: 503")


def test_each_answer_is_of_one_model() -> None:
    old, new = Model.of(OLD, QUESTIONS), Model.of(NEW, QUESTIONS)
    course = [asked(OLD, at=1), asked(OLD, at=2), asked(NEW, at=3), asked(NEW, at=4)]
    assert Switch.of(course, old, new) == Switch(old=2, new=2, neither=0, back=0, at=3)
    flicker = [*course, asked(OLD, at=5)]
    assert Switch.of(flicker, old, new).back == 1
    assert Switch.of([asked(None)], old, new) == Switch(0, 0, 1, 0, None)


def test_half_of_each_is_neither() -> None:
    old, new = Model.of(OLD, QUESTIONS), Model.of(NEW, QUESTIONS)
    mixed = Found((*OLD("one", 10).hits[:5], *NEW("one", 10).hits[5:]), 1.0)
    assert Switch.of([Asked("one", 0, 0.01, mixed)], old, new).neither == 1
    # What was written meanwhile is known to neither: an answer may hold some of it.
    fresh = Found((Hit("fresh", 0.01, {}), *OLD("one", 9).hits), 1.0)
    assert Switch.of([Asked("one", 0, 0.01, fresh)], old, new).old == 1
    strange = Found(tuple(Hit(f"x{n}", 0.1, {}) for n in range(10)), 1.0)
    assert Switch.of([Asked("one", 0, 0.01, strange)], old, new).neither == 1


def test_who_asks_goes_on_after_a_failure() -> None:
    turns = itertools.count()

    def search(question: str, limit: int) -> Found:
        if next(turns) == 2:
            raise ConnectionError("reset by peer")
        return OLD(question, limit)

    with Asking(search, QUESTIONS) as asking:
        some = asking.wait_for(6, seconds=20)
    assert len(some) >= 6
    assert [each.question for each in some[:4]] == ["one", "two", "one", "two"]
    assert [each.error for each in some if each.error] == ["ConnectionError: reset by peer"]
    assert asking.since(asking.count) == ()


def test_a_failure_does_not_make_it_wait_for_ever() -> None:
    def search(question: str, limit: int) -> Found:
        raise ConnectionError(question, limit)

    with Asking(search, QUESTIONS) as asking:
        assert len(asking.wait_for(10**6, seconds=0.1)) < 100


@pytest.mark.parametrize(("percent", "wanted"), [(50, 50.0), (99, 99.0), (100, 100.0)])
def test_percentiles_are_measured_values(percent: float, wanted: float) -> None:
    some = [asked(OLD, seconds=n / 1000) for n in range(100, 0, -1)]
    assert percentile(some, percent) == pytest.approx(wanted)


def test_an_operation_as_a_document() -> None:
    operation = Operation("s3", "put_object", "Amazon S3", "PutObject", "Puts. More. Last.", ("Bucket",))
    assert json.loads(document(operation)) == {
        "object_id": "s3.put_object",
        "payload": {
            "text": "amazon s3: put object. puts. more.",
            "service": "Amazon S3",
            "operation": "PutObject",
            "client": "s3",
            "method": "put_object",
            "required": ["Bucket"],
            "summary": "Puts.",
        },
        "item_info": {"source_name": "botocore"},
    }
