"""Looks into named collections over HTTP: objects by id, and what is near to a vector or a text."""

from typing import Any

import numpy as np
import pytest

from shoal.model.bindings import Family
from shoal.model.tenants import Scope
from shoal.services.model_aliases import set_alias
from tests.unit.http.api import Answer, Api
from tests.unit.http.studio.catalogue import FURNITURE, INTERNAL, another, faults, fill

S128 = {"embedding_model_id": "static-128"}
FAMILIES = [Family.ITEMS, Family.CATEGORIES]


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    found: Family = request.param
    return found


@pytest.fixture
def shop(api: Api, family: Family) -> Api:
    fill(api, another(api, "static-128", family=family), FURNITURE)
    return api


def call(api: Api, name: str, family: Family, key: str = "", /, **fields: Any) -> Answer:
    inside = "" if family is Family.ITEMS else "/categories"
    return api.call("POST", f"{INTERNAL}{inside}/objects/{name}", S128 | fields, key=key)


def similar(api: Api, family: Family, /, **fields: Any) -> Answer:
    return call(api, "find-similar", family, **({"limit": 5} | fields))


def vector_of(api: Api, text: str) -> list[float]:
    found: list[float] = api.embedder.query(api.tenant_id, "static-128", text).tolist()
    return found


def test_objects_by_id(shop: Api, family: Family) -> None:
    answer = call(shop, "find-by-ids", family, object_ids=["lamp", "nobody", "chair", "lamp"])
    assert answer.status == 200, answer.text
    lamp, chair = answer.json["objects"]
    assert (lamp["object_id"], chair["object_id"]) == ("lamp", "chair")
    assert (lamp["storage_meta"], chair["storage_meta"]) == ({"row": 7}, {"source_name": "product_catalog"})
    assert chair["payload"] == FURNITURE[0]["payload"]
    (part,) = chair["parts"]
    assert set(chair) == {"object_id", "payload", "storage_meta", "parts"}, "what is null is left out"
    assert (part["part_id"], part["is_average"], len(part["vector"])) == ("chair:0", False, 128)
    assert np.linalg.norm(part["vector"]) == pytest.approx(1, abs=1e-5)
    assert call(shop, "find-by-ids", family, object_ids=[]).json == {"objects": []}
    other = FAMILIES[family is Family.ITEMS]
    assert call(shop, "find-by-ids", other, object_ids=["lamp"]).status == 404


def test_parts_as_their_writer_called_them(api: Api, family: Family) -> None:
    dataset = another(api, "static-128", family=family)
    left, middle = np.eye(2, 128, dtype=np.float32).tolist()
    parts = [
        {"vector": left, "part_id": "a:left", "is_average": False},
        {"vector": middle, "part_id": "a:average", "is_average": True},
    ]
    beside = {"user_id": "ann", "session_id": "s", "original_id": "chair", "storage_meta": {}}
    fill(api, dataset, [{"object_id": "a", "payload": {"n": 1}, "parts": parts} | beside])
    (found,) = call(api, "find-by-ids", family, object_ids=["a"]).json["objects"]
    assert [(each["part_id"], each["is_average"]) for each in found["parts"]] == [
        ("a:left", False),
        ("a:average", True),
    ]
    assert [each["vector"] for each in found["parts"]] == [left, middle]
    assert (found["user_id"], found["session_id"], found["original_id"]) == ("ann", "s", "chair")
    assert similar(api, family, text="chair").json["found_objects"] == [], "it is a user's own"


def test_near_to_a_vector_and_to_a_text(shop: Api, family: Family) -> None:
    text = "a warm light"
    by_text = similar(shop, family, text=text)
    by_vector = similar(shop, family, query_vector=vector_of(shop, text))
    assert by_text.status == 200, by_text.text
    assert by_text.json == by_vector.json
    assert set(by_text.json) == {"found_objects", "next_offset", "total_count", "meta_info"}
    assert by_text.json["next_offset"] is None
    first = by_text.json["found_objects"][0]
    assert first == {
        "object_id": "lamp",
        "parts_found": 1,
        "payload": FURNITURE[2]["payload"],
        "storage_meta": {"row": 7},
        "distance": first["distance"],
    }
    pages: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        page = similar(shop, family, text=text, limit=2, offset=offset).json
        pages += page["found_objects"]
        offset = page["next_offset"]
    assert pages == by_text.json["found_objects"]
    near = similar(shop, family, text=text, max_distance=first["distance"])
    assert near.json["found_objects"] == [first]


def test_a_vector_of_another_dimension_is_told_which_model_it_should_be_of(shop: Api, family: Family) -> None:
    answer = similar(shop, family, query_vector=[1.0] * 256)
    assert faults(answer) == [("dimension_mismatch", ["body", "query_vector"])]
    assert answer.json["detail"][0]["msg"] == (
        "query_vector has 256 values; the collection uses the model static-128, whose vectors have 128"
    )


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, ("one_of_two", ["body", "query_vector"])),
        ({"text": "x", "query_vector": [1.0]}, ("one_of_two", ["body", "query_vector"])),
        ({"query_vector": [0.0] * 128}, ("zero_vector", ["body", "query_vector"])),
        ({"query_vector": [1e39] * 128}, ("out_of_range", ["body", "query_vector"])),
        ({"query_vector": ["1"]}, ("float_type", ["body", "query_vector", 0])),
        ({"text": " "}, ("text_without_tokens", ["body", "text"])),
        ({"text": "x", "limit": 0}, ("greater_than_equal", ["body", "limit"])),
        ({"text": "x", "offset": 10_000}, ("out_of_reach", ["body", "offset"])),
        ({"text": "x", "embedding_model_id": ""}, ("string_too_short", ["body", "embedding_model_id"])),
    ],
)
def test_what_is_wrong_and_where(shop: Api, family: Family, fields: Any, fault: Any) -> None:
    assert faults(similar(shop, family, **fields)) == [fault]
    assert shop.call("GET", "/v1/usage").json["queries_today"] == 0


def test_collections_that_are_not_there(shop: Api, family: Family) -> None:
    for name, fields in (("find-by-ids", {"object_ids": ["a"]}), ("find-similar", {"text": "x", "limit": 1})):
        for model in ("static-256", "no-such-model", "blue"):
            answer = call(shop, name, family, embedding_model_id=model, **fields)
            assert answer.status == 404
            assert answer.json["detail"] == f"Collection with id={model} does not exist"


def test_a_tenants_own_name_of_the_model(shop: Api, family: Family) -> None:
    set_alias(shop.ports, shop.embedder.registry, shop.tenant_id, "text-embedding-v2", "static-128")
    answer = similar(shop, family, text="light", embedding_model_id="text-embedding-v2")
    assert len(answer.json["found_objects"]) == 3


def test_before_anything_is_in_it(api: Api, family: Family) -> None:
    another(api, "static-128", family=family)
    empty: Any = {"found_objects": [], "next_offset": None, "total_count": None, "meta_info": None}
    assert similar(api, family, text="light").json == empty
    assert similar(api, family, query_vector=[1.0] * 128).json == empty
    assert similar(api, family, query_vector=[1.0] * 3).status == 422
    assert call(api, "find-by-ids", family, object_ids=["a"]).json == {"objects": []}


def test_too_much_for_an_answer_and_too_many_ids(api: Api, family: Family) -> None:
    pad = {"x" * 200_000: 1}
    things = [{"object_id": f"t{n}", "payload": {"title": f"thing {n}", "pad": pad}} for n in range(30)]
    fill(api, another(api, "static-128", family=family), things)
    names = [each["object_id"] for each in things]
    refused = call(api, "find-by-ids", family, object_ids=names)
    assert faults(refused) == [("response_too_large", ["body", "object_ids"])]
    fits = int(refused.json["detail"][0]["msg"].split(" ask for ")[1].split()[0])
    assert fits > 20
    assert len(call(api, "find-by-ids", family, object_ids=names[:fits]).json["objects"]) == fits
    assert faults(similar(api, family, text="thing", limit=30)) == [("response_too_large", ["body", "limit"])]
    many = call(api, "find-by-ids", family, object_ids=[f"i{n}" for n in range(1001)])
    assert faults(many) == [("too_long", ["body", "object_ids"])]


def test_only_searches_are_counted_and_only_admins_look_inside(shop: Api, family: Family) -> None:
    similar(shop, family, text="light")
    similar(shop, family, query_vector=[1.0] * 128)
    call(shop, "find-by-ids", family, object_ids=["a"])
    assert shop.call("GET", "/v1/usage").json["queries_today"] == 2
    reader = shop.new_key(Scope.READ, Scope.WRITE)
    assert call(shop, "find-by-ids", family, reader, object_ids=["a"]).status == 403
    assert call(shop, "find-similar", family, reader, text="x", limit=1).status == 403
    stranger = shop.stranger()
    assert call(shop, "find-by-ids", family, stranger, object_ids=["chair"]).status == 404
