"""What a request meets on the local stack before and around a function, seen by one that tells what it got."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.info import StackInfo
from infra.local.session import LocalSession, session_of
from infra.local.workers import pids_of

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
TOO_LARGE = '{"message":"Request Entity Too Large"}'


@pytest.fixture
def session(probe_stack: StackInfo) -> LocalSession:
    return session_of(probe_stack)


def message_count(session: LocalSession, queue_url: str) -> int:
    attributes: dict[str, Any] = session.client("sqs").get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


def test_the_api_answers_at_the_root_with_the_host_that_was_asked(probe: httpx.Client) -> None:
    event = probe.get("/echo?a=1&a=2", headers={"host": "api.example:1234", "x-a": "b"}).json()
    assert event["rawPath"] == "/echo"
    assert event["headers"]["host"] == event["requestContext"]["domainName"] == "api.example:1234"
    assert event["headers"]["x-a"] == "b"
    assert event["rawQueryString"] == "a=1&a=2"
    assert event["queryStringParameters"] == {"a": "1,2"}
    assert event["requestContext"]["stage"] == "$default"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [("a%2Fb", "a/b"), ("a%20b", "a b"), ("%F0%9F%98%80", "😀"), ("100%2525", "100%"), ("a?b=c", "a")],
)
def test_ids_in_paths_arrive_decoded(probe: httpx.Client, sent: str, seen: str) -> None:
    event = probe.get(f"/things/t/ids/{sent}").json()
    assert event["rawPath"] == f"/things/t/ids/{seen}"
    assert event["pathParameters"] == {"name": "t", "proxy": seen}
    assert event["routeKey"] == "GET /things/{name}/ids/{proxy+}"


def test_a_path_that_the_gateway_cannot_decode_twice_is_its_own_400(probe: httpx.Client) -> None:
    answer = probe.get("/things/t/ids/100%25")
    assert (answer.status_code, answer.json()) == (400, {"message": "Bad Request"})


@pytest.mark.parametrize(
    ("size", "content_type", "status"),
    [
        (10 * MIB + 1, "application/json", 413),
        (10 * MIB, "application/json", 413),
        (6 * MIB, "application/json", 413),
        (5 * MIB, "application/json", 200),
        (5 * MIB, "application/x-ndjson", 413),
        (4 * MIB, "application/x-ndjson", 200),
    ],
)
def test_bodies_over_the_limits_get_the_gateways_own_error(
    probe: httpx.Client, size: int, content_type: str, status: int
) -> None:
    answer = probe.post("/echo", content=b"x" * size, headers={"content-type": content_type})
    assert answer.status_code == status
    assert status == 200 or answer.text == TOO_LARGE


def test_a_compressed_body_arrives_as_it_is(probe: httpx.Client) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert probe.post("/echo", content=b"\x1f\x8b\x08", headers=headers).json()["isBase64Encoded"] is True


@pytest.mark.parametrize("path", ["/answer/6400000", "/raise", "/allocate/400000000"])
def test_a_failed_function_is_the_gateways_own_500(probe: httpx.Client, path: str) -> None:
    answer = probe.get(path)
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})


def test_a_function_may_use_the_memory_that_it_has(probe: httpx.Client) -> None:
    assert probe.get("/allocate/100000000").json() == 100000000


def test_preflights_are_answered_by_the_gateway(probe: httpx.Client) -> None:
    asked = {"access-control-request-method": "POST"}
    answer = probe.options("/echo", headers={**asked, "origin": "https://a.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "https://a.example")
    assert answer.headers["access-control-max-age"] == "60"
    assert probe.options("/echo", headers={**asked, "origin": "https://b.example"}).status_code == 403


def test_a_function_is_refused_what_its_role_does_not_allow(probe: httpx.Client) -> None:
    assert probe.get("/write").json() == "ok"
    assert probe.get("/read").json() == "AccessDenied"


def test_a_function_sees_its_code_its_layers_and_what_lambda_brings(probe: httpx.Client) -> None:
    seen = probe.get("/environment").json()
    assert seen["layer"] == "probe"
    assert not [folder for folder in seen["path"] if "/.venv/" in folder or "/emulator/venv/" in folder]
    assert not [name for name in seen["variables"] if "PROXY" in name.upper()]


def test_a_message_that_nobody_can_handle_ends_in_the_dead_letters(
    probe: httpx.Client, probe_stack: StackInfo, session: LocalSession
) -> None:
    assert probe.get("/send").json() == "ok"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if message_count(session, probe_stack.outputs["DeadLettersQueueUrl"]) == 1:
            return
        time.sleep(0.2)
    pytest.fail("the message did not reach the dead letters")


def test_a_function_that_is_killed_is_started_again(probe: httpx.Client, probe_state: Path) -> None:
    probe.get("/echo")
    before = pids_of("probe", probe_state)
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    while pids_of("probe", probe_state):
        time.sleep(0.01)
    assert probe.get("/echo").status_code == 200
    assert set(pids_of("probe", probe_state)).isdisjoint(before)


def test_what_a_function_prints_is_in_its_log(probe: httpx.Client, probe_state: Path) -> None:
    assert probe.get("/raise").status_code == 500
    time.sleep(0.2)
    assert "a secret" in (probe_state / "logs" / "probe.log").read_text()


def test_nobody_gets_in_without_a_key_to_the_account(probe_stack: StackInfo) -> None:
    target = {"x-amz-target": "DynamoDB_20120810.ListTables", "content-type": "application/x-amz-json-1.0"}
    with httpx.Client(trust_env=False) as client:
        answer = client.post(probe_stack.aws_endpoint_url, headers=target, content=json.dumps({}))
    assert answer.status_code in (400, 403)
