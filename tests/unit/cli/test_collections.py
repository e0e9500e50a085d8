"""`shoal models` and `shoal collections` against an API that plays its part."""

import json
from pathlib import Path

import httpx
import pytest

from tests.unit.cli.studio_server import StudioServer, collection, task
from tests.unit.cli.studio_shell import Shoal

UPSERT = "POST /embeddings/upsertion-tasks/run"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Five objects, and a blank line."""
    path = tmp_path / "chairs.ndjson"
    lines = [json.dumps({"object_id": f"chair-{n}", "payload": {"title": f"Chair {n}"}}) for n in range(5)]
    path.write_text("\n".join([*lines[:2], "", *lines[2:]]) + "\n")
    return path


def test_models_and_their_other_names(shoal: Shoal, server: StudioServer) -> None:
    assert shoal("models", "alias", "text-embedding-ada-002", "static-256").exit_code == 0
    assert server.said == ["PUT /v1/model-aliases/text-embedding-ada-002"]
    listed = shoal("models")
    assert listed.exit_code == 0, listed.output
    assert "static-256 (default)" in listed.stdout
    assert "text-embedding-ada-002" in listed.stdout
    as_json = json.loads(shoal("models", "--json").stdout)
    assert [each["dimension"] for each in as_json["models"]] == [256, 1024]
    assert as_json["aliases"] == {"text-embedding-ada-002": "static-256"}
    assert json.loads(shoal("models", "list", "--json").stdout) == as_json
    assert shoal("models", "alias", "openai/v1.5:latest", "static-256").exit_code == 0
    assert server.said[-1] == "PUT /v1/model-aliases/openai/v1.5:latest"
    assert shoal("models", "unalias", "text-embedding-ada-002").exit_code == 0
    again = shoal("models", "unalias", "text-embedding-ada-002")
    assert again.exit_code == 4
    assert "no alias text-embedding-ada-002 (alias_not_found)" in again.stderr


@pytest.mark.parametrize("name", ["..", ".", "a/../b", "/a", "a/", "a//b", "", "a?b", "a b"])
def test_a_name_leads_nowhere_else(shoal: Shoal, server: StudioServer, name: str) -> None:
    assert shoal("models", "alias", name, "static-256").exit_code == 2
    assert server.calls == []


def test_collections_of_both_families(shoal: Shoal, server: StudioServer) -> None:
    assert "shoal collections upsert" in shoal("collections", "list").stderr
    server.collections["items"] = [collection(state="blue"), collection("static-128")]
    server.collections["categories"] = [collection(state="blue", rows=7)]
    listed = json.loads(shoal("collections", "list", "--json").stdout)["collections"]
    assert [
        (each["embedding_model_id"], each["family"], each["blue"], each["vectors"]) for each in listed
    ] == [
        ("static-256", "items", True, 3),
        ("static-128", "items", False, 3),
        ("static-256", "categories", True, 7),
    ]
    only = json.loads(shoal("collections", "list", "--family", "categories", "--json").stdout)["collections"]
    assert len(only) == 1
    assert "static-128" in shoal("collections", "show", "static-128").stdout
    missing = shoal("collections", "show", "other")
    assert missing.exit_code == 4
    assert "Collection with id=other does not exist" in missing.stderr


def test_the_blue_one(shoal: Shoal, server: StudioServer) -> None:
    assert "none is blue yet" in shoal("collections", "blue").stderr
    assert json.loads(shoal("collections", "blue", "--json").stdout) is None
    server.collections["items"] = [collection(state="blue"), collection("static-128")]
    assert shoal("collections", "blue").stdout == "static-256 is blue\n"
    assert shoal("collections", "blue", "static-128").stdout == "static-128 is blue\n"
    assert server.body("POST /internal/vectordb/collections/set-blue") == {"embedding_model_id": "static-128"}


def test_create_and_delete(shoal: Shoal, server: StudioServer) -> None:
    made = shoal("collections", "create", "static-128", "--template", "{title}", "--aggregation", "avg")
    assert made.stdout == "created static-128: 256 dimensions, cosine\n"
    assert server.body("POST /internal/vectordb/collections/create") == {
        "embedding_model_id": "static-128",
        "template": "{title}",
        "metric_aggregation_type": "avg",
    }
    assert shoal("collections", "create", "static-128", "--family", "categories").exit_code == 0
    assert server.body("POST /internal/vectordb/collections/categories/create") == {
        "embedding_model_id": "static-128"
    }
    server.collections["items"] = [collection("static-128")]
    kept = shoal("collections", "delete", "static-128", stdin="n\n")
    assert kept.exit_code == 2
    assert "with 3 vectors?" in kept.stderr
    assert "POST /internal/vectordb/collections/delete" not in server.said
    gone = shoal("collections", "delete", "static-128", stdin="y\n")
    assert gone.stdout.endswith("deleted static-128\n")
    refused = httpx.Response(
        409, json={"detail": "Blue collection can't be deleted", "code": "collection_is_blue"}
    )
    server.answers = [("/delete", refused)]
    blue = shoal("collections", "delete", "static-128", "--yes")
    assert blue.exit_code == 4
    assert "make another one blue first" in blue.stderr


def test_objects_of_a_file_in_tasks(shoal: Shoal, server: StudioServer, file: Path) -> None:
    done = shoal("collections", "upsert", file, "--batch", "2")
    assert done.exit_code == 0, done.output
    sent = [body for call, body in server.calls if call == UPSERT]
    assert [[item["object_id"] for item in body["items"]] for body in sent] == [
        ["chair-0", "chair-1"],
        ["chair-2", "chair-3"],
        ["chair-4"],
    ]
    assert sent[0]["items"][0] == {"object_id": "chair-0", "payload": {"title": "Chair 0"}}
    assert "task_id" not in sent[0]
    assert done.stdout.startswith("upserted 5 of 5 objects, 0 failed, in ")
    assert server.said[-1] == "GET /embeddings/upsertion-tasks/info"


def test_named_tasks_of_a_named_model(shoal: Shoal, server: StudioServer, file: Path) -> None:
    done = shoal(
        *("collections", "upsert", file, "--batch", "3", "--task-id", "load", "--model", "static-128"),
        *("--no-wait", "--json"),
    )
    assert done.exit_code == 0, done.output
    call = "POST /internal/upsertion-tasks/run"
    assert server.said == [call, call]
    assert [body["task_id"] for _, body in server.calls] == ["load-1", "load-2"]
    assert {body["embedding_model_id"] for _, body in server.calls} == {"static-128"}
    told = json.loads(done.stdout)
    assert [each["task_id"] for each in told["tasks"]] == ["load-1", "load-2"]
    assert told["objects"] == 5
    in_words = shoal("collections", "upsert", file, "--no-wait")
    assert "5 objects in 1 tasks" in in_words.stdout
    assert "shoal tasks show" in in_words.stderr


def test_objects_that_fail_are_told(shoal: Shoal, server: StudioServer, file: Path) -> None:
    failed = [
        {"object_id": f"chair-{n}\x1b[31m", "detail": "no text", "failure_stage": "on_inference"}
        for n in range(9)
    ]
    server.states["load-1"] = [task("load-1"), task("load-1", "done", failed_items=failed, processed_count=5)]
    done = shoal("collections", "upsert", file, "--task-id", "load")
    assert done.exit_code == 1
    assert "  chair-0 [31m: no text (on_inference)\n" in done.stdout
    assert "chair-5" not in done.stdout
    assert "error: 9 objects failed\n" in done.stderr


def test_objects_with_too_much_text_are_told(shoal: Shoal, server: StudioServer, file: Path) -> None:
    server.states["load-1"] = [task("load-1"), task("load-1", "done", truncated=2, processed_count=5)]
    done = shoal("collections", "upsert", file, "--task-id", "load")
    assert done.exit_code == 0, done.output
    assert "2 objects have too much text: only its beginning is embedded\n" in done.stdout
    shown = shoal("tasks", "show", "load-1", "--kind", "upsertion")
    assert "2 objects have too much text" in shown.stdout


def test_a_task_that_fails_stops_none_of_the_others(shoal: Shoal, server: StudioServer, file: Path) -> None:
    server.states["load-1"] = [
        task("load-1"),
        task("load-1", "failed", detail="token_cap_reached: 1,000 tokens"),
    ]
    done = shoal("collections", "upsert", file, "--task-id", "load", "--batch", "3")
    assert done.exit_code == 1
    assert server.said.count(UPSERT) == 2
    assert "error: upsertion load-1 is failed: token_cap_reached: 1,000 tokens" in done.stderr
    assert "later the same may pass" in done.stderr


def test_sending_waits_where_too_much_waits(shoal: Shoal, server: StudioServer, file: Path) -> None:
    full = httpx.Response(
        429, json={"detail": "too much waits", "code": "backlog_full"}, headers={"retry-after": "60"}
    )
    done_first = [task("load-1"), task("load-1", "processing"), task("load-1", "done")]
    server.states["load-1"] = done_first
    looked: list[str] = []

    def fill() -> None:
        looked.append("looked")

    server.on_look = fill
    original = server.transport()
    refused = [False]

    def answer(request: httpx.Request) -> httpx.Response:
        again = request.url.path.endswith("/run") and server.said.count(UPSERT) == 1 and not refused[0]
        if again:
            refused[0] = True
            return full
        return original.handle_request(request)

    done = shoal(
        *("collections", "upsert", file, "--task-id", "load", "--batch", "3"),
        transport=httpx.MockTransport(answer),
    )
    assert done.exit_code == 0, done.output
    assert refused == [True]
    last_sent = max(place for place, call in enumerate(server.said) if call == UPSERT)
    assert "GET /embeddings/upsertion-tasks/info" in server.said[1:last_sent]
    assert [body["task_id"] for call, body in server.calls if call == UPSERT] == ["load-1", "load-2"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2: no JSON"),
        ('["chair"]', 'line 2: no object with an "object_id"'),
        ('{"object_id": 7}', 'line 2: no object with an "object_id"'),
        ('{"object_id": "a", "title": "A"}', "line 2: unknown field 'title'"),
    ],
)
def test_a_line_that_is_no_object(
    shoal: Shoal, server: StudioServer, tmp_path: Path, line: str, why: str
) -> None:
    path = tmp_path / "bad.ndjson"
    path.write_text('{"object_id": "good"}\n' + line + "\n")
    done = shoal("collections", "upsert", path)
    assert done.exit_code == 2
    assert why in done.stderr
    assert server.calls == []


def test_no_file_and_no_objects(shoal: Shoal, tmp_path: Path) -> None:
    assert "cannot read" in shoal("collections", "upsert", tmp_path / "none").stderr
    empty = shoal("collections", "upsert", "-", stdin="\n")
    assert empty.exit_code == 2
    assert "holds no object" in empty.stderr


def test_delete_objects(shoal: Shoal, server: StudioServer, tmp_path: Path) -> None:
    done = shoal("collections", "delete-objects", "chair-1", "chair-2")
    assert done.exit_code == 0, done.output
    assert server.body("POST /embeddings/deletion-tasks/run") == {"object_ids": ["chair-1", "chair-2"]}
    assert done.stdout.startswith("deleted 2 of 2 objects")
    ids = tmp_path / "ids"
    ids.write_text("\n".join(f"chair-{n}" for n in range(10_001)) + "\n")
    many = shoal("collections", "delete-objects", "--ids-file", ids, "--family", "categories", "--json")
    assert many.exit_code == 0, many.output
    call = "POST /embeddings/deletion-tasks/categories/run"
    assert [len(body["object_ids"]) for made, body in server.calls if made == call] == [10_000, 1]
    assert shoal("collections", "delete-objects").exit_code == 2
    assert shoal("collections", "delete-objects", "a", "--ids-file", ids).exit_code == 2


def test_search_by_words_and_by_payload(shoal: Shoal, server: StudioServer) -> None:
    server.hits = [{"object_id": "chair-1", "distance": 0.25, "payload": {"title": "Chair"}}]
    found = shoal("collections", "search", "something to sit on", "-k", "3", "--max-distance", "0.9")
    assert found.exit_code == 0, found.output
    assert server.body("POST /embeddings/similarity-search") == {
        "search_query": "something to sit on",
        "limit": 3,
        "max_distance": 0.9,
    }
    assert '{"title": "Chair"}' in found.stdout
    term = {"term": {"field": "color", "value": "black"}}
    as_json = json.loads(shoal("collections", "search", "--filter", json.dumps(term), "--json").stdout)
    assert as_json["hits"][0]["object_id"] == "chair-1"
    assert server.body("POST /embeddings/payload-search") == {
        "search_query": None,
        "limit": 10,
        "filter": {"query": term},
    }
    shoal("collections", "search", "sit", "--filter", json.dumps({"query": term}))
    assert server.body("POST /embeddings/similarity-search")["filter"] == {"query": term}
    assert shoal("collections", "search").exit_code == 2
    assert "must be a JSON object" in shoal("collections", "search", "sit", "--filter", "[]").stderr


def test_all_that_is_wrong_with_a_request_is_one_line(shoal: Shoal, server: StudioServer) -> None:
    faults = [
        {"type": "model_not_found", "loc": ["body"], "msg": "there is no such model"},
        {"type": "missing", "loc": ["body", "limit"], "msg": "Field required"},
    ]
    server.answers = [("/similarity-search", httpx.Response(422, json={"detail": faults}))]
    done = shoal("collections", "search", "sit")
    assert done.exit_code == 4
    assert "error: there is no such model; limit: Field required (model_not_found)" in done.stderr
    assert "`shoal models`" in done.stderr
