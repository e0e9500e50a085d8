"""Queries: a text in, documents out, with scores from 0 to 1."""

from typing import Any

import pytest

from shoal.services.tenants import set_quota
from tests.unit.http.api import Api
from tests.unit.http.sanity.client import DATASET, INDEX, Client, problem
from tests.unit.http.sanity.pump import ContentPump
from tests.unit.http.sanity.test_indexes import plant

TEXT = "cowboys and aliens"
STRICT = {"x-shoal-strict": "1"}


@pytest.fixture
def asked(api: Api, client: Client) -> Client:
    """An index of five documents of four types."""
    pump = ContentPump(api)
    kinds = [
        ("s1", "summary"),
        ("y1", "synopsis"),
        ("r1", "userReview"),
        ("r2", "userReview"),
        ("m1", "movie"),
    ]
    plant(api, *({"_id": name, "_type": kind, "title": f"{TEXT} {name}"} for name, kind in kinds))
    pump.run()
    assert client.create(filter="", projection="").status == 200
    pump.run()
    return client


def names(answer: Any) -> list[str]:
    assert answer.status == 200, answer.text
    return sorted(each["value"]["documentId"] for each in answer.json)


ALL = ["m1", "r1", "r2", "s1", "y1"]


def test_what_is_found(asked: Client) -> None:
    answer = asked.query({"query": TEXT, "maxResults": 10})
    assert names(answer) == ALL
    for each in answer.json:
        assert each.keys() == {"score", "value"}
        assert each["value"].keys() == {"documentId", "type"}
        assert 0.0 <= each["score"] <= 1.0
    scores = [each["score"] for each in answer.json]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("only", "found"),
    [
        (None, ALL),
        ({}, ALL),
        ({"type": None}, ALL),
        ({"type": "userReview"}, ["r1", "r2"]),
        ({"type": ["summary", "synopsis"]}, ["s1", "y1"]),
        ({"type": "summary,synopsis,userReview"}, ["r1", "r2", "s1", "y1"]),
        ({"type": " summary , synopsis "}, ["s1", "y1"]),
        ({"type": ["summary", "summary"]}, ["s1"]),
        ({"type": "usereview"}, []),
    ],
)
def test_every_form_of_the_filter(asked: Client, only: object, found: list[str]) -> None:
    assert names(asked.query({"query": TEXT, "filter": only})) == found


@pytest.mark.parametrize(
    "only", ["summary", ["summary"], 7, {"type": 7}, {"type": [7]}, {"type": {}}, {"_type": "summary"}]
)
def test_a_filter_that_is_none(asked: Client, only: object) -> None:
    answer = asked.query({"query": TEXT, "filter": only})
    assert problem(answer) == (400, "invalid_filter")
    assert "filter" in answer.json["message"]


@pytest.mark.parametrize(("most", "count"), [(1, 1), (3, 3), (10, 5), (1000, 5), (None, 5), (2.0, 2)])
def test_how_many(asked: Client, most: object, count: int) -> None:
    assert len(asked.query({"query": TEXT, "maxResults": most}).json) == count


@pytest.mark.parametrize("most", [0, 1001, -1, 1.5, "10", True, [], 10**30])
def test_how_many_cannot_be(asked: Client, most: object) -> None:
    answer = asked.query({"query": TEXT, "maxResults": most})
    assert problem(answer) == (400, "invalid_max_results")
    assert "1 to 1000" in answer.json["message"]


@pytest.mark.parametrize("text", ["", "  ", None, 7, [], {}])
def test_a_query_that_is_no_text(asked: Client, text: object) -> None:
    assert problem(asked.query({"query": text})) == (400, "invalid_query")


def test_a_query_is_needed(asked: Client) -> None:
    assert problem(asked.query({"maxResults": 3})) == (400, "invalid_query")


def test_a_query_of_100_kilobytes(asked: Client) -> None:
    answer = asked.query({"query": "cowboys " * 12_800})
    assert answer.status == 400, answer.text
    assert problem(answer)[1] == "text_too_long"
    assert "bytes" in answer.json["message"]


def test_nothing_found(asked: Client) -> None:
    body = {"query": TEXT, "filter": {"type": "none such"}}
    assert asked.query(body).json == []
    assert asked.query(body, headers={"x-shoal-strict": "0"}).json == []
    answer = asked.query(body, headers=STRICT)
    assert problem(answer) == (404, "no_matches")
    assert INDEX in answer.json["message"]
    assert names(asked.query({"query": TEXT}, headers=STRICT)) == ALL


def test_nothing_yet(client: Client) -> None:
    client.create()
    assert client.query({"query": TEXT}).json == []
    assert problem(client.query({"query": TEXT}, headers=STRICT)) == (404, "no_matches")


def test_what_is_not_there(client: Client) -> None:
    assert problem(client.query({"query": TEXT})) == (404, "dataset_not_found")
    client.create(indexName="another")
    assert problem(client.query({"query": TEXT})) == (404, "index_not_found")
    assert problem(client.query({"query": TEXT}, name="x" * 300)) == (404, "index_not_found")


def test_queries_are_counted_and_given_back(api: Api, asked: Client) -> None:
    set_quota(api.ports, api.tenant_id, vector_quota=None, query_quota=2)
    api.clock.now += 60  # keys are believed so long
    assert asked.query({"query": TEXT}).status == 200
    assert problem(asked.query({"query": TEXT}, name="another")) == (404, "index_not_found")
    assert asked.query({"query": TEXT}).status == 200
    answer = asked.query({"query": TEXT})
    assert answer.status == 429
    assert problem(answer) == (429, "query_quota_exceeded")


def test_the_native_api_does_not_reach_it(api: Api, asked: Client) -> None:
    for name in (INDEX, DATASET, f"sanity/{DATASET}", f"sanity/{DATASET}/{INDEX}"):
        answer = api.call("POST", "/v1/query", {"dataset": name, "text": TEXT})
        assert answer.status in {400, 404}, name
    assert api.call("GET", "/v1/datasets").json["datasets"] == []
