"""Asking a provider for the vectors of many texts: in batches, side by side, again where it was busy.

A provider answers one call for one batch (`Call`). What happens around it is the same for all of them:

- `ModelBusy`: the same batch again after a pause, for as long as `Patience` says;
- `TextsRefused`: the batch is sent again in halves, until the bad texts are alone: they cost their neighbours
  nothing. A text that is refused alone has failed, unless the model refuses even `PROBE`: then it is the model;
- any other `ModelError` ends everything: what has not been asked yet is not asked any more.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from shoal.embedding.answers import checked, why_not
from shoal.embedding.text_models import Embedded, Purpose
from shoal.errors import ModelBusy, ModelFailed
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.records import Vectors

type Call = Callable[[Sequence[str]], Embedded]
"""One call of the provider, with as many texts as a batch holds. It raises `TextsRefused` where the provider does
not take what is in them, and the other errors of a model as they are; it never tries again by itself.
"""

PROBE = "hello"
"""A text that no model has anything against."""
BATCH_BYTES = 1_000_000
"""UTF-8 bytes of the texts of one call; a text that has more goes alone."""


class TextsRefused(ModelFailed):
    """The provider refuses a call for what is in its texts: others, or some of them, may be fine."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a busy model is asked again: `attempts` times, with full jitter below a ceiling that doubles from
    `first_seconds` to `longest_seconds`, and not any more once `seconds` have passed since the first try.

    Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
    """

    attempts: int
    first_seconds: float
    longest_seconds: float
    seconds: float

    def ceiling(self, attempt: int) -> float:
        """The longest pause after a failed attempt, counted from 0."""
        return min(self.longest_seconds, self.first_seconds * 2.0**attempt)


PATIENCE: dict[Purpose, Patience] = {
    # Whoever waits for these is a task or a workflow, which itself comes back later.
    "document": Patience(attempts=7, first_seconds=0.25, longest_seconds=8.0, seconds=60.0),
    # The API answers within 29 s, and one last try may take 10 s.
    "query": Patience(attempts=4, first_seconds=0.1, longest_seconds=1.0, seconds=9.0),
}


class Caller:
    """Asks one model. Several threads may use it: together they never have more than `spec.concurrency` calls
    under way.
    """

    def __init__(
        self,
        spec: EmbeddingModel,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self.spec = spec
        self._pause = pause
        self._clock = clock
        self._batch_bytes = batch_bytes
        self._slots = threading.BoundedSemaphore(spec.concurrency)

    def embed_all(self, call: Call, texts: Sequence[str], *, purpose: Purpose) -> Embedded:
        """What becomes of any number of texts, in their order. Empty texts are not sent: they fail here.

        Raises:
            ModelBusy: a batch was not answered for as long as patience lasts.
            ModelDenied, ModelFailed: as `call` raised it, or the model refuses whatever it is sent.
        """
        run = _Run(self, call, texts, PATIENCE[purpose])
        batches = list(self._batches(texts, run.wanted))
        threads = min(self.spec.concurrency, len(batches))
        if threads < 2:
            for places in batches:
                run.ask(places)
            return run.outcome()
        with ThreadPoolExecutor(max_workers=threads) as pool:
            asked = [pool.submit(run.ask, places) for places in batches]
            if wait(asked, return_when=FIRST_EXCEPTION).not_done:
                pool.shutdown(wait=False, cancel_futures=True)
        return run.outcome()

    def once(
        self, call: Call, texts: Sequence[str], patience: Patience, stopped: threading.Event
    ) -> Embedded:
        """The answer to one batch, asked for again while the model is busy and nobody has stopped it.

        Raises:
            ModelError: as `call` raised it, or an answer that is not `n` vectors of the model's dimension.
        """
        began = self._clock()
        attempt = 0
        while True:
            try:
                with self._slots:
                    answer = call(texts)
            except ModelBusy:
                attempt += 1
                if attempt >= patience.attempts or self._clock() - began >= patience.seconds:
                    raise
                self._pause(random.uniform(0, patience.ceiling(attempt - 1)))  # noqa: S311 - spreads load
                if stopped.is_set():
                    raise
            else:
                return checked(self.spec, answer, len(texts))

    def _batches(self, texts: Sequence[str], wanted: Sequence[int]) -> Iterator[list[int]]:
        """The wanted places of texts, in order, in lists that go into one call each."""
        places: list[int] = []
        size = 0
        for place in wanted:
            more = len(texts[place].encode())
            if places and (len(places) == self.spec.batch_size or size + more > self._batch_bytes):
                yield places
                places, size = [], 0
            places.append(place)
            size += more
        if places:
            yield places


class _Run:
    """What has become of the texts of one request so far; several threads fill it in."""

    def __init__(self, caller: Caller, call: Call, texts: Sequence[str], patience: Patience) -> None:
        self._caller = caller
        self._call = call
        self._texts = texts
        self._patience = patience
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._probing = threading.Lock()
        self._probed = False
        self._vectors: Vectors = np.zeros((len(texts), caller.spec.dimension), dtype=np.float32)
        self._tokens = 0
        self._failed = {place: reason for place, text in enumerate(texts) if (reason := why_not(text))}
        self._truncated: set[int] = set()

    @property
    def wanted(self) -> list[int]:
        """The places that have not failed."""
        return [place for place in range(len(self._texts)) if place not in self._failed]

    def ask(self, places: list[int]) -> None:
        """Have a batch answered, unless another one has met an error that ends everything.

        Raises:
            ModelError: it has met one itself.
        """
        if self._stopped.is_set():
            return
        try:
            self._ask(places)
        except BaseException as error:
            with self._lock:
                self._error = self._error or error
            self._stopped.set()
            raise

    def _ask(self, places: list[int]) -> None:
        """In halves where it is refused."""
        try:
            answer = self._caller.once(
                self._call, [self._texts[place] for place in places], self._patience, self._stopped
            )
        except TextsRefused as refused:
            if len(places) > 1:
                half = len(places) // 2
                self._ask(places[:half])
                self._ask(places[half:])
                return
            self._check_model(refused)
            with self._lock:
                self._failed[places[0]] = refused.reason
            return
        with self._lock:
            self._vectors[places] = answer.vectors
            self._tokens += answer.tokens
            self._failed.update({places[at]: reason for at, reason in answer.failed.items()})
            self._truncated.update(places[at] for at in answer.truncated)

    def outcome(self) -> Embedded:
        """All of it, when everything was asked.

        Raises:
            ModelError: the first that ended it.
        """
        if self._error is not None:
            raise self._error
        return Embedded(
            self._vectors, self._tokens, dict(sorted(self._failed.items())), frozenset(self._truncated)
        )

    def _check_model(self, refused: TextsRefused) -> None:
        """Once in a run: whether the model takes any text at all.

        Raises:
            ModelFailed: it does not; with the words in which it refused ours.
        """
        with self._probing:
            if self._probed:
                return
            try:
                answer = self._caller.once(self._call, [PROBE], self._patience, self._stopped)
            except TextsRefused as again:
                raise ModelFailed(again.model_id, again.reason) from refused
            self._probed = True
        with self._lock:
            self._tokens += answer.tokens
