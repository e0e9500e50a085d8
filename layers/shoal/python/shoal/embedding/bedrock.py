"""Embedding models of Amazon Bedrock: what Titan and Cohere want to be asked, and how they answer.

Sources, in docs.aws.amazon.com/bedrock/latest/userguide: model-parameters-titan-embed-text,
model-parameters-embed-v3, model-parameters-embed-v4.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from shoal.embedding.answers import read_vectors
from shoal.embedding.calling import Caller, TextsRefused
from shoal.embedding.estimates import estimate_each
from shoal.embedding.text_models import Embedded, Purpose, TextModel
from shoal.errors import ModelError, ModelFailed
from shoal.model.bedrock_models import COHERE_V4, TITAN_V2, foundation_model
from shoal.model.embedding_models import EmbeddingModel
from shoal.storage.model_ports import Answer, Inference

TITAN_CHARACTERS = 50_000
COHERE_V3_CHARACTERS = 2048
"""Characters of one text, beyond which a request is refused whatever it says of cutting."""
TOKENS_HEADER = "x-amzn-bedrock-input-token-count"
"""Bedrock counts the tokens of every call here; Cohere's body does not say."""
COHERE_V4_CHARACTERS_A_TOKEN = 8
"""It cuts by tokens itself, and is sent no more than it could possibly read."""
CALL_BYTES = 256_000
"""UTF-8 bytes of the texts of one call: about half of the tokens that Cohere takes at once."""
_TRIES = 5
_TOO_MANY_TOKENS = re.compile(r"[Mm]ax input tokens: (\d+), request input token count: (\d+)")
_SAFETY = 0.95


class BedrockTextModel(TextModel):
    """One of `model.bedrock_models`. It counts tokens exactly only of what it has read."""

    def __init__(
        self, spec: EmbeddingModel, inference: Inference, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        if spec.remote is None:
            raise ValueError(f"{spec.model_id} has no id at Bedrock")
        self._spec = spec
        self._remote = spec.remote
        self._family = foundation_model(spec.remote)
        self._inference = inference
        self._caller = Caller(spec, pause=pause, batch_bytes=CALL_BYTES)

    @property
    def spec(self) -> EmbeddingModel:
        """What it is."""
        return self._spec

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Embedded:
        """As `TextModel.embed`. Titan makes no difference between documents and questions, Cohere does."""
        if self._family == TITAN_V2:
            return self._caller.embed_all(self._ask_titan, texts, purpose=purpose)
        return self._caller.embed_all(lambda batch: self._ask_cohere(batch, purpose), texts, purpose=purpose)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """An estimate for each text."""
        return estimate_each(texts)

    def _ask_titan(self, texts: Sequence[str]) -> Embedded:
        """One text, cut shorter for as long as it is refused for its tokens: nothing else tells their number."""
        text = texts[0][:TITAN_CHARACTERS]
        for _ in range(_TRIES - 1):
            try:
                return self._titan(text, cut=len(text) < len(texts[0]))
            except TextsRefused as refused:
                shorter = _shorter(text, refused.reason)
                if shorter is None:
                    raise
                text = shorter
        return self._titan(text, cut=True)

    def _titan(self, text: str, *, cut: bool) -> Embedded:
        asked = {"inputText": text, "dimensions": self._spec.dimension, "normalize": True}
        answer = self._invoke(asked)
        found = self._parsed(answer)
        row = found.get("embedding")
        vectors = read_vectors(self._spec, None if row is None else [row], 1)
        return Embedded(
            vectors,
            tokens=_tokens(found.get("inputTextTokenCount"), answer, [text]),
            truncated=frozenset({0} if cut else ()),
        )

    def _ask_cohere(self, texts: Sequence[str], purpose: Purpose) -> Embedded:
        longest = self._spec.max_tokens
        asked: dict[str, Any] = {"input_type": f"search_{purpose}"}
        if self._family == COHERE_V4:
            sent = [text[: COHERE_V4_CHARACTERS_A_TOKEN * longest] for text in texts]
            asked |= {
                "embedding_types": ["float"],
                "output_dimension": self._spec.dimension,
                "max_tokens": longest,
                "truncate": "RIGHT",
            }
        else:
            sent = [text[:COHERE_V3_CHARACTERS] for text in texts]
            asked["truncate"] = "END"
        answer = self._invoke(asked | {"texts": sent})
        rows = self._parsed(answer).get("embeddings")
        if isinstance(rows, dict):  # as soon as types were asked for, and in some regions without
            rows = rows.get("float")
        # It does not say which texts it has cut; those that are shorter as sent, and those that must be too long.
        cut = (
            place
            for place, tokens in enumerate(estimate_each(sent))
            if tokens > longest or len(sent[place]) < len(texts[place])
        )
        return Embedded(
            read_vectors(self._spec, rows, len(texts)),
            tokens=_tokens(None, answer, sent),
            truncated=frozenset(cut),
        )

    def _invoke(self, asked: Mapping[str, Any]) -> Answer:
        try:
            return self._inference.invoke(self._remote, orjson.dumps(asked))
        except ModelFailed as refused:  # the port's word for a request that is refused for what is in it
            raise TextsRefused(self._spec.model_id, refused.reason) from refused
        except ModelError as error:  # by the name that our users know
            raise type(error)(self._spec.model_id, error.reason) from error

    def _parsed(self, answer: Answer) -> Mapping[str, Any]:
        try:
            found = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise ModelFailed(self._spec.model_id, "answered something that is not a JSON object")
        return found


def _shorter(text: str, refusal: str) -> str | None:
    """A beginning of the text that has few enough tokens, where the refusal says how many it has."""
    match = _TOO_MANY_TOKENS.search(refusal)
    if match is None:
        return None
    allowed, counted = int(match[1]), int(match[2])
    kept = int(len(text) * _SAFETY * min(1.0, allowed / max(1, counted)))
    return text[:kept] or None


def _tokens(said: Any, answer: Answer, texts: Sequence[str]) -> int:
    """What was read, as the body or the header says, else an estimate."""
    if isinstance(said, int) and said >= 0:
        return said
    counted = answer.headers.get(TOKENS_HEADER, "")
    return int(counted) if counted.isdecimal() else sum(estimate_each(texts))
