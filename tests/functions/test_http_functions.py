"""Every sample event of the HTTP functions, replayed: status, headers, body."""

import json
from http import HTTPStatus
from typing import Any

import pytest

from tests.functions.world import EVENTS, World

type Expected = dict[str, Any]

HTTP = ("api", "query", "content")

ATLAS = {"title": "Atlas of birds"}
NOT_FOUND = {"detail": "Not Found"}


def error(code: str, message: str, **more: Any) -> Expected:
    return {"error": {"code": code, "message": message, **more}}


def vectorize_error(code: int, message: str) -> Expected:
    errors = [{"code": code, "message": message}]
    return {"result": None, "success": False, "errors": errors, "messages": []}


def openverse_error(description: str) -> Expected:
    return {"title": "Request data failed validation", "description": description}


def sanity_error(status: int, code: str, message: str) -> Expected:
    return {"statusCode": status, "error": HTTPStatus(status).phrase, "message": message, "code": code}


NO_DOCUMENTS = sanity_error(
    404,
    "dataset_not_found",
    "there is no dataset production; it comes into being with its first document or index",
)
NO_KEY = error("unauthorized", "a valid API key is required")
NO_DATASET = error("dataset_not_found", "dataset not found")
NO_SNAPSHOT = error(
    "snapshot_not_found", "there is no snapshot of that name; the dataset's list shows those there are"
)
INVALID_NAME = error("invalid_name", "name must be 1-64 characters of [a-z0-9_-]")

_STATES = "'pending', 'processing', 'done', 'canceled', 'failed' or 'refused'"
ONE_OF_THE_STATES = {
    "detail": [
        {
            "type": "enum",
            "loc": ["query", "status"],
            "msg": f"Input should be {_STATES}",
            "ctx": {"expected": _STATES},
        }
    ]
}
ONTO_ITSELF = {
    "detail": [
        {
            "type": "reindex_onto_itself",
            "loc": ["body", "dest", "embedding_model_id"],
            "msg": "Should be another model than the source, which is static-128 as well",
        }
    ]
}
NO_COLLECTION = {"detail": "Collection with id=static-128 does not exist", "code": "collection_not_found"}
BAD_FILTER = {
    "detail": [
        {
            "type": "invalid_filter",
            "loc": ["body", "filter", "query", "must", 0, "term", "category"],
            "msg": "filter.query.must[0].term.category: unknown; known here are field, value, force_not_payload",
        }
    ]
}

# For each case its status and what the body holds (a part of it; None: no body).
CASES: dict[tuple[str, str], tuple[int, Expected | list[Any] | None]] = {
    ("api", "healthz"): (200, {"status": "ok", "service": "control_plane"}),
    ("api", "create_dataset"): (201, {"name": "birds", "dimension": 4, "status": "empty", "row_count": 0}),
    ("api", "create_bound_dataset"): (
        201,
        {"name": "guides", "dimension": 128, "metric": "cosine", "embedding_model": "static-128"},
    ),
    ("api", "models"): (200, {}),
    ("api", "set_model_alias"): (
        200,
        {"alias": "text-embedding-ada-002", "embedding_model_id": "static-256"},
    ),
    ("api", "drop_model_alias_unknown"): (
        404,
        error("alias_not_found", "there is no alias 'text-embedding-v2'"),
    ),
    ("api", "create_dataset_bad_name"): (400, INVALID_NAME),
    ("api", "create_dataset_twice"): (409, error("dataset_exists", "dataset products already exists")),
    ("api", "list_datasets"): (200, {}),
    ("api", "get_dataset"): (200, {"name": "products", "row_count": 2, "status": "validating"}),
    ("api", "get_dataset_unknown"): (404, NO_DATASET),
    ("api", "delete_dataset"): (204, None),
    ("api", "upload"): (
        202,
        {
            "accepted": 1,
            "rejected": 1,
            "errors": [{"line": 2, "reason": "dimension mismatch: got 1 expected 4"}],
        },
    ),
    ("api", "upload_gzip"): (202, {"accepted": 1, "rejected": 0, "errors": []}),
    ("api", "upload_gzip_truncated"): (400, error("invalid_encoding", "the gzip body is truncated")),
    ("api", "upload_bomb"): (413, error("payload_too_large", "Request body exceeds 10485760 bytes")),
    ("api", "upload_not_utf8"): (400, error("invalid_ndjson", "body must be UTF-8")),
    ("api", "upload_empty"): (400, error("invalid_ndjson", "Empty NDJSON body")),
    ("api", "delete_vector"): (202, {}),
    ("api", "get_job"): (200, {"dataset": "products", "kind": "upsert", "status": "pending", "rows": 1}),
    ("api", "query_status"): (200, {"ready": False}),
    ("api", "list_keys"): (200, {}),
    ("api", "create_key"): (201, {"name": "reader", "scopes": ["read"], "expires_at": None}),
    ("api", "revoke_key"): (204, None),
    ("api", "usage"): (200, {"vectors_used": 2, "vector_quota": None, "queries_today": 0}),
    ("api", "openapi"): (200, {"openapi": "3.1.0"}),
    ("api", "docs"): (200, {}),
    ("api", "create_export"): (202, {"dataset": "products", "status": "running", "row_count": 0}),
    ("api", "create_export_of_snapshot"): (
        404,
        error(
            "snapshot_not_found",
            "there is no snapshot of that name; the dataset's list shows those there are",
        ),
    ),
    ("api", "get_export"): (200, {"status": "running", "files": [], "manifest": None}),
    ("api", "get_export_unknown"): (404, error("export_not_found", "export not found")),
    ("api", "list_exports"): (200, {}),
    ("api", "compact"): (202, {"dataset": "products", "status": "requested"}),
    ("api", "get_compaction_none"): (
        404,
        error("compaction_not_found", "the dataset was not compacted in the last 30 days"),
    ),
    ("api", "delete_many"): (202, {}),
    ("api", "delete_by_filter"): (202, {}),
    ("api", "delete_by_nothing"): (
        400,
        error("invalid_request", "one of ids, filter, namespace, prefix and all is needed"),
    ),
    ("api", "patch_vector"): (202, {}),
    ("api", "patch_many"): (202, {"accepted": 1, "rejected": 1}),
    ("api", "upload_if_absent"): (202, {"accepted": 1, "rejected": 0}),
    ("api", "create_snapshot"): (201, {"name": "monday", "row_count": 2}),
    ("api", "list_snapshots"): (200, {"snapshots": []}),
    ("api", "get_snapshot_unknown"): (404, NO_SNAPSHOT),
    ("api", "delete_snapshot_unknown"): (404, NO_SNAPSHOT),
    ("api", "restore_unknown"): (404, NO_SNAPSHOT),
    ("api", "clone"): (201, {"name": "copy", "row_count": 2}),
    ("api", "vectorize_create"): (200, {"success": True, "errors": []}),
    ("api", "vectorize_get"): (200, {"success": True}),
    ("api", "vectorize_upsert"): (200, {"success": True, "messages": []}),
    ("api", "vectorize_bad_line"): (
        400,
        vectorize_error(
            40023,
            "failed to parse upsert vectors request in ndjson format: line Some(0) was not expected format",
        ),
    ),
    ("query", "vectorize_query"): (
        200,
        {
            "result": {"count": 1, "matches": [{"id": "doc-1", "score": 0.0, "metadata": ATLAS}]},
            "success": True,
        },
    ),
    ("query", "vectorize_get_by_ids"): (200, {"success": True}),
    ("query", "vectorize_list"): (200, {"success": True}),
    ("api", "no_key"): (401, NO_KEY),
    ("api", "x_auth_key"): (200, {}),
    ("api", "read_only_key"): (403, error("forbidden", "the API key lacks the scope write")),
    ("api", "another_tenants_key"): (404, NO_DATASET),
    ("api", "wrong_method"): (405, {"detail": "Method Not Allowed"}),
    ("api", "unknown_path"): (404, NOT_FOUND),
    ("api", "studio_ping"): (200, {}),
    ("api", "studio_upsertion"): (
        200,
        {
            "id": "product_upsert_20250422",
            "status": "pending",
            "total": 1,
            "embedding_model_id": "static-256",
        },
    ),
    ("api", "studio_upsertion_bad"): (
        422,
        {"detail": [{"type": "missing", "loc": ["body", "items", 1, "object_id"], "msg": "Field required"}]},
    ),
    ("api", "studio_deletion_of_categories"): (200, {"task_id": "gone", "object_ids": ["a", "b"]}),
    ("api", "studio_task_unknown"): (
        404,
        {"detail": "Task with ID `nobody` not found", "code": "task_not_found"},
    ),
    ("api", "studio_tasks_by_status"): (422, ONE_OF_THE_STATES),
    ("api", "studio_create_collection"): (200, {"work_state": "green", "row_count": 0}),
    ("api", "studio_collections"): (200, {"collections": []}),
    ("api", "studio_blue_unknown"): (
        404,
        {"detail": "Collection is not found", "code": "collection_not_found"},
    ),
    ("api", "studio_reindex_onto_itself"): (422, ONTO_ITSELF),
    ("api", "studio_reindex_of_nothing"): (
        404,
        {"detail": "there is no collection of items of static-256", "code": "collection_not_found"},
    ),
    ("api", "studio_read_key"): (
        403,
        {"detail": "the API key lacks the scope admin", "code": "forbidden"},
    ),
    ("api", "studio_no_key"): (401, {"detail": "a valid API key is required", "code": "unauthorized"}),
    ("query", "query"): (200, {"mode": "cold"}),
    ("query", "query_by_text"): (200, {"mode": "ephemeral", "embedding_model": "static-256"}),
    ("query", "text_without_model"): (
        400,
        error(
            "no_embedding_model",
            "dataset products has no embedding model: query it by vector, or create one with "
            "`embedding_model`, which is then asked for the vector of a text",
        ),
    ),
    ("query", "another_models_vector"): (
        400,
        error(
            "dimension_mismatch",
            "dimension mismatch: got 2 expected 256, which is what the dataset's embedding model static-256 "
            "makes",
            details={"expected": 256, "got": 2, "embedding_model": "static-256"},
        ),
    ),
    ("query", "query_by_path"): (200, {"matches": []}),
    ("query", "dimension_mismatch"): (
        400,
        error(
            "dimension_mismatch",
            "dimension mismatch: got 1 expected 4",
            details={"expected": 4, "got": 1},
        ),
    ),
    ("query", "no_dataset"): (404, error("dataset_not_found", "dataset is required")),
    ("query", "no_key"): (401, NO_KEY),
    ("query", "another_tenants_key"): (404, NO_DATASET),
    ("query", "get_vector"): (
        200,
        {"id": "doc-1", "metadata": ATLAS, "embedding": [0.1, 0.2, 0.3, 0.4]},
    ),
    ("query", "get_vector_by_parameter"): (200, {"id": "a/b c", "metadata": ATLAS}),
    ("query", "get_vector_unknown"): (404, error("not_found", "vector not found")),
    ("query", "fetch"): (
        200,
        {
            "vectors": [{"id": "a/b c", "metadata": ATLAS}],
            "missing_ids": ["nobody"],
            "unprocessed_ids": [],
        },
    ),
    ("query", "list"): (200, {"vectors": [{"id": "doc-1", "metadata": ATLAS}], "next_cursor": None}),
    ("query", "list_by_body"): (200, {"next_cursor": None}),
    ("query", "list_bad_cursor"): (
        400,
        error(
            "invalid_cursor",
            "cursor: not one that this dataset has handed out for this filter, prefix and namespace; "
            "start without one",
        ),
    ),
    ("query", "count"): (200, {"count": 2}),
    ("query", "count_by_body"): (200, {"count": 1}),
    ("query", "stats"): (200, {"row_count": 2, "tail_writes": 1, "dead_share": 0.0}),
    ("query", "studio_search_too_early"): (
        404,
        {"detail": "Model is not initialized yet.", "code": "model_not_initialized"},
    ),
    ("query", "studio_count_bad_filter"): (422, BAD_FILTER),
    ("query", "studio_similar_unknown"): (404, NO_COLLECTION),
    ("query", "studio_objects_of_categories_unknown"): (404, NO_COLLECTION),
    ("api", "openverse_reindex"): (
        500,
        {
            "message": "Failed to schedule task due to an internal server error. Check scheduler logs.",
            "detail": "there is no dataset image to take records from; make it with POST /v1/datasets",
        },
    ),
    ("api", "openverse_form"): (400, openverse_error("'index_suffix' is a required property")),
    ("api", "openverse_bad_model"): (
        400,
        openverse_error("'video' is not one of ['audio', 'image', 'model_3d']"),
    ),
    ("api", "openverse_no_key"): (
        401,
        {
            "title": "401 Unauthorized",
            "description": "a valid API key is required",
            "code": "unauthorized",
        },
    ),
    ("api", "openverse_tasks"): (200, []),
    ("api", "openverse_task_unknown"): (
        404,
        {"message": "No task found with id 0123456789abcdef0123456789abcdef."},
    ),
    ("api", "openverse_stat"): (200, {"exists": False, "is_alias": None, "alt_names": None}),
    ("api", "openverse_health"): (200, {"status": "200 OK"}),
    ("api", "derive"): (202, {"dataset": "thrillers", "source": "products", "status": "running"}),
    ("api", "derive_from_nothing"): (404, NO_DATASET),
    ("api", "derivation_unknown"): (404, error("derivation_not_found", "derivation not found")),
    ("api", "sanity_project"): (200, {"project_id": "ab2cdefg"}),
    ("content", "mutate"): (200, {"results": [{"id": "alien", "operation": "create"}]}),
    ("content", "mutate_bad"): (
        400,
        sanity_error(
            400,
            "invalid_mutation",
            "mutations[0].upsert: there is no mutation 'upsert'; use create, createOrReplace, "
            "createIfNotExists, delete, patch",
        ),
    ),
    ("content", "create_index"): (
        200,
        {"status": "ok", "message": "Index created. Documents enqueued for indexing."},
    ),
    ("content", "create_index_bad_filter"): (
        400,
        {
            **sanity_error(400, "invalid_groq", "filter, character 10: sub-queries are not supported: *[0]"),
            "details": {"position": 10, "line": 1, "column": 10, "construct": "sub-queries"},
        },
    ),
    ("content", "list_unknown"): (404, NO_DOCUMENTS),
    ("content", "index_status"): (200, {"enabled": True}),
    ("content", "query_unknown"): (404, NO_DOCUMENTS),
    ("content", "no_key"): (401, sanity_error(401, "unauthorized", "a valid API key is required")),
    ("content", "webhook_unknown"): (
        404,
        sanity_error(
            404,
            "webhook_not_found",
            "there is no such webhook; each index of a dataset shows its webhookId",
        ),
    ),
}


def test_every_sample_event_is_replayed() -> None:
    found = {(path.parent.name, path.stem) for name in HTTP for path in (EVENTS / name).iterdir()}
    assert found == set(CASES)


@pytest.mark.parametrize(("function", "case"), CASES)
def test_replay(world: World, function: str, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, expected = CASES[function, case]
    event = world.event(function, case)
    answer = world.invoke(function, event)
    request_id = event["requestContext"]["requestId"]

    assert answer["statusCode"] == status, answer["body"]
    headers = answer["headers"]
    assert headers["x-request-id"] == request_id
    assert headers["cache-control"] == "no-store"
    assert ("www-authenticate" in headers) == (status == 401)
    assert ("allow" in headers) == (status == 405)
    if expected is None:
        assert answer["body"] == ""
        assert "content-type" not in headers
    elif case == "docs":
        assert headers["content-type"] == "text/html; charset=utf-8"
    else:
        assert headers["content-type"] == "application/json"
        body = json.loads(answer["body"])
        if isinstance(expected, list) or status >= 400:
            assert body == expected
        else:
            assert {name: body[name] for name in expected} == expected
        if "job_id" in body and status == 202:
            assert body["job_id"].startswith(f"job_{world.values['DATASET_ID']}")
            assert world.messages("wakeups") == [
                {"tenant_id": world.values["TENANT_ID"], "dataset_id": world.values["DATASET_ID"]}
            ]

    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert logged[-1]["message"] == "request served"
    assert {line["request_id"] for line in logged} == {request_id}
    assert {line["service"] for line in logged} == {function}
    assert world.values["API_KEY"].split("_", 2)[2] not in json.dumps(logged)


def test_an_answer_of_query_in_full(world: World) -> None:
    body = json.loads(world.replay("query", "query")["body"])
    assert body["matches"][0]["score"] == 0.0
    assert body["matches"][0]["metadata"] == ATLAS
    assert set(body) == {"matches", "latency_ms", "mode"}


def test_a_task_wakes_the_line_that_it_joins(world: World) -> None:
    world.replay("api", "studio_upsertion")
    world.replay("api", "studio_deletion_of_categories")
    messages = world.messages("tasks")
    assert {message["tenant_id"] for message in messages} == {world.values["TENANT_ID"]}
    assert sorted(message["family"] for message in messages) == ["categories", "items"]
