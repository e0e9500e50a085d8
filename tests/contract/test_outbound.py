"""The way out: what is asked arrives, what is answered comes back, and no answer says of which sort it is."""

from collections.abc import Iterator

import pytest

from shoal.errors import InvalidInput, StorageBusy, TooLarge
from shoal.storage.aws_outbound import AwsOutbound
from shoal.storage.model_ports import MAX_ANSWER_BYTES, Answer
from tests.contract.outbound_stores import (
    FUNCTION,
    KEY_PARAMETER,
    MemoryUnderTest,
    OutboundUnderTest,
    client_of,
    lambda_under_test,
)
from tests.contract.stores import Aws

JSON = {"content-type": "application/json"}


@pytest.fixture
def way_out(backend: str, aws: Aws) -> Iterator[OutboundUnderTest]:
    """A way out, and the other end of it."""
    if backend == "memory":
        yield MemoryUnderTest()
        return
    with lambda_under_test() as found:
        yield found


@pytest.mark.parametrize("body", [b"", b'{"input":["\xc3\xa4"]}', b"\xff\x00not text"])
def test_a_request_arrives(way_out: OutboundUnderTest, body: bytes) -> None:
    url = way_out.endpoint(Answer(200, b"{}"))
    way_out.outbound.post(url, body, headers={**JSON, "x-trace": "1"})
    (arrived,) = way_out.arrived()
    assert arrived.body == body
    assert not arrived.has_key
    assert {name.lower(): value for name, value in arrived.headers.items()}.items() >= {
        **JSON,
        "x-trace": "1",
    }.items()


@pytest.mark.parametrize(
    "said",
    [
        Answer(200, b'{"data":["\xc3\xa4"]}', {"content-type": "application/json"}),
        Answer(201, b"\xff\x00not text"),
        Answer(302, b"", {"location": "https://elsewhere.example.com/"}),
        Answer(404, b"no such model"),
        Answer(429, b"", {"retry-after": "7"}),
        Answer(500, b""),
        Answer(200, b"x" * MAX_ANSWER_BYTES),
    ],
    ids=lambda said: f"{said.status}-{len(said.body)}",
)
def test_every_answer_comes_back(way_out: OutboundUnderTest, said: Answer) -> None:
    assert way_out.outbound.post(way_out.endpoint(said), b"{}", headers=JSON) == said


def test_a_key_goes_along(way_out: OutboundUnderTest) -> None:
    url = way_out.endpoint(Answer(200, b"{}"))
    way_out.outbound.post(url, b"{}", headers=JSON, key_parameter=KEY_PARAMETER)
    assert [arrived.has_key for arrived in way_out.arrived()] == [True]


def test_an_answer_that_is_too_large(way_out: OutboundUnderTest) -> None:
    url = way_out.endpoint(Answer(200, b"x" * (MAX_ANSWER_BYTES + 1)))
    with pytest.raises(TooLarge) as found:
        way_out.outbound.post(url, b"{}", headers=JSON)
    assert found.value.code == "answer_too_large"


def test_a_request_that_is_too_large(way_out: OutboundUnderTest) -> None:
    url = way_out.endpoint(Answer(200, b"{}"))
    with pytest.raises(TooLarge) as found:
        way_out.outbound.post(url, b"x" * 6_000_000, headers=JSON)
    assert found.value.code == "request_too_large"
    assert way_out.arrived() == []


def test_no_answer(way_out: OutboundUnderTest) -> None:
    for url in (way_out.silent(), way_out.nobody()):
        with pytest.raises(StorageBusy):
            way_out.outbound.post(url, b"{}", headers=JSON)


def test_an_address_inside(way_out: OutboundUnderTest) -> None:
    with pytest.raises(InvalidInput) as found:
        way_out.outbound.post(way_out.inside(), b"{}", headers=JSON)
    assert found.value.code == "address_not_allowed"


def test_what_is_no_url(way_out: OutboundUnderTest) -> None:
    with pytest.raises(InvalidInput) as found:
        way_out.outbound.post("ftp://example.com", b"{}", headers=JSON)
    assert found.value.code == "invalid_url"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"errorType": "Sandbox.Timedout", "errorMessage": "planted: timed out"}, "Sandbox.Timedout"),
        ({"errorType": "planted: quotes something"}, "without a reason"),
        ({"errorType": 5}, "without a reason"),
        ([], "without a reason"),
    ],
)
def test_a_function_that_fails_is_busy_and_quotes_nothing(aws: Aws, said: object, reason: str) -> None:
    failing = AwsOutbound(client_of(lambda _event: (said, "Unhandled")), FUNCTION)
    with pytest.raises(StorageBusy, match=reason) as found:
        failing.post("https://example.com", b"{}", headers=JSON)
    assert "planted" not in str(found.value)
