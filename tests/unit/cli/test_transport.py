"""Retries: what is tried again, how long to wait, and when to give up."""

from collections.abc import Callable

import httpx
import pytest

from infra.cli.client import ShoalClient
from infra.cli.failures import ApiError, Busy, Denied, Unreachable
from infra.cli.transport import Patience

type Step = httpx.Response | Exception


class Script:
    """Answers in order, and remembers the pauses between them."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.requests = 0
        self.pauses: list[float] = []

    def answer(self, _request: httpx.Request) -> httpx.Response:
        self.requests += 1
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def client(self, **more: int) -> ShoalClient:
        patience = Patience(sleep=self.pauses.append, jitter=lambda: 0.5, **more)
        transport = httpx.MockTransport(self.answer)
        return ShoalClient("https://shoal.test", "shl_x", transport=transport, patience=patience)


def refusal(status: int, code: str = "busy", **headers: str) -> httpx.Response:
    body = {"error": {"code": code, "message": "no", "details": {"limit": 3}}}
    return httpx.Response(status, json=body, headers=headers)


def fine() -> httpx.Response:
    return httpx.Response(200, json={"datasets": []})


@pytest.mark.parametrize(
    "step",
    [
        refusal(429),
        refusal(500),
        refusal(502),
        refusal(503),
        refusal(504),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
    ],
)
def test_what_may_pass_is_tried_again(step: Step) -> None:
    script = Script(step, fine())
    assert script.client().list_datasets() == ()
    assert script.pauses == [pytest.approx(0.15)]


@pytest.mark.parametrize("status", [400, 401, 404, 409, 413])
def test_a_refusal_is_final(status: int) -> None:
    script = Script(refusal(status, "nope"))
    with pytest.raises(ApiError) as caught:
        script.client().list_datasets()
    assert (caught.value.status, caught.value.code, caught.value.details) == (status, "nope", {"limit": 3})
    assert script.requests == 1


def test_the_servers_pause_is_a_floor() -> None:
    script = Script(refusal(429, **{"retry-after": "3"}), fine())
    script.client().list_datasets()
    assert script.pauses == [pytest.approx(3.1)]


def test_pauses_double_up_to_the_longest() -> None:
    script = Script(*[refusal(503)] * 4, fine())
    script.client(first_wait_seconds=4, longest_wait_seconds=9).list_datasets()
    assert script.pauses == [3.0, 6.0, 6.75, 6.75]


def test_a_pause_of_hours_is_told_instead_of_kept() -> None:
    script = Script(refusal(429, **{"retry-after": "7200"}))
    with pytest.raises(Busy) as caught:
        script.client().list_datasets()
    assert caught.value.retry_after == 7200
    assert script.pauses == []


def test_a_used_up_quota_is_not_asked_again() -> None:
    script = Script(refusal(429, "vector_quota_exceeded", **{"retry-after": "1"}))
    with pytest.raises(Busy, match="no"):
        script.client().list_datasets()
    assert script.requests == 1


def test_attempts_are_bounded() -> None:
    script = Script(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(Unreachable, match="refused"):
        script.client(attempts=3).list_datasets()
    assert script.requests == 3


@pytest.mark.parametrize(
    ("step", "requests"), [(httpx.ReadTimeout("slow"), 1), (refusal(500), 1), (httpx.ConnectError("no"), 2)]
)
def test_a_new_key_is_not_made_twice(step: Step, requests: int) -> None:
    body = {"id": "0" * 16, "name": "n", "scopes": ["read"], "key": "shl_y"}
    script = Script(step, httpx.Response(201, json=body))
    call: Callable[[], object] = lambda: script.client().create_key("n", scopes=["read"])  # noqa: E731
    if requests == 1:
        with pytest.raises((ApiError, Unreachable)):
            call()
    else:
        call()
    assert script.requests == requests


def test_the_gateways_own_shapes_are_understood() -> None:
    script = Script(httpx.Response(413, json={"message": "Request Too Long"}))
    with pytest.raises(ApiError, match="Request Too Long") as caught:
        script.client().list_datasets()
    assert caught.value.code == "http_413"
    script = Script(httpx.Response(403, text="<html>"))
    with pytest.raises(Denied, match="HTTP 403"):
        script.client().list_datasets()


def test_the_key_is_sent_as_bearer() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return fine()

    ShoalClient("https://shoal.test/", "shl_k", transport=httpx.MockTransport(answer)).list_datasets()
    assert seen == ["Bearer shl_k"]
