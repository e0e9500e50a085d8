"""HTTP with patience: bounded retries of what may pass, typed errors for what will not."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from infra.cli.failures import ApiError, CliError, Unreachable, from_answer

_AGAIN = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to try. `sleep` and `jitter` (a number in [0, 1)) are passed in by tests."""

    attempts: int = 6
    first_wait_seconds: float = 0.2
    longest_wait_seconds: float = 20.0
    """A server that asks for a longer pause than this gets none: the caller is told instead."""
    sleep: Callable[[float], None] = field(default=time.sleep)
    jitter: Callable[[], float] = field(default=random.random)

    def wait_before(self, attempt: int, retry_after: float | None) -> float | None:
        """Seconds to wait before `attempt` (1 is the first retry); None to give up.

        What the server asks for is a floor; the jitter on top keeps clients from coming back in step.
        """
        if attempt >= self.attempts:
            return None
        backoff = min(self.first_wait_seconds * 2.0 ** (attempt - 1), self.longest_wait_seconds)
        if retry_after is None:
            return backoff * (0.5 + 0.5 * self.jitter())
        if retry_after > self.longest_wait_seconds:
            return None
        return retry_after + self.first_wait_seconds * self.jitter()


class Transport:
    """Requests to one API with one key. Closed by `close`."""

    def __init__(
        self,
        api_url: str,
        api_key: str,
        *,
        patience: Patience,
        timeout_seconds: float,
        transport: httpx.BaseTransport | None,
        user_agent: str,
    ) -> None:
        self._patience = patience
        self._url = api_url
        self._http = httpx.Client(
            base_url=api_url,
            headers={"Authorization": f"Bearer {api_key}", "User-Agent": user_agent},
            timeout=httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, 5.0)),
            transport=transport,
            trust_env=not is_loopback(api_url),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> httpx.Response:
        """Send until it is answered for good. `path` is percent-encoded already.

        A request that is not `repeatable` is tried again only where it surely did nothing: when no connection
        came up, or the answer was 429 or 503.

        Raises:
            ApiError: the API refused.
            Unreachable: no answer.
        """
        attempt = 0
        while True:
            attempt += 1
            failure, again, retry_after = self._try(method, path, json, content, headers, params, repeatable)
            if isinstance(failure, httpx.Response):
                return failure
            pause = self._patience.wait_before(attempt, retry_after) if again else None
            if pause is None:
                raise failure
            self._patience.sleep(pause)

    def _try(
        self,
        method: str,
        path: str,
        json: Any,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
        repeatable: bool,
    ) -> tuple[httpx.Response | CliError, bool, float | None]:
        """One attempt: the answer or the error, whether to try again, and the pause that the server asks for."""
        try:
            answer = self._http.request(
                method, path, json=json, content=content, headers=headers, params=params
            )
        except httpx.TransportError as error:
            connected = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            what = str(error) or type(error).__name__
            hint = "is the stack up? `shoal local up` starts the local one, `shoal doctor` looks at a deployed one"
            return (
                Unreachable(f"no answer from {self._url}: {what}", hint=hint),
                repeatable or not connected,
                None,
            )
        if answer.is_success:
            return answer, False, None
        refusal = from_answer(answer.status_code, _body(answer), _seconds(answer))
        return refusal, _worth_another_try(refusal, repeatable), refusal.retry_after


def _worth_another_try(refusal: ApiError, repeatable: bool) -> bool:
    """A quota stays used up however often one asks."""
    if refusal.code.endswith("quota_exceeded"):
        return False
    return refusal.status in (_AGAIN if repeatable else {429, 503})


def _body(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None


def _seconds(answer: httpx.Response) -> float | None:
    """`Retry-After` in seconds; a date form is left alone, nothing of ours sends it."""
    try:
        return max(0.0, float(answer.headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def is_loopback(url: str) -> bool:
    """A proxy from the environment must not stand between us and this very machine."""
    return httpx.URL(url).host in {"127.0.0.1", "localhost", "::1"}
