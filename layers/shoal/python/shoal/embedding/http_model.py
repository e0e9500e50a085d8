"""An embedding model behind an endpoint of the operator's: what OpenAI's `/v1/embeddings` is asked and answers.

vLLM, Text Embeddings Inference, Ollama and most gateways speak it too, but each has statuses of its own for the
same thing; `_refusal` has what they mean. Their messages may quote texts, so only their code words are passed on.

Sources: platform.openai.com/docs/api-reference/embeddings and /docs/guides/error-codes;
huggingface/text-embeddings-inference, router/src/http/server.rs (413 too long, 422 tokenizer, 424 backend, 429
overloaded, 503 unhealthy); vllm-project/vllm (400 too long, 401, 404 no such model); ollama/ollama (400, 404).
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson

from shoal.embedding.answers import read_vectors
from shoal.embedding.calling import Caller, TextsRefused
from shoal.embedding.estimates import estimate_each, estimate_tokens
from shoal.embedding.text_models import Embedded, Purpose, TextModel
from shoal.errors import InvalidInput, ModelBusy, ModelDenied, ModelError, ModelFailed, StorageBusy, TooLarge
from shoal.model.embedding_models import EmbeddingModel, Endpoint
from shoal.storage.model_ports import Answer, Outbound

ANSWER_BYTES = 1_000_000
"""Of one answer; the way out reads 1 MiB."""
VALUE_BYTES = 24
"""JSON of one value of a vector, at its longest: `-0.012345679104328156` and a comma (vLLM writes float32 as
doubles), or a short number on an indented line of its own (OpenAI). Text Embeddings Inference needs half of it."""
ITEM_BYTES = 100
"""JSON around one vector."""
_TRIES = 4
_CUT = 0.7
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{1,63}")


class HttpTextModel(TextModel):
    """A model of provider `http`. It counts tokens exactly only of what it has read."""

    def __init__(
        self, spec: EmbeddingModel, outbound: Outbound, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Say where it is.

        Args:
            spec: with an endpoint. Batches may be smaller than it says, so that their answers can be read.
            outbound: the way there.
            pause: lets the seconds between two tries pass.
        """
        if spec.endpoint is None:
            raise ValueError(f"{spec.model_id} has no endpoint")
        self._spec = spec
        self._endpoint = spec.endpoint
        self._outbound = outbound
        batch_size = min(spec.batch_size, largest_batch(spec.dimension))
        self._caller = Caller(replace(spec, batch_size=batch_size), pause=pause)

    @property
    def spec(self) -> EmbeddingModel:
        """What it is."""
        return self._spec

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Embedded:
        """As `TextModel.embed`; the purpose makes no difference. Texts over the model's length are cut."""
        return self._caller.embed_all(self._ask, texts, purpose=purpose)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """An estimate for each text."""
        return estimate_each(texts)

    def _ask(self, texts: Sequence[str]) -> Embedded:
        """One batch. A text that is refused alone is cut shorter, and again, where its length may be why."""
        sent = [beginning(text, self._spec.max_tokens) for text in texts]
        for _ in range(_TRIES - 1):
            try:
                return self._once(sent, texts)
            except TextsRefused:
                if len(sent) > 1 or estimate_tokens(sent[0]) <= self._spec.max_tokens // 2:
                    raise
                sent = [sent[0][: int(len(sent[0]) * _CUT)]]
        return self._once(sent, texts)

    def _once(self, sent: Sequence[str], texts: Sequence[str]) -> Embedded:
        asked = {"model": self._endpoint.model, "input": list(sent), "encoding_format": "float"}
        answer = self._post(orjson.dumps(asked))
        if answer.status != HTTPStatus.OK:
            raise _refusal(self._spec, self._endpoint, answer)
        found = self._parsed(answer)
        cut = (place for place, text in enumerate(sent) if len(text) < len(texts[place]))
        return Embedded(
            read_vectors(self._spec, self._rows(found, len(sent)), len(sent)),
            tokens=_tokens(found, sent),
            truncated=frozenset(cut),
        )

    def _post(self, body: bytes) -> Answer:
        name = self._spec.model_id
        try:
            return self._outbound.post(
                self._endpoint.url,
                body,
                headers={"content-type": "application/json", "accept": "application/json"},
                key_parameter=self._endpoint.key_parameter,
            )
        except StorageBusy as error:
            raise ModelBusy(name, f"{error}; where it is slow, a smaller batch_size helps") from error
        except TooLarge as error:  # fewer texts make it smaller
            raise TextsRefused(name, error.message) from error
        except InvalidInput as error:
            raise ModelDenied(
                name, f"its endpoint cannot be asked ({error.code}): {error.message}"
            ) from error

    def _parsed(self, answer: Answer) -> Mapping[str, Any]:
        try:
            found = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            packed = answer.headers.get("content-encoding", "identity") != "identity"
            reason = ", but something compressed, which nobody asked for" if packed else ""
            raise ModelFailed(self._spec.model_id, f"its endpoint answered no JSON object{reason}")
        return found

    def _rows(self, found: Mapping[str, Any], count: int) -> list[Any]:
        """The vectors in the order of the texts: servers may answer in another, and then say which is which."""
        data = found.get("data")
        if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
            raise ModelFailed(
                self._spec.model_id, 'its endpoint answered no "data": it has to end in /v1/embeddings, or so'
            )
        places = [item.get("index", place) for place, item in enumerate(data)]
        if sorted(map(_number, places)) != list(range(count)):
            raise ModelFailed(
                self._spec.model_id, f"answered {len(data)} vectors to {count} texts, or others"
            )
        rows = [item.get("embedding") for _, item in sorted(zip(places, data, strict=True), key=_place)]
        for row in rows:
            # numpy takes "0.2" and true for numbers. A null is a number that JSON does not know: NaN.
            if not isinstance(row, list) or not set(map(type, row)) <= {int, float, type(None)}:
                raise ModelFailed(self._spec.model_id, "answered vectors that are not lists of numbers")
        return rows


def largest_batch(dimension: int) -> int:
    """How many texts one call may have, so that the vectors answered are at most 1 MB of JSON."""
    return max(1, ANSWER_BYTES // (dimension * VALUE_BYTES + ITEM_BYTES))


def beginning(text: str, tokens: int) -> str:
    """The longest beginning of a text that has, as far as can be estimated, at most so many tokens."""
    if estimate_tokens(text) <= tokens:
        return text
    shortest, longest = 0, len(text)
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        if estimate_tokens(text[:middle]) <= tokens:
            shortest = middle
        else:
            longest = middle
    return text[:shortest]


def _refusal(spec: EmbeddingModel, endpoint: Endpoint, answer: Answer) -> ModelError:
    """What an answer other than 200 means."""
    name = spec.model_id
    words = _words(answer.body)
    said = f"{answer.status}" + (f" {' '.join(words)}" if words else "")
    match answer.status:
        case 429 if "insufficient_quota" in words:
            return ModelDenied(name, f"the account at its endpoint has no credit left ({said})")
        case 408 | 409 | 423 | 424 | 425 | 429:
            return ModelBusy(name, f"its endpoint is busy ({said})")
        case 401 | 402 | 403:
            key = (
                f"the key in {endpoint.key_parameter}"
                if endpoint.key_parameter
                else "a request without a key"
            )
            return ModelDenied(name, f"its endpoint refuses {key} ({said})")
        case 404 | 405 | 410 | 501:
            return ModelDenied(
                name,
                f"its endpoint knows no model {endpoint.model}, or the path of its URL is wrong ({said})",
            )
        case 400 | 413 | 422:
            return TextsRefused(
                name, f"its endpoint refuses this text ({said}): it may be too long for the model"
            )
        case status if 300 <= status < 400:
            return ModelDenied(name, f"its endpoint redirects ({said}): set the URL that it redirects to")
        case status if status >= 500:
            return ModelBusy(name, f"its endpoint has a fault ({said})")
        case _:
            return ModelFailed(name, f"its endpoint answered {said}")


def _words(body: bytes) -> list[str]:
    """The code words of an error: those of OpenAI's shape, of the flat one, and of neither nothing."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        found = found["error"]
    if not isinstance(found, dict):
        return []
    given = [found.get(field) for field in ("code", "type", "error_type")]
    return list(dict.fromkeys(word for word in given if isinstance(word, str) and _WORD.fullmatch(word)))


def _tokens(found: Mapping[str, Any], sent: Sequence[str]) -> int:
    """What was read, as the answer says, else an estimate."""
    usage = found.get("usage")
    said = _number(usage.get("total_tokens", usage.get("prompt_tokens"))) if isinstance(usage, dict) else -1
    return said if said >= 0 else sum(estimate_each(sent))


def _number(value: Any) -> int:
    return value if type(value) is int else -1


def _place(pair: tuple[int, Any]) -> int:
    return pair[0]
