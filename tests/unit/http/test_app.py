"""What holds for every call: routes, methods, errors, request ids, rates, and what logs never hold."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from shoal import errors, observability
from shoal.http.app import App
from shoal.http.context import Context, Deps, Limits
from shoal.http.errors import OF_MODEL, STATUS
from shoal.http.response import Response
from shoal.http.router import Match, NoMatch, Route, Router
from shoal.http.routes import ROUTES, service_router
from shoal.model.tenants import RateLimit, Scope
from tests.unit.http.api import Api, event


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as the functions log it."""
    logger = logging.getLogger(observability.PACKAGE)
    before = (list(logger.handlers), logger.level, logger.propagate)
    stream = io.StringIO()
    observability.configure("test", "DEBUG", stream=stream)
    yield stream
    logger.handlers, logger.level, logger.propagate = before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1"),
        ("GET", "/v1/datasets/"),
        ("GET", "/v1/nothing"),
        ("POST", "/auth/signup"),
        ("POST", "/auth/login"),
        ("GET", "/auth/me"),
        ("GET", "/healthz/"),
        ("OPTIONS", "/nothing"),
        ("GET", "/docs/../settings.py"),
    ],
)
def test_unknown_routes(api: Api, method: str, path: str) -> None:
    for key in ("", None):
        answer = api.call(method, path, key=key)
        assert (answer.status, answer.json) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/datasets", "GET, HEAD, POST"),
        ("GET", "/v1/query", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/v1/datasets/products/vectors", "GET, HEAD, POST"),
        ("PUT", "/v1/datasets/products/vectors/a/b", "DELETE, GET, HEAD, PATCH"),
        ("PUT", "/v1/datasets/products/vectors/fetch", "DELETE, GET, HEAD, PATCH, POST"),
    ],
)
def test_wrong_methods(api: Api, method: str, path: str, allow: str) -> None:
    answer = api.call(method, path, key=None)
    assert (answer.status, answer.json) == (405, {"detail": "Method Not Allowed"})
    assert answer.headers["allow"] == allow
    options = api.call("OPTIONS", path, key=None)
    assert (options.status, options.text, options.headers["allow"]) == (204, "", allow)


def test_head_is_get_without_the_body(api: Api) -> None:
    api.dataset()
    for path in ("/healthz", "/v1/datasets/products"):
        shown = api.call("GET", path)
        head = api.call("HEAD", path)
        assert (head.status, head.text) == (200, "")
        assert head.headers["content-length"] == str(len(shown.text.encode()))
        assert head.headers["content-type"] == "application/json"


def test_healthz_needs_no_key(api: Api) -> None:
    answer = api.call("GET", "/healthz", key=None)
    assert (answer.status, answer.json) == (200, {"status": "ok", "service": "control_plane"})


def test_a_stage_is_no_part_of_the_path(api: Api) -> None:
    assert api.send(event("GET", "/prod/healthz", stage="prod")).status == 200
    assert api.send(event("GET", "/healthz", stage="prod")).status == 200
    assert api.send(event("GET", "/prod/healthz")).status == 404


def test_each_function_serves_its_own_routes() -> None:
    for serves in ("api", "query"):
        app = App(service_router(), Deps(Api().ports), serves=serves)
        for route in ROUTES:
            if not route.listed:
                continue  # some only answer that a path, or a method of it, is unknown
            path = route.template.replace("{", "").replace("+}", "").replace("}", "")
            status = app.handle(event(route.method, path))["statusCode"]
            assert (status == 405) == (route.function != serves), f"{route.method} {path}"


def test_every_answer_has_the_request_id_and_so_do_the_log_lines(api: Api, lines: io.StringIO) -> None:
    for path, status in (("/healthz", 200), ("/no", 404), ("/v1/datasets", 401), ("/v1/query", 405)):
        answer = api.send(event("GET", path, request_id=f"id-{status}"))
        assert (answer.status, answer.headers["x-request-id"]) == (status, f"id-{status}")
        logged = [json.loads(line) for line in lines.getvalue().splitlines()]
        assert logged[-1]["request_id"] == f"id-{status}"
        assert (logged[-1]["message"], logged[-1]["status"]) == ("request served", status)


class Raises:
    """A deployment whose only route raises."""

    def __init__(self, error: Exception) -> None:
        def handler(_: Context) -> Response:
            raise error

        route = Route("GET", "/x", handler, None, "Raise", "test", answers={})
        self.app = App(Router([route]), Deps(Api().ports))

    def call(self) -> dict[str, Any]:
        return self.app.handle(event("GET", "/x", request_id="r-7"))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidInput("c", "m"), 400, "c"),
        (errors.Unauthenticated("unauthorized", "m"), 401, "unauthorized"),
        (errors.Unauthenticated("forbidden", "m"), 403, "forbidden"),
        (errors.NotFound("c", "m"), 404, "c"),
        (errors.Conflict("c", "m"), 409, "c"),
        (errors.TooLarge("c", "m"), 413, "c"),
        (errors.LimitReached("c", "m", retry_after=3), 429, "c"),
        (errors.TryAgain("m", retry_after=2), 503, "try_again"),
        (errors.StorageBusy("planted"), 503, "try_again"),
        (errors.CorruptObject("t/x/y is corrupt"), 503, "corrupt_object"),
        (errors.ConditionFailed("planted"), 500, "internal"),
        (RuntimeError("planted"), 500, "internal"),
        (KeyError("planted"), 500, "internal"),
    ],
)
def test_errors_as_answers(error: Exception, status: int, code: str) -> None:
    answer = Raises(error).call()
    body = json.loads(answer["body"])["error"]
    assert (answer["statusCode"], body["code"]) == (status, code)
    assert "planted" not in answer["body"]
    # What is damaged does not mend with time.
    assert ("retry-after" in answer["headers"]) == (status in {429, 503} and code != "corrupt_object")
    if status == 500:
        assert body["request_id"] == "r-7"
    if code == "corrupt_object":
        assert "t/x/y" in body["message"]


@pytest.mark.parametrize(("count", "status"), [(2_620_000, 200), (2_622_000, 400)])
def test_an_answer_that_lambda_could_not_hand_over_is_refused(count: int, status: int) -> None:
    quotes = Response(200, b'"' * count)  # each is two bytes inside the gateway's envelope
    route = Route("GET", "/x", lambda _: quotes, None, "Much", "test", answers={})
    answer = App(Router([route]), Deps(Api().ports)).handle(event("GET", "/x"))
    assert answer["statusCode"] == status
    assert ("response_too_large" in answer["body"]) == (status == 400)


def test_every_kind_of_request_error_has_a_status() -> None:
    assert set(STATUS) == set(errors.RequestError.__subclasses__())
    assert set(OF_MODEL) == set(errors.ModelError.__subclasses__())


def test_what_nobody_expected_is_logged_with_its_stack_but_not_its_message(lines: io.StringIO) -> None:
    error = RuntimeError("planted")
    error.__cause__ = ValueError("planted cause")
    Raises(error).call()
    logged = json.loads(lines.getvalue().splitlines()[0])
    assert (logged["message"], logged["level"]) == ("request failed", "ERROR")
    assert logged["error_type"] == "builtins.RuntimeError"
    assert logged["cause"]["error_type"] == "builtins.ValueError"
    assert any("in_app" in frame or "app.py" in frame for frame in logged["stack"])
    assert "planted" not in lines.getvalue()


def test_a_broken_event_is_answered(api: Api) -> None:
    answer = api.send({"requestContext": {"requestId": "r"}})
    assert (answer.status, answer.code) == (500, "internal")


@pytest.mark.parametrize("query", ["a=%ff", "&".join("a=1" for _ in range(101))])
def test_query_strings_that_are_none(api: Api, query: str) -> None:
    answer = api.send(event("GET", "/v1/datasets") | {"rawQueryString": query})
    assert (answer.status, answer.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("text", "status"), [("true", 200), ("TRUE", 200), ("0", 200), ("", 200), ("maybe", 400)]
)
def test_flags(api: Api, text: str, status: int) -> None:
    api.dataset()
    api.indexed({"id": "a", "values": [1, 2, 3, 4]})
    answer = api.call("GET", "/v1/datasets/products/vectors/a", query={"include_values": text})
    assert answer.status == status


def test_logs_hold_no_key_vector_or_document(api: Api, lines: io.StringIO) -> None:
    vector = [0.123456789, 0.987654321, 0.5, 0.25]
    document = "the planted document"
    secret = api.key.split("_", 2)[2]
    api.dataset()
    api.indexed({"id": "a", "values": vector, "metadata": {"text": document}})
    api.upload({"id": document, "values": "0.123456789"}, "{" + document)
    ask = {"dataset": "products", "vector": vector}
    for body in (ask, {**ask, "filter": {"text": document}}, {**ask, "filter": {document: {"$no": 1}}}):
        api.call("POST", "/v1/query", body)
    api.call("POST", "/v1/query", {**ask, "vector": [*vector, document]})
    api.call("GET", "/v1/datasets", key=api.key + "x")
    api.call("GET", "/v1/datasets/products/vectors/a", query={"include_values": "true"})
    api.call("POST", "/v1/keys", {"name": "n", "expires_at": document})
    made = api.call("POST", "/v1/keys", {"name": "n"}).json["key"]
    api.call("GET", "/v1/datasets", key=made)
    logged = lines.getvalue()
    assert len(logged.splitlines()) > 10
    for planted in (secret, made.split("_", 2)[2], "0.123456", "0.98765", document):
        assert planted not in logged


def test_rate_limit() -> None:
    api = Api(Limits(rate=RateLimit(50, 3)))
    answers = [api.call("GET", "/v1/datasets") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[3].code == "rate_limited"
    assert answers[3].json["error"]["details"] == {"limit_rps": 50, "burst": 3}
    assert answers[3].headers["retry-after"] == "1"
    assert api.call("GET", "/v1/datasets", key=api.new_key(Scope.READ)).status == 200
    for exempt in ("/v1/keys", "/auth/keys", "/v1/usage", "/auth/usage", "/healthz"):
        assert api.call("GET", exempt).status == 200
    api.clock.now += 0.02
    assert [api.call("GET", "/v1/datasets").status for _ in range(2)] == [200, 429]


def test_greedy_parameters_and_the_order_of_routes() -> None:
    router = service_router()
    found = router.find("GET", "/v1/datasets/n/vectors/a/b//c\n")
    assert isinstance(found, Match)
    assert found.parameters == {"name": "n", "id": "a/b//c\n"}
    fetch = router.find("POST", "/v1/datasets/n/vectors/fetch")
    assert isinstance(fetch, Match)
    assert fetch.route.template.endswith("/fetch")
    assert isinstance(router.find("GET", "/v1/datasets/n/vectors/"), NoMatch)
    assert isinstance(router.find("GET", "/v1/datasets/a/b"), NoMatch)
