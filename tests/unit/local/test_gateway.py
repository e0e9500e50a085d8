"""The gateway's rules: paths as captured from the real one, events, limits, answers."""

import base64
import json

import pytest

from infra.local.gateway import (
    FAILED,
    LARGEST_ANSWER,
    LARGEST_EVENT,
    BadPath,
    Request,
    decode_path,
    encoded_size,
    is_text,
    is_too_large,
    to_answer,
    to_event,
)


def event_of(request: Request, **changes: object) -> dict[str, object]:
    given = {
        "path": "/v1/x",
        "api_id": "a1",
        "account_id": "0",
        "route_key": "$default",
        "path_parameters": None,
    }
    return to_event(request, **{**given, **changes})  # type: ignore[arg-type]  # a table of cases


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("/plain", "/plain"),
        ("/space%20here", "/space here"),
        ("/plus+stays", "/plus+stays"),
        ("/slash%2Fin", "/slash/in"),
        ("/twice%252Fencoded", "/twice/encoded"),
        ("/percent%2525", "/percent%"),
        ("/hash%23in", "/hash#in"),
        ("/cut%3Fhere", "/cut"),
        ("/twice%253Fencoded", "/twice?encoded"),
        ("/%F0%9F%98%80", "/😀"),
    ],
)
def test_paths_arrive_as_the_real_gateway_delivers_them(sent: str, seen: str) -> None:
    assert decode_path(sent) == seen


@pytest.mark.parametrize("sent", ["/percent%25done", "/100%25", "/broken%zz"])
def test_what_is_no_path_after_the_first_decoding_is_refused(sent: str) -> None:
    with pytest.raises(BadPath):
        decode_path(sent)


@pytest.mark.parametrize(
    ("content_type", "content_encoding", "text"),
    [
        ("application/json", "", True),
        ("Application/JSON; charset=utf-8", "identity", True),
        ("text/plain", "", True),
        ("application/json", "gzip", False),
        ("application/x-ndjson", "", False),
        ("application/octet-stream", "", False),
        ("", "", False),
    ],
)
def test_only_plain_text_types_travel_as_text(content_type: str, content_encoding: str, text: bool) -> None:
    assert is_text(content_type, content_encoding) is text


def test_an_event_holds_what_the_request_was() -> None:
    request = Request(
        method="POST",
        raw_path="/v1/x",
        query="a=1&a=2&b=%2F+c&empty=",
        headers=(
            ("host", "api.example:8080"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("cookie", "s=1; t=2"),
            ("content-type", "application/json"),
        ),
        body='{"id":"ä"}'.encode(),
    )
    event = event_of(request, route_key="POST /v1/{proxy+}", path_parameters={"proxy": "x"})
    headers = event["headers"]
    assert isinstance(headers, dict)
    assert headers.pop("x-amzn-trace-id").startswith("Root=1-")
    assert headers == {
        "host": "api.example:8080",
        "x-a": "1,2",
        "content-type": "application/json",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": "8080",
        "x-forwarded-proto": "http",
    }
    assert event["cookies"] == ["s=1", "t=2"]
    assert event["rawQueryString"] == "a=1&a=2&b=%2F+c&empty="
    assert event["queryStringParameters"] == {"a": "1,2", "b": "/ c", "empty": ""}
    assert event["pathParameters"] == {"proxy": "x"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"id":"ä"}', False)
    context = event["requestContext"]
    assert isinstance(context, dict)
    assert context["domainName"] == "api.example:8080"
    assert context["http"]["method"] == "POST"


def test_what_a_request_does_not_have_its_event_does_not_have() -> None:
    event = event_of(Request("GET", "/v1/x", "", ()))
    assert not {"body", "cookies", "queryStringParameters", "pathParameters"} & event.keys()
    assert event["isBase64Encoded"] is False


def test_a_binary_body_travels_as_base64() -> None:
    event = event_of(Request("POST", "/v1/x", "", (("content-encoding", "gzip"),), b"\x1f\x8b\x00"))
    assert (event["body"], event["isBase64Encoded"]) == (base64.b64encode(b"\x1f\x8b\x00").decode(), True)


@pytest.mark.parametrize(
    ("content_type", "size", "too_large"),
    [
        ("application/json", 6 * 1024 * 1024 - 2048, False),
        ("application/json", 6 * 1024 * 1024, True),
        ("application/octet-stream", 9 * 512 * 1024 - 2048, False),
        ("application/octet-stream", 9 * 512 * 1024, True),
    ],
)
def test_the_size_that_counts_is_the_encoded_event(content_type: str, size: int, too_large: bool) -> None:
    event = event_of(Request("POST", "/v1/x", "", (("content-type", content_type),), b"x" * size))
    assert is_too_large(event, LARGEST_EVENT) is too_large


def test_escaping_counts() -> None:
    body = '"' * (4 * 1024 * 1024)
    assert is_too_large({"body": body}, LARGEST_EVENT)
    assert encoded_size({"body": "ä"}) == len(json.dumps({"body": "ä"}, separators=(",", ":"))) - 4


def test_small_bodies_need_no_measuring_but_none_of_them_could_be_too_large() -> None:
    assert encoded_size({"body": "\x00" * (512 * 1024)}) < LARGEST_EVENT


def test_an_answer_with_a_status() -> None:
    answer = to_answer({"statusCode": 201, "headers": {"X-A": 1}, "cookies": ["s=1"], "body": "made"})
    assert (answer.status, answer.body) == (201, b"made")
    assert dict(answer.headers) == {
        "x-a": "1",
        "content-type": "text/plain;charset=UTF-8",
        "set-cookie": "s=1",
    }


def test_an_answer_in_base64() -> None:
    answer = to_answer(
        {"statusCode": "200", "isBase64Encoded": True, "body": base64.b64encode(b"\xff").decode()}
    )
    assert answer.body == b"\xff"


def test_an_answer_without_a_status_is_a_body() -> None:
    assert to_answer({"a": 1}).body == b'{"a": 1}'
    assert to_answer("plain").body == b"plain"


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "many"},
        {"statusCode": 200, "isBase64Encoded": True, "body": "!"},
        {"statusCode": 200, "body": "x" * LARGEST_ANSWER},
    ],
)
def test_an_answer_that_is_none_or_too_large_is_the_gateways_own_500(result: dict[str, object]) -> None:
    assert to_answer(result) == FAILED
    assert json.loads(FAILED.body) == {"message": "Internal Server Error"}
