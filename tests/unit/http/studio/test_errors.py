"""What this dialect answers to whatever is raised, and what its logs never hold."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from shoal import errors, observability
from shoal.http.app import App
from shoal.http.context import Context, Deps
from shoal.http.response import Response
from shoal.http.router import Route, Router
from shoal.http.studio.errors import fault, invalid, studio_error
from tests.unit.http.api import Api, event
from tests.unit.http.studio.pump import Pump


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as the functions log it."""
    logger = logging.getLogger(observability.PACKAGE)
    before = (list(logger.handlers), logger.level, logger.propagate)
    stream = io.StringIO()
    observability.configure("test", "DEBUG", stream=stream)
    yield stream
    logger.handlers, logger.level, logger.propagate = before


def answer_to(error: Exception) -> dict[str, Any]:
    def handler(_: Context) -> Response:
        raise error

    route = Route("GET", "/x", handler, None, "Raise", "test", answers={}, answer_error=studio_error)
    return App(Router([route]), Deps(Api().ports)).handle(event("GET", "/x", request_id="r-7"))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.Unauthenticated("unauthorized", "m"), 401, "unauthorized"),
        (errors.Unauthenticated("forbidden", "m"), 403, "forbidden"),
        (errors.NotFound("c", "m"), 404, "c"),
        (errors.Conflict("c", "m"), 409, "c"),
        (errors.TooLarge("c", "m"), 413, "c"),
        (errors.LimitReached("c", "m", retry_after=3), 429, "c"),
        (errors.TryAgain("m", retry_after=2), 503, "try_again"),
        (errors.StorageBusy("planted"), 503, "try_again"),
        (errors.CorruptObject("t/x/y is corrupt"), 503, "corrupt_object"),
        (errors.ModelBusy("bedrock:x", "throttled"), 503, "model_busy"),
        (errors.ModelDenied("bedrock:x", "no access to it"), 503, "model_failed"),
        (errors.ModelFailed("bedrock:x", "answers nothing"), 503, "model_failed"),
        (errors.ConditionFailed("planted"), 500, "internal"),
        (RuntimeError("planted"), 500, "internal"),
    ],
)
def test_errors_as_answers(error: Exception, status: int, code: str) -> None:
    answer = answer_to(error)
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["code"], set(body)) == (status, code, {"detail", "code"})
    assert isinstance(body["detail"], str)
    assert "planted" not in answer["body"]
    # What is damaged, or denied, does not mend with time.
    passes = code in {"c", "try_again", "model_busy"} and status in {429, 503}
    assert ("retry-after" in answer["headers"]) == passes
    assert ("www-authenticate" in answer["headers"]) == (status == 401)
    if status == 500:
        assert "r-7" in body["detail"]
    if isinstance(error, errors.ModelError):
        assert body["detail"] == f"bedrock:x: {error.reason}"


def test_what_is_wrong_with_a_request_is_a_list() -> None:
    answer = answer_to(errors.InvalidInput("c", "said by a service"))
    assert answer["statusCode"] == 422
    assert json.loads(answer["body"]) == {
        "detail": [{"type": "c", "loc": ["body"], "msg": "said by a service"}]
    }
    answer = answer_to(invalid([fault("a", ["query", "x"], "one"), fault("b", ["body", 3], "two")]))
    assert [each["msg"] for each in json.loads(answer["body"])["detail"]] == ["one", "two"]


def test_logs_hold_no_key_and_no_document(api: Api, lines: io.StringIO) -> None:
    planted = "the planted document"
    item = {"object_id": "a", "payload": {"text": planted}, "item_info": {"of": planted}}
    base = "/api/v1/embeddings"
    api.call("POST", f"{base}/upsertion-tasks/run", {"items": [item, {"object_id": planted + "\n"}]})
    api.call("POST", f"{base}/upsertion-tasks/run", '{"items": [' + planted)
    run = api.call(
        "POST", f"{base}/upsertion-tasks/run", {"task_id": "mine", "items": [item, {"object_id": "b"}]}
    )
    assert run.status == 200
    Pump(api).run()
    assert api.call("GET", f"{base}/upsertion-tasks/mine").json["failed"] == 1
    api.call("POST", f"{base}/similarity-search", {"search_query": planted, "limit": 3})
    reindex = {"source": {"embedding_model_id": "static-256"}, "dest": {"embedding_model_id": "static-128"}}
    api.call("POST", "/api/v1/internal/reindex-tasks/run", reindex)
    Pump(api).run()
    api.call("GET", f"{base}/upsertion-tasks/list", key=api.key + "x")
    logged = lines.getvalue()
    assert len(logged.splitlines()) > 10
    for secret in (planted, api.key.split("_", 2)[2]):
        assert secret not in logged
