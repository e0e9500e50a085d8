"""Objects written with their vectors, by callers who wait: done when it is answered."""

from typing import Any

import pytest

from tests.unit.http.api import Answer, Api
from tests.unit.http.studio.pump import Pump

BASE = "/api/v1/internal/vectordb/collections"
S128 = {"embedding_model_id": "static-128"}


@pytest.fixture(params=["", "/categories"])
def path(api: Api, request: pytest.FixtureRequest) -> str:
    """A family with a collection; what is due is done while a request waits."""
    family = f"{BASE}{request.param}"
    assert api.call("POST", f"{family}/create", S128).status == 200
    api.meanwhile = Pump(api).run
    return family


def vector(*values: float) -> list[float]:
    return [*values, *[0.0] * (128 - len(values))]


def item(object_id: str, *vectors: list[float], **more: Any) -> dict[str, Any]:
    parts = [{"vector": each} for each in vectors or [vector(1)]]
    return {"object_id": object_id, "storage_meta": {}, "parts": parts, **more}


def write(api: Api, path: str, call: str, *objects: Any) -> Answer:
    return api.call("POST", f"{path}/objects/{call}", S128 | {"objects": list(objects)})


def stored(api: Api, path: str, *object_ids: str) -> dict[str, Any]:
    answer = api.call("POST", f"{path}/objects/find-by-ids", S128 | {"object_ids": list(object_ids)})
    assert answer.status == 200, answer.text
    return {each["object_id"]: each for each in answer.json["objects"]}


def faults(answer: Answer) -> list[tuple[str, str]]:
    assert answer.status == 422, answer.text
    return [(fault["type"], ".".join(map(str, fault["loc"]))) for fault in answer.json["detail"]]


def test_what_is_written_can_be_found_at_once(api: Api, path: str) -> None:
    first = item(
        "a", vector(1, 2), vector(3), payload={"title": "first"}, user_id="u", storage_meta={"row": 1}
    )
    answer = write(api, path, "upsert", first, item("b"))
    assert (answer.status, answer.text) == (200, "null")
    found = stored(api, path, "a", "b", "c")
    assert set(found) == {"a", "b"}
    assert found["a"]["payload"] == {"title": "first"}
    assert (found["a"]["user_id"], found["a"]["storage_meta"]) == ("u", {"row": 1})
    assert [part["vector"][:2] for part in found["a"]["parts"]] == [[1.0, 2.0], [3.0, 0.0]]

    assert write(api, path, "upsert", item("a", vector(4))).status == 200
    found = stored(api, path, "a")
    assert [part["vector"][0] for part in found["a"]["parts"]] == [4.0], "with all its parts"
    assert "payload" not in found["a"] or not found["a"]["payload"]

    answer = api.call("POST", f"{path}/objects/delete", S128 | {"object_ids": ["a", "nobody", "a"]})
    assert (answer.status, answer.text) == (200, "null")
    assert set(stored(api, path, "a", "b")) == {"b"}


def test_an_insert_leaves_alone_what_is_there(api: Api, path: str) -> None:
    assert write(api, path, "insert", item("a", payload={"of": "first"})).status == 200
    answer = write(api, path, "insert", item("a", payload={"of": "second"}), item("b", payload={"of": "new"}))
    assert (answer.status, answer.text) == (200, "null")
    found = stored(api, path, "a", "b")
    assert (found["a"]["payload"], found["b"]["payload"]) == ({"of": "first"}, {"of": "new"})


def test_what_is_not_done_in_time_is_accepted_all_the_same(api: Api, path: str) -> None:
    api.meanwhile = lambda: None
    before = api.clock.now
    answer = write(api, path, "upsert", item("a"))
    assert (answer.status, answer.text) == (202, "null")
    assert 19 < api.clock.now - before < 21
    Pump(api).run()
    assert set(stored(api, path, "a")) == {"a"}


def test_faults_of_vectors(api: Api, path: str) -> None:
    answer = write(
        api,
        path,
        "upsert",
        item("short", [1.0], vector(1)),
        item("zero", vector(1), vector(0)),
        item("large", vector(1e39)),
    )
    assert faults(answer) == [
        ("dimension_mismatch", "body.objects.0.parts.0.vector"),
        ("zero_vector", "body.objects.1.parts.1.vector"),
        ("finite_number", "body.objects.2.parts.0.vector"),
    ]
    assert answer.json["detail"][0]["msg"] == "Should have 128 values, those of the model static-128, not 1"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"parts": []}, ("too_short", "parts")),
        ({"parts": [{"vector": [1.0]}] * 17}, ("too_long", "parts")),
        ({"parts": [{}]}, ("missing", "parts.0.vector")),
        ({"parts": [{"vector": ["1.0"]}]}, ("float_type", "parts.0.vector.0")),
        ({"parts": [{"vector": [True]}]}, ("float_type", "parts.0.vector.0")),
        ({"parts": [{"vector": None}]}, ("list_type", "parts.0.vector")),
        ({"storage_meta": None}, ("dict_type", "storage_meta")),
        ({"original_id": "a\nb"}, ("string_pattern_mismatch", "original_id")),
        ({"user_id": ""}, ("string_too_short", "user_id")),
    ],
)
def test_objects_that_are_none(api: Api, path: str, change: dict[str, Any], wrong: tuple[str, str]) -> None:
    answer = write(api, path, "insert", item("good"), item("bad") | change)
    assert faults(answer) == [(wrong[0], f"body.objects.1.{wrong[1]}")]


def test_parts_cannot_be_kept(api: Api, path: str) -> None:
    body = S128 | {"objects": [item("a")]}
    assert faults(api.call("POST", f"{path}/objects/upsert", body | {"shrink_parts": False})) == [
        ("literal_error", "body.shrink_parts")
    ]
    assert api.call("POST", f"{path}/objects/upsert", body | {"shrink_parts": True}).status == 200


def test_a_collection_that_is_not_there(api: Api, path: str) -> None:
    unknown = {"embedding_model_id": "ada", "objects": [item("a")], "object_ids": ["a"]}
    for call in ("insert", "upsert", "delete"):
        answer = api.call("POST", f"{path}/objects/{call}", unknown)
        assert (answer.status, answer.json["detail"]) == (404, "Collection with id=ada does not exist")
