"""What goes through Lambda to the function that sends, and back."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InvalidInput, ShoalError, StorageBusy, StorageError, TooLarge
from shoal.storage.model_ports import MAX_ANSWER_BYTES, Answer
from shoal.storage.outbound_messages import (
    MAX_PAYLOAD,
    Request,
    answer_event,
    error_event,
    read_answer,
    read_request,
    request_payload,
)

LAMBDA_BYTES = 6 * 1024 * 1024
BODIES = st.binary() | st.text().map(str.encode) | st.sampled_from([b"\x00" * 99, b"\xff", '"\\ü'.encode()])
HEADERS = st.dictionaries(st.text(), st.text(), max_size=3)


@given(st.builds(Request, st.text(), BODIES, HEADERS, st.none() | st.text()))
def test_a_request_arrives_as_it_was(request: Request) -> None:
    assert read_request(json.loads(request_payload(request))) == request


@given(st.builds(Answer, st.integers(100, 999), BODIES, HEADERS))
def test_an_answer_arrives_as_it_was(answer: Answer) -> None:
    assert read_answer(json.dumps(answer_event(answer)).encode()) == answer


@pytest.mark.parametrize("byte", [b"x", b"\x00", b'"', b"\xff", "ü".encode(), "\U0001f600".encode()])
def test_the_largest_answer_goes_through_lambda(byte: bytes) -> None:
    body = (byte * MAX_ANSWER_BYTES)[:MAX_ANSWER_BYTES]
    # As the Python runtime of Lambda writes it.
    assert len(json.dumps(answer_event(Answer(200, body, {})))) < LAMBDA_BYTES / 2


def test_a_request_that_does_not_go_through() -> None:
    fits = Request("https://example.com", b"x" * (MAX_PAYLOAD - 100), {})
    assert len(request_payload(fits)) <= MAX_PAYLOAD
    with pytest.raises(TooLarge) as found:
        request_payload(Request("https://example.com", b"x" * MAX_PAYLOAD, {}))
    assert found.value.code == "request_too_large"


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"url": None},
        {"url": 1},
        {"url": "x", "headers": []},
        {"url": "x", "headers": {"a": 1}},
        {"url": "x", "key_parameter": 1},
        {"url": "x", "body": 1},
        {"url": "x", "body": None},
        {"url": "x", "body": "x", "base64": "yes"},
        {"url": "x", "body": "planted!", "base64": True},
    ],
)
def test_what_is_no_request(event: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError) as found:
        read_request(event)
    assert "planted" not in str(found.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidInput("address_not_allowed", "why"), InvalidInput),
        (InvalidInput("invalid_url", "why"), InvalidInput),
        (InvalidInput("key_not_found", "why"), InvalidInput),
        (TooLarge("answer_too_large", "why"), TooLarge),
        (StorageBusy("why"), StorageBusy),
        (ValueError("why"), ValueError),
    ],
)
def test_an_error_arrives_as_it_was(
    error: InvalidInput | TooLarge | StorageBusy | ValueError, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match="why") as found:
        read_answer(json.dumps(error_event(error)).encode())
    assert type(found.value) is kind
    assert getattr(found.value, "code", None) == getattr(error, "code", None)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b'"error"',
        b"{}",
        b'{"status": 200}',
        b'{"error": "x"}',
        b'{"status": "x", "headers": {}}',
        b"{",
    ],
)
def test_what_is_no_answer(said: bytes) -> None:
    with pytest.raises(ShoalError) as found:
        read_answer(said)
    assert type(found.value) is StorageError
