"""Searches over HTTP, row by row of the contract's table."""

from typing import Any

import pytest

from shoal.errors import InvalidInput, ModelBusy, ModelDenied
from shoal.http.context import Limits
from shoal.http.studio.answering import faults_at_fields
from shoal.model.bindings import Family
from shoal.services.collections.blue import set_blue
from shoal.services.tenants import set_quota
from tests.unit.http.api import Api
from tests.unit.http.studio.catalogue import (
    COUNT,
    FURNITURE,
    PAYLOAD,
    SIMILARITY,
    another,
    blue,
    faults,
    fill,
    found,
    search,
)

FURNISHED = {"query": {"term": {"field": "category", "value": "furniture"}}}


@pytest.fixture
def shop(api: Api) -> Api:
    fill(api, blue(api), FURNITURE)
    return api


def queries(api: Api) -> int:
    """Queries of today, as they are counted."""
    return int(api.call("GET", "/v1/usage").json["queries_today"])


def test_the_nearest_first_with_what_was_stored(shop: Api) -> None:
    answer = search(shop, "a chair with lumbar support")
    assert found(answer)[0] == "chair"
    first, *others = answer.json["search_results"]
    assert first == {
        "object_id": "chair",
        "distance": first["distance"],
        "payload": FURNITURE[0]["payload"],
        "meta": {"source_name": "product_catalog"},
    }
    distances = [first["distance"], *(each["distance"] for each in others)]
    assert distances == sorted(distances)
    assert 0 <= distances[0] < distances[-1] <= 2
    assert {each["object_id"]: each.get("meta") for each in others} == {"desk": None, "lamp": {"row": 7}}
    assert set(answer.json) == {"search_results"}, "null fields are left out"
    assert answer.headers["x-shoal-version"] == "1"


def test_a_filter_decides_before_the_distance_does(shop: Api) -> None:
    assert found(search(shop, "light for books", filter=FURNISHED)) in (["chair", "desk"], ["desk", "chair"])
    inside = {
        "query": {
            "bool": {"must": FURNISHED["query"], "must_not": [{"match": {"field": "title", "value": "desk"}}]}
        }
    }
    assert found(search(shop, "light for books", filter=inside)) == ["chair"]
    wild = {"query": {"wildcard": {"field": "title", "value": "ergo*"}}}
    assert found(search(shop, "light for books", filter=wild)) == ["chair"]
    nested = {"query": {"term": {"field": "attributes.color", "value": "walnut"}}}
    assert found(search(shop, "light for books", filter=nested)) == ["desk"]


def test_pages_and_distances(shop: Api) -> None:
    whole = search(shop, "standing desk").json["search_results"]
    pages: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        answer = search(shop, "standing desk", limit=1, offset=offset)
        pages += answer.json["search_results"]
        offset = answer.json.get("next_page_offset")
    assert pages == whole
    near = search(shop, "standing desk", max_distance=whole[1]["distance"])
    assert near.json["search_results"] == whole[:2]
    assert "next_page_offset" not in near.json
    assert found(search(shop, "standing desk", max_distance=-1)) == []
    assert found(search(shop, "standing desk", offset=50)) == []


def test_sorted_by_a_field(shop: Api) -> None:
    prices = {"field": "price", "order": "desc"}
    answer = search(shop, "light for books", sort_by=prices)
    assert found(answer) == ["desk", "chair", "lamp"]
    assert answer.json["total_count"] == 3
    first = search(shop, "light for books", sort_by=prices, similarity_first=True)
    assert found(first)[0] == "lamp"
    by_id = {"field": "object_id", "force_not_payload": True}
    assert found(search(shop, "light for books", sort_by=by_id)) == ["chair", "desk", "lamp"]
    wrong = search(shop, "light", sort_by={"field": "price", "force_not_payload": True})
    assert faults(wrong) == [("invalid_sort", ["body", "sort_by", "field"])]
    assert faults(search(shop, "light", sort_by={"field": "price", "order": "up"})) == [
        ("literal_error", ["body", "sort_by", "order"])
    ]


def test_a_query_that_is_an_object_is_embedded_as_objects_are(shop: Api) -> None:
    answer = search(shop, FURNITURE[2]["payload"])
    assert found(answer)[0] == "lamp"
    assert answer.json["search_results"][0]["distance"] == pytest.approx(0, abs=1e-5)
    assert faults(search(shop, 7)) == [("search_query_type", ["body", "search_query"])]
    assert faults(search(shop, {"price": 3})) == [("text_without_tokens", ["body", "search_query"])]


def test_without_a_query_the_filter_alone_decides(shop: Api) -> None:
    answer = search(shop, None, filter=FURNISHED)
    assert found(answer) == ["chair", "desk"]
    assert [each["distance"] for each in answer.json["search_results"]] == [1.0, 1.0]
    assert answer.json["total_count"] == 2
    nothing = search(shop, None)
    assert (nothing.status, nothing.json) == (200, {"search_results": []})


def test_search_by_payload(shop: Api) -> None:
    answer = search(shop, None, PAYLOAD, filter=FURNISHED, limit=1)
    assert found(answer) == ["chair"]
    assert (answer.json["next_page_offset"], answer.json["total_count"]) == (1, 2)
    assert answer.json["search_results"][0]["distance"] == 1.0
    rest = search(shop, "not looked at", PAYLOAD, filter=FURNISHED, limit=1, offset=1)
    assert found(rest) == ["desk"]
    assert "next_page_offset" not in rest.json
    assert found(search(shop, None, PAYLOAD)) == ["chair", "desk", "lamp"]
    by_price = search(shop, None, PAYLOAD, sort_by={"field": "price"})
    assert found(by_price) == ["lamp", "chair", "desk"]
    without_the_key = shop.call("POST", PAYLOAD, {"limit": 5})
    assert found(without_the_key) == ["chair", "desk", "lamp"]


def test_counts(shop: Api) -> None:
    assert search(shop, None, COUNT).json == {"total_count": 3}
    assert shop.call("POST", COUNT, {"filter": FURNISHED}).json == {"total_count": 2}
    priced = {"query": {"field": "price", "range": {"gt": 35.5, "lte": 549, "gte": None}}}
    assert search(shop, None, COUNT, filter=priced).json == {"total_count": 2}


def test_objects_of_many_parts_are_one(api: Api) -> None:
    long = " ".join(f"chapter {n} of a long story about whales and the sea" for n in range(150))
    things = [*FURNITURE, {"object_id": "book", "payload": {"title": long, "category": "books"}}]
    dataset = blue(api)
    fill(api, dataset, things)
    assert found(search(api, "whales at sea")).count("book") == 1
    assert search(api, None, COUNT).json == {"total_count": 4}
    similar = {"embedding_model_id": "static-256", "text": "whales at sea", "limit": 1}
    answer = api.call("POST", "/api/v1/internal/vectordb/collections/objects/find-similar", similar)
    assert answer.json["found_objects"][0]["object_id"] == "book"
    assert answer.json["found_objects"][0]["parts_found"] > 1


def test_sessions_and_what_is_told_again(shop: Api) -> None:
    plain = search(shop, "desk", session_id="s-1")
    assert "session_id" not in plain.json, "as in the original"
    told = search(shop, "desk", session_id="s-1", create_session=True, meta_info={"note": [1, None]})
    assert told.json["session_id"] == "s-1"
    assert told.json["meta_info"] == {"note": [1, None]}
    made = {search(shop, None, PAYLOAD, create_session=True).json["session_id"] for _ in range(2)}
    assert len(made) == 2
    large = search(shop, "desk", meta_info="x" * 20_000)
    assert faults(large) == [("too_large", ["body", "meta_info"])]


def test_whose_objects_are_found(shop: Api) -> None:
    copy = {**FURNITURE[0], "object_id": "chair~ann", "user_id": "ann", "original_id": "chair"}
    copy["payload"] = {"title": "Ann's own chair", "category": "furniture"}
    fill(shop, blue(shop), [copy])

    def chair(**fields: Any) -> Any:
        results = search(shop, "chair", **fields).json["search_results"]
        titles = [each["payload"]["title"] for each in results if each["object_id"] == "chair"]
        assert len(results) == 3
        return titles

    assert chair() == chair(user_id="bob") == ["Ergonomic Office Chair"]
    assert chair(user_id="ann") == ["Ann's own chair"]
    assert search(shop, None, COUNT).json == {"total_count": 3}


@pytest.mark.parametrize("path", [SIMILARITY, PAYLOAD, COUNT])
def test_before_there_is_an_active_collection(api: Api, path: str) -> None:
    answer = search(api, "anything", path)
    assert (answer.status, answer.json["detail"]) == (404, "Model is not initialized yet.")
    another(api, "static-128")
    assert search(api, "anything", path).status == 404, "one that is not active does not count"
    another(api, "static-128", family=Family.CATEGORIES, active=True)
    assert search(api, "anything", path).status == 404, "nor do categories"


def test_an_active_collection_with_nothing_in_it(api: Api) -> None:
    blue(api)
    assert search(api, "anything").json == {"search_results": []}
    assert search(api, "x", PAYLOAD).json == {"search_results": [], "total_count": 0}
    assert search(api, "x", COUNT).json == {"total_count": 0}


def test_when_blue_moves_queries_go_along(shop: Api) -> None:
    other = another(shop, "static-128")
    fill(shop, other, FURNITURE[2:])
    assert len(found(search(shop, "desk"))) == 3
    set_blue(shop.ports, shop.tenant_id, Family.ITEMS, "static-128")
    assert found(search(shop, "desk")) == ["lamp"]
    assert search(shop, None, COUNT).json == {"total_count": 1}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"limit": 5}, ("missing", ["body", "search_query"])),
        ({"search_query": "x"}, ("missing", ["body", "limit"])),
        ({"search_query": "x", "limit": 0}, ("greater_than_equal", ["body", "limit"])),
        ({"search_query": "x", "limit": 1001}, ("less_than_equal", ["body", "limit"])),
        ({"search_query": "x", "limit": "5"}, ("int_type", ["body", "limit"])),
        ({"search_query": "x", "limit": 5, "offset": -1}, ("greater_than_equal", ["body", "offset"])),
        ({"search_query": "x", "limit": 5, "offset": 9996}, ("out_of_reach", ["body", "offset"])),
        ({"search_query": "x", "limit": 5, "user_id": ""}, ("string_too_short", ["body", "user_id"])),
        ({"search_query": "x", "limit": 5, "filter": []}, ("dict_type", ["body", "filter"])),
        ({"search_query": "x", "limit": 5, "filter": {}}, ("invalid_filter", ["body", "filter"])),
        (
            {"search_query": "x", "limit": 5, "filter": {"query": {"must": [{"nope": 1}]}}},
            ("invalid_filter", ["body", "filter", "query", "must", 0, "nope"]),
        ),
        ({"search_query": "", "limit": 5}, ("text_without_tokens", ["body", "search_query"])),
        ({"search_query": " \n", "limit": 5}, ("text_without_tokens", ["body", "search_query"])),
        ({"search_query": "x" * 40_000, "limit": 5}, ("text_too_long", ["body", "search_query"])),
    ],
)
def test_what_is_wrong_and_where(shop: Api, body: Any, fault: Any) -> None:
    assert faults(shop.call("POST", SIMILARITY, body)) == [fault]
    assert queries(shop) == 0, "what cannot be answered is not counted"


def test_all_that_is_wrong_at_once(shop: Api) -> None:
    answer = shop.call("POST", SIMILARITY, {"limit": 0, "max_distance": "near"})
    assert len(faults(answer)) == 3


def test_an_answer_that_is_too_large_says_which_limit_fits(api: Api) -> None:
    pad = {'"' * 100_000: 1}  # a name: it is not embedded
    things = [{"object_id": f"t{n:02}", "payload": {"title": f"thing {n}", "pad": pad}} for n in range(40)]
    fill(api, blue(api), things)
    for path, query in ((SIMILARITY, "thing"), (PAYLOAD, None)):
        for limit in (20, 40):  # as much as may be read, and more than that
            refused = search(api, query, path, limit=limit)
            assert faults(refused) == [("response_too_large", ["body", "limit"])]
            fits = int(refused.json["detail"][0]["msg"].split(" ask for ")[1].split()[0])
            assert len(found(search(api, query, path, limit=fits))) == fits
            assert search(api, query, path, limit=fits + 1).status == 422


def test_queries_are_counted_as_native_ones(shop: Api) -> None:
    search(shop, "desk")
    assert queries(shop) == 1
    for path in (PAYLOAD, COUNT):
        search(shop, None, path)
    search(shop, None, filter=FURNISHED)
    assert queries(shop) == 1, "lists and counts are none"
    set_quota(shop.ports, shop.tenant_id, vector_quota=None, query_quota=1)
    shop.clock.now += 61  # until then the key's quotas are remembered
    refused = search(shop, "desk")
    assert refused.status == 429
    assert refused.json["code"] == "query_quota_exceeded"
    assert int(refused.headers["retry-after"]) > 0


def test_models_that_do_not_answer(shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> None:
        def query(*_: object) -> None:
            raise error

        monkeypatch.setattr(shop.embedder, "query", query)

    fail(ModelBusy("static-256", "throttled"))
    busy = search(shop, "desk")
    assert (busy.status, busy.json["detail"]) == (503, "static-256: throttled")
    assert int(busy.headers["retry-after"]) > 0
    fail(ModelDenied("static-256", "no access"))
    denied = search(shop, "desk")
    assert (denied.status, denied.json["detail"]) == (503, "static-256: no access")
    assert queries(shop) == 0
    assert found(search(shop, None, PAYLOAD)) == ["chair", "desk", "lamp"], "payloads need no model"


def test_rates_and_quotas_of_the_deployment_hold(api: Api) -> None:
    api.use(api.ports, Limits(query_quota=0))
    fill(api, blue(api), FURNITURE)
    assert search(api, "desk").status == 429


def test_what_a_search_may_not_read_is_told_at_the_filter() -> None:
    refused = InvalidInput("filter_not_indexed", "as the native API says", {"paths": ["payload.title"]})
    with pytest.raises(InvalidInput) as told, faults_at_fields("search_query"):
        raise refused
    assert told.value.details is not None
    (fault,) = told.value.details["faults"]
    assert (fault["type"], fault["loc"]) == ("filter_not_indexed", ["body", "filter"])
    assert "no index covers title;" in fault["msg"]
