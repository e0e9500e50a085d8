"""Amazon Bedrock's embedding models in memory: its shapes, its limits and refusals, with vectors of our own."""

import hashlib
import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from shoal.errors import ModelBusy, ModelDenied, ModelFailed
from shoal.model.bedrock_models import (
    BEDROCK_MODELS,
    COHERE_V4,
    TITAN_V2,
    foundation_model,
)
from shoal.storage.model_ports import Answer, Inference

MODELS = frozenset(model.remote for model in BEDROCK_MODELS if model.remote)
_TITAN_DIMENSIONS = (1024, 512, 256)
_COHERE_V3_DIMENSION = 1024
_COHERE_V4_DIMENSIONS = (1536, 1024, 512, 256)
_INPUT_TYPES = ("search_document", "search_query", "classification", "clustering")
_TOKEN = re.compile(r"[A-Za-z0-9]{1,4}|[^\sA-Za-z0-9]")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Invoked:
    """One call that the fake was asked."""

    model: str
    body: Mapping[str, Any]

    @property
    def texts(self) -> list[str]:
        """The texts of the call."""
        return [self.body["inputText"]] if "inputText" in self.body else list(self.body.get("texts", ()))


@dataclass(slots=True)
class MemoryInference(Inference):
    """The port's fake. Texts that share words have vectors that are near.

    `marker`: a call with a text that contains it is refused. `denied`: models without access. `before` is called
    in each call before anything else, for tests that look at what happens at the same time. `dimension`: vectors
    have that many dimensions, whatever was asked for.
    """

    marker: str | None = None
    denied: set[str] = field(default_factory=set)
    models: Iterable[str] = MODELS
    before: Callable[[Invoked], None] | None = None
    dimension: int | None = None
    calls: list[Invoked] = field(default_factory=list)
    _busy: float = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def throttle(self, calls: float = math.inf) -> None:
        """Refuse that many calls from now on as too many; all of them where no number is given."""
        with self._lock:
            self._busy = calls

    def invoke(self, model: str, body: bytes) -> Answer:
        """What Bedrock would answer, with status 200."""
        invoked = Invoked(model, json.loads(body))
        with self._lock:
            self.calls.append(invoked)
            busy = self._busy > 0
            self._busy -= 1 if busy else 0
        if self.before is not None:
            self.before(invoked)
        if busy:
            raise ModelBusy(model, "Bedrock asks to come back later (ThrottlingException)")
        if model not in self.models:
            raise ModelDenied(model, "The provided model identifier is invalid.")
        if model in self.denied:
            raise ModelDenied(model, "access denied: enable access to it in the Bedrock console")
        if self.marker is not None and any(self.marker in text for text in invoked.texts):
            raise ModelFailed(model, "ValidationException: the content is refused")
        family = foundation_model(model)
        if family == TITAN_V2:
            answer, longest = self._titan(invoked), 8192
        elif family == COHERE_V4:
            answer, longest = self._cohere_v4(invoked), int(invoked.body.get("max_tokens", 128_000))
        else:
            answer, longest = self._cohere_v3(invoked), 512
        tokens = sum(min(longest, _tokens(text)) for text in invoked.texts)
        headers = {"content-type": "application/json", "x-amzn-bedrock-input-token-count": str(tokens)}
        return Answer(200, json.dumps(answer).encode(), headers)

    def _titan(self, asked: Invoked) -> dict[str, Any]:
        _only(asked, "inputText", "dimensions", "normalize", "embeddingTypes")
        text = asked.body.get("inputText")
        if not isinstance(text, str):
            raise _malformed(asked, "#: required key [inputText] not found")
        _length(asked, "#/inputText", text, 1, 50_000)
        dimension = asked.body.get("dimensions", _TITAN_DIMENSIONS[0])
        if dimension not in _TITAN_DIMENSIONS:
            raise _malformed(asked, f"#/dimensions: {dimension} is not a valid enum value")
        tokens = _tokens(text)
        if tokens > 8192:
            said = f"Too many input tokens. Max input tokens: 8192, request input token count: {tokens}"
            raise ModelFailed(asked.model, f"ValidationException: 400 Bad Request: {said}")
        vector = self._vector(text, dimension)
        return {
            "embedding": vector,
            "inputTextTokenCount": tokens,
            "embeddingsByType": {"float": vector},
        }

    def _cohere_v3(self, asked: Invoked) -> dict[str, Any]:
        _only(asked, "texts", "input_type", "truncate", "embedding_types", "images")
        texts = _cohere_texts(asked, cuts=("NONE", "START", "END"))
        for place, text in enumerate(texts):
            _length(asked, f"#/texts/{place}", text, 0, 2048)
            if asked.body.get("truncate", "NONE") == "NONE" and _tokens(text) > 512:
                raise ModelFailed(asked.model, "ValidationException: Input is too long for requested model.")
        vectors = [self._vector(_beginning(text, 512), _COHERE_V3_DIMENSION) for text in texts]
        return {
            "id": "00000000-0000-0000-0000-000000000000",
            "texts": [text.lower() for text in texts],
            "embeddings": vectors,
            "response_type": "embeddings_floats",
        }

    def _cohere_v4(self, asked: Invoked) -> dict[str, Any]:
        known = (
            "texts",
            "images",
            "inputs",
            "input_type",
            "embedding_types",
            "output_dimension",
            "max_tokens",
        )
        _only(asked, *known, "truncate")
        texts = _cohere_texts(asked, cuts=("NONE", "LEFT", "RIGHT"))
        dimension = asked.body.get("output_dimension", _COHERE_V4_DIMENSIONS[0])
        if dimension not in _COHERE_V4_DIMENSIONS:
            raise _malformed(asked, f"#/output_dimension: {dimension} is not a valid enum value")
        longest = int(asked.body.get("max_tokens", 128_000))
        vectors = [self._vector(_beginning(text, longest), dimension) for text in texts]
        if "embedding_types" in asked.body:
            return {
                "id": "00000000-0000-0000-0000-000000000000",
                "embeddings": {"float": vectors},
                "response_type": "embeddings_by_type",
            }
        return {
            "id": "00000000-0000-0000-0000-000000000000",
            "embeddings": vectors,
            "response_type": "embeddings_floats",
        }

    def _vector(self, text: str, dimension: int) -> list[float]:
        """The sum of the vectors of the text's words, of length 1."""
        wanted = self.dimension or dimension
        total = [0.0] * wanted
        for word in _WORD.findall(text.lower()) or [text]:
            for place, value in enumerate(_of_word(word, wanted)):
                total[place] += value
        length = math.sqrt(sum(value * value for value in total))
        return [round(value / length, 8) for value in total]


@lru_cache(maxsize=4096)
def _of_word(word: str, dimension: int) -> Sequence[float]:
    return [byte - 127.5 for byte in hashlib.shake_128(word.encode()).digest(dimension)]


def _tokens(text: str) -> int:
    return sum(1 for _ in _TOKEN.finditer(text))


def _beginning(text: str, tokens: int) -> str:
    for count, match in enumerate(_TOKEN.finditer(text)):
        if count == tokens:
            return text[: match.start()]
    return text


def _cohere_texts(asked: Invoked, *, cuts: tuple[str, ...]) -> list[str]:
    texts = asked.body.get("texts")
    if not isinstance(texts, list) or not texts:
        raise _malformed(asked, "#: required key [texts] not found")
    if len(texts) > 96:
        raise _malformed(asked, f"#/texts: expected maximum item count: 96, found: {len(texts)}")
    if asked.body.get("input_type") not in _INPUT_TYPES:
        raise _malformed(asked, "#: required key [input_type] not found")
    if asked.body.get("truncate", "NONE") not in cuts:
        raise _malformed(asked, f"#/truncate: {asked.body['truncate']} is not a valid enum value")
    return texts


def _only(asked: Invoked, *known: str) -> None:
    for name in asked.body:
        if name not in known:
            raise _malformed(asked, f"#: extraneous key [{name}] is not permitted")


def _length(asked: Invoked, where: str, text: str, least: int, most: int) -> None:
    if len(text) < least:
        raise _malformed(asked, f"{where}: expected minLength: {least}, actual: {len(text)}")
    if len(text) > most:
        raise _malformed(asked, f"{where}: expected maxLength: {most}, actual: {len(text)}")


def _malformed(asked: Invoked, what: str) -> ModelFailed:
    return ModelFailed(
        asked.model,
        f"ValidationException: Malformed input request: {what}, please reformat your input and try again.",
    )
