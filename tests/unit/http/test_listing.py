"""Lists, counts and figures over HTTP: pages that fit together, cursors that nobody can make up, exact counts."""

import json
from typing import Any

import pytest

from shoal.model.limits import MANIFEST_KEPT_SECONDS
from tests.unit.http.api import Answer, Api

VECTORS = "/v1/datasets/products/vectors"
COUNT = "/v1/datasets/products/count"
STATS = "/v1/datasets/products/stats"


@pytest.fixture(autouse=True)
def _dataset(api: Api) -> None:
    api.dataset()


def fill(api: Api, count: int, *, start: int = 0) -> None:
    lines = [
        {"id": f"item-{number:03d}", "values": [number, 0, 0, 1], "metadata": {"odd": bool(number % 2)}}
        for number in range(start, start + count)
    ]
    api.indexed(*lines)


def pages(api: Api, **query: str) -> list[Answer]:
    """All pages of a list, from the first to the last."""
    found = [api.call("GET", VECTORS, query=query)]
    while found[-1].json["next_cursor"]:
        assert len(found) < 100
        found.append(api.call("GET", VECTORS, query={**query, "cursor": found[-1].json["next_cursor"]}))
    return found


def ids(*answers: Answer) -> list[str]:
    return [record["id"] for answer in answers for record in answer.json["vectors"]]


def test_a_dataset_without_writes_has_an_empty_list(api: Api) -> None:
    answer = api.call("GET", VECTORS)
    assert answer.json == {"vectors": [], "next_cursor": None, "version": 0}
    assert api.call("GET", COUNT).json == {"count": 0, "version": 0}
    assert api.call("GET", STATS).json["row_count"] == 0


def test_pages_hold_every_record_once(api: Api) -> None:
    fill(api, 10)
    found = pages(api, limit="3")
    assert [len(page.json["vectors"]) for page in found] == [3, 3, 3, 1]
    assert sorted(ids(*found)) == [f"item-{number:03d}" for number in range(10)]
    assert found[0].json["vectors"][0] == {"id": "item-000", "metadata": {"odd": False}}
    assert "embedding" not in found[0].json["vectors"][0]


def test_a_page_that_ends_with_the_last_record_has_no_cursor(api: Api) -> None:
    fill(api, 6)
    assert [len(page.json["vectors"]) for page in pages(api, limit="3")] == [3, 3]


def test_pages_stay_with_the_version_of_the_first_one(api: Api) -> None:
    fill(api, 6)
    first = api.call("GET", VECTORS, query={"limit": "4"})
    fill(api, 5, start=3)
    api.index(api.call("DELETE", f"{VECTORS}/item-005").json["job_id"])
    second = api.call("GET", VECTORS, query={"limit": "4", "cursor": first.json["next_cursor"]})
    assert ids(first, second) == [f"item-{number:03d}" for number in range(6)]
    assert first.json["version"] == second.json["version"]
    assert sorted(ids(*pages(api))) == [f"item-{number:03d}" for number in (0, 1, 2, 3, 4, 6, 7)]


def test_filter_prefix_and_namespace_choose(api: Api) -> None:
    fill(api, 12)
    odd = json.dumps({"odd": True})
    assert ids(*pages(api, filter=odd, limit="2")) == [f"item-{number:03d}" for number in range(1, 12, 2)]
    assert ids(*pages(api, prefix="item-01")) == ["item-010", "item-011"]
    assert ids(*pages(api, prefix="item-01", filter=odd)) == ["item-011"]
    assert ids(*pages(api, namespace="elsewhere")) == []
    assert len(ids(*pages(api, namespace=""))) == 12
    for query, count in [
        ({}, 12),
        ({"filter": odd}, 6),
        ({"prefix": "item-01"}, 2),
        ({"namespace": "elsewhere"}, 0),
    ]:
        assert api.call("GET", COUNT, query=query).json["count"] == count
    assert api.call("POST", COUNT, {"filter": {"odd": True}, "prefix": "item-00"}).json["count"] == 5
    assert api.call("POST", COUNT).json["count"] == 12


def test_values_come_along_where_they_are_asked_for(api: Api) -> None:
    fill(api, 1)
    shown = api.call("GET", VECTORS, query={"include_values": "true"}).json["vectors"][0]
    assert shown["embedding"] == [0.0, 0.0, 0.0, 1.0]
    listed = api.call("POST", f"{VECTORS}/list", {"include_values": True, "limit": 1}).json
    assert listed["vectors"][0]["embedding"] == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5", "", " 5", "+5", "1_0", "\u0663", "9" * 30])
def test_a_limit_that_is_none(api: Api, limit: str) -> None:
    answer = api.call("GET", VECTORS, query={"limit": limit})
    assert (answer.status, answer.code) == (400, "invalid_limit")


def test_a_limit_over_the_most_counts_as_the_most(api: Api) -> None:
    fill(api, 3)
    assert len(api.call("GET", VECTORS, query={"limit": "100000"}).json["vectors"]) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "filter must be valid JSON"),
        ("[]", "filter must be an object"),
        ('{"a":{"$near":1}}', "filter.a.$near: unknown operator"),
        ('{"$a":1}', "filter.$a: unknown operator"),
    ],
)
def test_a_filter_that_is_none(api: Api, text: str, message: str) -> None:
    for path in (VECTORS, COUNT):
        answer = api.call("GET", path, query={"filter": text})
        assert (answer.status, answer.code) == (400, "invalid_filter")
        assert answer.message.startswith(message)


def test_a_misspelt_filter_does_not_mean_everything(api: Api) -> None:
    for path in (f"{VECTORS}/list", COUNT):
        answer = api.call("POST", path, {"fliter": {"odd": True}})
        assert (answer.status, answer.code) == (400, "invalid_request")
        assert answer.message.startswith("fliter: ")


def cursor_of(api: Api, **query: str) -> str:
    return str(api.call("GET", VECTORS, query={"limit": "2", **query}).json["next_cursor"])


def refused(api: Api, cursor: str, **query: str) -> tuple[int, str]:
    answer = api.call("GET", VECTORS, query={**query, "cursor": cursor})
    return answer.status, answer.code


def test_a_cursor_is_good_for_the_request_that_it_came_from_only(api: Api) -> None:
    fill(api, 8)
    cursor = cursor_of(api)
    for other in ({"prefix": "item"}, {"namespace": ""}, {"filter": '{"odd":true}'}):
        assert refused(api, cursor, **other) == (400, "invalid_cursor")
    assert api.call("GET", VECTORS, query={"cursor": cursor, "limit": "7"}).status == 200


def test_a_cursor_that_was_changed_or_made_up(api: Api) -> None:
    fill(api, 8)
    cursor = cursor_of(api)
    for place in range(0, len(cursor), 7):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        assert refused(api, changed) == (400, "invalid_cursor")
    for made_up in ("", "x", "eyJvIjogMTB9", "é", cursor + "A" * 3000, cursor[:-1]):
        assert refused(api, made_up) == (400, "invalid_cursor")


def test_a_cursor_of_another_dataset(api: Api) -> None:
    fill(api, 8)
    cursor = cursor_of(api)
    api.call("POST", "/v1/datasets", {"name": "others", "dimension": 4})
    unwritten = api.call("GET", "/v1/datasets/others/vectors", query={"cursor": cursor})
    assert (unwritten.status, unwritten.code) == (400, "invalid_cursor")
    answer = api.call("POST", "/v1/datasets/others/vectors", '{"id":"a","values":[1,2,3,4]}')
    api.index(answer.json["job_id"])
    refusal = api.call("GET", "/v1/datasets/others/vectors", query={"cursor": cursor})
    assert (refusal.status, refusal.code) == (400, "invalid_cursor")


def test_a_cursor_older_than_versions_are_kept(api: Api) -> None:
    fill(api, 8)
    cursor = cursor_of(api)
    api.clock.now += MANIFEST_KEPT_SECONDS + 1
    answer = api.call("GET", VECTORS, query={"cursor": cursor})
    assert (answer.status, answer.code) == (400, "cursor_expired")
    assert "24 hours" in answer.message


def test_a_large_page_is_cut_to_what_an_answer_holds(api: Api) -> None:
    text = '"' * 18_000
    for start in range(0, 160, 20):
        lines = [
            {"id": str(n), "values": [n, 0, 0, 1], "metadata": {"t": text}} for n in range(start, start + 20)
        ]
        api.indexed(*lines)
    found = pages(api, limit="1000")
    assert len(found) > 1
    assert sorted(ids(*found), key=int) == [str(number) for number in range(160)]


def test_figures_of_a_dataset(api: Api) -> None:
    fill(api, 10)
    api.index(api.call("DELETE", f"{VECTORS}/item-003").json["job_id"])
    shown: dict[str, Any] = api.call("GET", STATS).json
    assert shown["row_count"] == 9
    assert shown["stored_rows"] == 10
    assert shown["dead_share"] == 0.1
    assert (shown["shards"], shown["deltas"], shown["cells"]) == (1, 1, 0)
    assert shown["vector_bytes"] == 160
    assert shown["bytes"] > 160
    assert (shown["tail_writes"], shown["tail_bytes"]) == (0, 0)
    assert shown["last_compacted_at"] is None
    api.upload({"id": "new", "values": [1, 2, 3, 4]})
    waiting = api.call("GET", STATS).json
    assert waiting["tail_writes"] == 1
    assert waiting["tail_bytes"] > 0
    assert waiting["status"] == "validating"


@pytest.mark.parametrize("path", [VECTORS, COUNT, STATS])
def test_another_dataset_is_not_there(api: Api, path: str) -> None:
    answer = api.call("GET", path.replace("products", "unknown"))
    assert (answer.status, answer.code) == (404, "dataset_not_found")
