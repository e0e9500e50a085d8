"""Models behind an endpoint: what is asked, what becomes of every answer, and how servers refuse."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.embedding.calling import PATIENCE, PROBE
from shoal.embedding.estimates import estimate_tokens
from shoal.embedding.http_model import (
    ANSWER_BYTES,
    ITEM_BYTES,
    VALUE_BYTES,
    HttpTextModel,
    beginning,
    largest_batch,
)
from shoal.errors import (
    InvalidInput,
    ModelBusy,
    ModelDenied,
    ModelError,
    ModelFailed,
    StorageBusy,
    TooLarge,
)
from shoal.model.datasets import Metric
from shoal.model.embedding_models import EmbeddingModel, Endpoint, Provider
from shoal.storage.memory import MemoryOutbound
from shoal.storage.memory.outbound import hang, refuse
from shoal.storage.model_ports import Answer
from shoal.storage.outbound_messages import Request
from tests.unit.embedding.endpoint import Embeddings, error, vector_of

URL = "https://models.example.com/v1/embeddings"
SPEC = EmbeddingModel(
    model_id="http:own",
    provider=Provider.HTTP,
    dimension=4,
    metric=Metric.COSINE,
    max_tokens=100,
    batch_size=8,
    concurrency=1,
    price=0.0,
    texts_per_second=100.0,
    normalised=False,
    endpoint=Endpoint(URL, "own-model", "/shoal/keys/own"),
)
TEXTS = [f"text {number}" for number in range(20)]


def model(endpoint: Callable[[Request], Answer], spec: EmbeddingModel = SPEC) -> HttpTextModel:
    outbound = MemoryOutbound()
    outbound.put(URL, endpoint)
    return HttpTextModel(spec, outbound, pause=lambda _seconds: None)


def wanted(texts: Sequence[str]) -> np.ndarray[Any, Any]:
    return np.array([vector_of(text, SPEC.dimension) for text in texts], dtype=np.float32)


def raised(endpoint: Callable[[Request], Answer], spec: EmbeddingModel = SPEC) -> ModelError:
    with pytest.raises(ModelError) as found:
        model(endpoint, spec).embed(["planted text"], purpose="document")
    assert found.value.model_id == "http:own"
    assert "planted" not in found.value.message
    return found.value


def test_what_is_asked_and_what_comes_of_it() -> None:
    outbound, endpoint = MemoryOutbound(), Embeddings(4)
    outbound.put(URL, endpoint)
    found = HttpTextModel(SPEC, outbound).embed(TEXTS[:3], purpose="query")
    assert endpoint.requests == [{"model": "own-model", "input": TEXTS[:3], "encoding_format": "float"}]
    (sent,) = outbound.sent
    assert sent.key_parameter == "/shoal/keys/own"
    assert sent.headers == {"content-type": "application/json", "accept": "application/json"}
    assert np.array_equal(found.vectors, wanted(TEXTS[:3]))
    assert found.vectors.dtype == np.float32
    assert (found.tokens, dict(found.failed), found.truncated) == (6, {}, frozenset())


def test_batches_in_order() -> None:
    endpoint = Embeddings(4)
    found = model(endpoint).embed(TEXTS, purpose="document")
    assert [len(texts) for texts in endpoint.texts] == [8, 8, 4]
    assert np.array_equal(found.vectors, wanted(TEXTS))


def test_several_batches_side_by_side() -> None:
    found = model(Embeddings(4), replace(SPEC, concurrency=4)).embed(TEXTS * 10, purpose="document")
    assert np.array_equal(found.vectors, wanted(TEXTS * 10))


def test_an_answer_in_another_order() -> None:
    def turned(said: dict[str, Any]) -> dict[str, Any]:
        return said | {"data": said["data"][::-1]}

    found = model(Embeddings(4, change=turned)).embed(TEXTS, purpose="document")
    assert np.array_equal(found.vectors, wanted(TEXTS))


def test_an_answer_without_places_and_without_counts() -> None:
    def bare(said: dict[str, Any]) -> dict[str, Any]:
        return {"data": [{"embedding": item["embedding"]} for item in said["data"]]}

    found = model(Embeddings(4, change=bare)).embed(TEXTS, purpose="document")
    assert np.array_equal(found.vectors, wanted(TEXTS))
    assert found.tokens == sum(map(estimate_tokens, TEXTS))


@pytest.mark.parametrize(
    "usage", [None, 5, {}, {"total_tokens": "5"}, {"total_tokens": -5}, {"total_tokens": True}]
)
def test_counts_that_are_none_are_estimated(usage: Any) -> None:
    found = model(Embeddings(4, change=lambda said: said | {"usage": usage})).embed(
        ["a b c"], purpose="query"
    )
    assert found.tokens == estimate_tokens("a b c")


# --- answers that are none -------------------------------------------------------------------------------------


def data(change: Callable[[list[dict[str, Any]]], Any]) -> Embeddings:
    return Embeddings(4, change=lambda said: said | {"data": change(said["data"])})


def row(value: Any) -> Embeddings:
    return data(lambda items: [items[0] | {"embedding": value}, *items[1:]])


MALFORMED = {
    "no data": Embeddings(4, change=lambda _: {"object": "list"}),
    "data of another sort": data(lambda _: "data"),
    "items of another sort": data(lambda items: [item["embedding"] for item in items]),
    "too few": data(lambda items: items[:-1]),
    "too many": data(lambda items: items * 2),
    "none": data(lambda _: []),
    "places twice": data(lambda items: [item | {"index": 0} for item in items]),
    "places beyond": data(lambda items: [item | {"index": item["index"] + 1} for item in items]),
    "places of another sort": data(lambda items: [item | {"index": "0"} for item in items]),
    "no vector": row(None),
    "base64": row("AAAAAAAAAAAAAAAA"),
    "text": row(["0.1", "0.2", "0.3", "0.4"]),
    "booleans": row([True, False, True, False]),
    "nested": row([[0.1, 0.2, 0.3, 0.4]]),
    "shorter": row([0.1, 0.2, 0.3]),
    "longer": row([0.1] * 5),
    "empty": row([]),
    "a list": Embeddings(4, change=lambda said: [said]),
    "a number": Embeddings(4, change=lambda _: 5),
    "not JSON": lambda _: Answer(200, b"<html>planted</html>"),
    "nothing": lambda _: Answer(200, b""),
    "cut off": lambda _: Answer(200, b'{"data": [{"index": 0, "embedding": [0.1'),
    "compressed": lambda _: Answer(200, b"\x1f\x8b\x08", {"content-encoding": "gzip"}),
    "another success": lambda _: Answer(204, b""),
    "a teapot": lambda _: Answer(418, b""),
}


@pytest.mark.parametrize("endpoint", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_answer(endpoint: Callable[[Request], Answer]) -> None:
    with pytest.raises(ModelFailed) as found:
        model(endpoint).embed(["planted text", "another"], purpose="document")
    assert "planted" not in found.value.message


@pytest.mark.parametrize("dimension", [3, 5])
def test_another_dimension_is_told(dimension: int) -> None:
    assert f"{dimension} dimensions" in raised(Embeddings(dimension)).message


@pytest.mark.parametrize("value", [None, 1e39, -1e39], ids=["null", "too large", "too small"])
def test_a_vector_that_is_not_finite_is_its_texts_alone(value: float | None) -> None:
    endpoint = row([0.5, value, 0.5, 0.5])
    found = model(endpoint).embed(TEXTS[:3], purpose="document")
    assert list(found.failed) == [0]
    assert np.array_equal(found.vectors[1:], wanted(TEXTS[1:3]))
    assert not found.vectors[0].any()


def test_a_nan_that_is_no_json() -> None:
    assert isinstance(raised(row([0.5, float("nan"), 0.5, 0.5])), ModelFailed)


# --- refusals --------------------------------------------------------------------------------------------------

OPENAI_QUOTA = {
    "error": {
        "message": "You exceeded your current quota, planted",
        "type": "insufficient_quota",
        "param": None,
        "code": "insufficient_quota",
    }
}


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        # OpenAI
        (
            error(401, {"error": {"message": "planted", "code": "invalid_api_key"}}),
            ModelDenied,
            "invalid_api_key",
        ),
        (
            error(403, {"error": {"code": "unsupported_country_region_territory"}}),
            ModelDenied,
            "/shoal/keys/own",
        ),
        (error(404, {"error": {"code": "model_not_found"}}), ModelDenied, "own-model"),
        (error(429, OPENAI_QUOTA), ModelDenied, "credit"),
        (error(429, {"error": {"code": "rate_limit_exceeded", "type": "tokens"}}), ModelBusy, "busy"),
        (error(500, {"error": {"message": "planted", "type": "server_error"}}), ModelBusy, "server_error"),
        (error(503, b"planted"), ModelBusy, "503"),
        # vLLM
        (error(401, {"error": "Unauthorized, planted"}), ModelDenied, "401"),
        (
            error(404, {"object": "error", "message": "planted", "type": "NotFoundError"}),
            ModelDenied,
            "own-model",
        ),
        # Text Embeddings Inference
        (error(424, {"message": "planted", "code": 424, "type": "backend"}), ModelBusy, "backend"),
        (error(429, {"message": "planted", "code": 429, "type": "overloaded"}), ModelBusy, "overloaded"),
        (error(503, {"message": "planted", "code": 503, "type": "unhealthy"}), ModelBusy, "unhealthy"),
        # Ollama
        (error(404, {"error": {"message": 'model "planted" not found'}}), ModelDenied, "own-model"),
        # In front of them
        (error(502, b"<html>planted</html>"), ModelBusy, "502"),
        (error(504, b""), ModelBusy, "504"),
        (error(408, b""), ModelBusy, "408"),
        (error(402, b""), ModelDenied, "402"),
        (error(405, b""), ModelDenied, "path"),
        (error(501, b""), ModelDenied, "path"),
        (Answer(301, b"", {"location": "https://planted.example.com"}), ModelDenied, "redirects"),
        (Answer(307, b"", {}), ModelDenied, "redirects"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_what_servers_say(answer: Answer, kind: type[ModelError], says: str) -> None:
    found = raised(lambda _: answer)
    assert type(found) is kind
    assert says in found.message


def test_a_refusal_without_a_key() -> None:
    spec = replace(SPEC, endpoint=Endpoint(URL, "own-model"))
    assert "without a key" in raised(lambda _: Answer(401, b""), spec).message


@pytest.mark.parametrize("word", ["two words", "planted\n", "x" * 65, 5, None, ["planted"], {"planted": 1}])
def test_only_words_of_an_error_are_passed_on(word: Any) -> None:
    assert raised(lambda _: error(500, {"error": {"code": word, "type": word}})).message.endswith("(500)")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_text_that_is_refused_costs_its_neighbours_nothing(status: int) -> None:
    bad = {TEXTS[3], TEXTS[4], TEXTS[17]}

    def refuses(texts: Sequence[str]) -> Answer | None:
        said = {"error": {"message": f"planted {texts}", "code": "invalid_input"}}
        return error(status, said) if bad & set(texts) else None

    found = model(Embeddings(4, refuse=refuses)).embed(TEXTS, purpose="document")
    assert list(found.failed) == [3, 4, 17]
    assert all(f"{status} invalid_input" in reason for reason in found.failed.values())
    assert all("planted" not in reason for reason in found.failed.values())
    good = [place for place in range(20) if place not in found.failed]
    assert np.array_equal(found.vectors[good], wanted([TEXTS[place] for place in good]))


def test_a_model_that_refuses_everything_has_failed() -> None:
    endpoint = Embeddings(4, refuse=lambda _: error(400, {"error": {"code": "no_such_encoding_format"}}))
    with pytest.raises(ModelFailed, match="no_such_encoding_format"):
        model(endpoint).embed(TEXTS, purpose="document")
    assert endpoint.texts[-1] == [PROBE]


def test_a_server_with_smaller_batches() -> None:
    def refuses(texts: Sequence[str]) -> Answer | None:
        return error(422, {"detail": "batch size 8 > 2"}) if len(texts) > 2 else None

    found = model(Embeddings(4, refuse=refuses)).embed(TEXTS, purpose="document")
    assert np.array_equal(found.vectors, wanted(TEXTS))
    assert not found.failed


def test_a_busy_server_is_asked_again() -> None:
    left = [503, 429, 424]
    endpoint = Embeddings(4, refuse=lambda _: Answer(left.pop(), b"") if left else None)
    found = model(endpoint).embed(["a"], purpose="document")
    assert np.array_equal(found.vectors, wanted(["a"]))
    assert len(endpoint.texts) == 4


def test_a_denial_is_final() -> None:
    endpoint = Embeddings(4, refuse=lambda _: Answer(401, b""))
    with pytest.raises(ModelDenied):
        model(endpoint).embed(["a"], purpose="document")
    assert len(endpoint.texts) == 1


# --- the way there ---------------------------------------------------------------------------------------------


def test_a_server_that_hangs_is_asked_for_as_long_as_patience_lasts() -> None:
    calls: list[Request] = []

    def hanging(request: Request) -> Answer:
        calls.append(request)
        return hang(request)

    assert "batch_size" in raised(hanging).message
    assert len(calls) == PATIENCE["document"].attempts


def failing(reason: Exception) -> Callable[[Request], Answer]:
    def endpoint(_request: Request) -> Answer:
        raise reason

    return endpoint


@pytest.mark.parametrize("code", ["invalid_url", "tls_failed", "key_not_found", "key_not_allowed"])
def test_an_endpoint_that_cannot_be_asked(code: str) -> None:
    found = raised(failing(InvalidInput(code, "a reason")))
    assert isinstance(found, ModelDenied)
    assert found.message == f"http:own: its endpoint cannot be asked ({code}): a reason"


def test_an_endpoint_inside_is_denied() -> None:
    assert "address_not_allowed" in raised(refuse).message


def test_nobody_there() -> None:
    with pytest.raises(ModelBusy):
        HttpTextModel(SPEC, MemoryOutbound(), pause=lambda _: None).embed(["a"], purpose="query")


def test_an_answer_that_is_too_large_is_asked_for_in_pieces() -> None:
    endpoint = Embeddings(4)

    def wordy(request: Request) -> Answer:
        said = endpoint(request)
        if len(endpoint.texts[-1]) > 2:
            raise TooLarge("answer_too_large", "it answers with more than 1048576 bytes")
        return said

    found = model(wordy).embed(TEXTS, purpose="document")
    assert np.array_equal(found.vectors, wanted(TEXTS))


def test_a_store_of_keys_that_is_busy_may_be_better_later() -> None:
    assert isinstance(raised(failing(StorageBusy("get parameter: Throttling"))), ModelBusy)


# --- sizes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 64, 384, 768, 1024, 1536, 3072, 4096])
def test_an_answer_to_the_largest_batch_can_be_read(dimension: int) -> None:
    count = largest_batch(dimension)
    endpoint = Embeddings(dimension)
    asked = Request(URL, b'{"model": "m", "input": [%s]}' % b", ".join([b'"x"'] * min(count, 50)), {})
    size = len(endpoint(asked).body)
    # Written as doubles with a space after each comma: the longest that servers write.
    assert size / min(count, 50) * count <= 1024 * 1024
    assert (count + 1) * (
        dimension * VALUE_BYTES + ITEM_BYTES
    ) > ANSWER_BYTES  # and no smaller than it must be


def test_batches_are_as_small_as_their_answers_must_be() -> None:
    spec = replace(SPEC, dimension=4096, batch_size=2048)
    endpoint = Embeddings(4096)
    found = model(endpoint, spec).embed(TEXTS + TEXTS, purpose="document")
    assert [len(texts) for texts in endpoint.texts] == [10, 10, 10, 10]
    assert found.vectors.shape == (40, 4096)
    assert model(endpoint, spec).spec == spec


@given(st.text(max_size=300), st.integers(0, 60))
def test_a_beginning_is_the_longest_that_fits(text: str, tokens: int) -> None:
    found = beginning(text, tokens)
    assert text.startswith(found)
    assert estimate_tokens(found) <= tokens
    assert found == text or estimate_tokens(text[: len(found) + 1]) > tokens


def test_a_text_over_the_models_length_is_cut_and_told() -> None:
    endpoint = Embeddings(4)
    found = model(endpoint).embed(["short", "word " * 200, "x" * 401, "x" * 400], purpose="document")
    assert found.truncated == {1, 2}
    assert endpoint.texts == [["short", ("word " * 200)[:400], "x" * 400, "x" * 400]]


def test_a_text_that_a_server_finds_longer_is_cut_until_it_fits() -> None:
    text = "x" * 400  # 100 tokens by our estimate

    def refuses(texts: Sequence[str]) -> Answer | None:
        return error(413, {"type": "validation"}) if max(map(len, texts)) > 200 else None

    endpoint = Embeddings(4, refuse=refuses)
    found = model(endpoint).embed(["short", text], purpose="document")
    assert found.truncated == {1}
    assert not found.failed
    assert [len(texts[0]) for texts in endpoint.texts if len(texts) == 1] == [5, 400, 280, 196]


def test_a_short_text_that_is_refused_is_not_cut() -> None:
    def refuses(texts: Sequence[str]) -> Answer | None:
        return error(400, {}) if "bad" in texts else None

    endpoint = Embeddings(4, refuse=refuses)
    assert list(model(endpoint).embed(["bad"], purpose="document").failed) == [0]
    assert endpoint.texts == [["bad"], [PROBE]]


def test_a_large_text_alone_goes_through_lambda() -> None:
    spec = replace(SPEC, max_tokens=3_000_000)
    large = "ä" * 1_500_000  # 3 MB of UTF-8, 4 MB through Lambda
    found = model(Embeddings(4), spec).embed(["a", large, "b"], purpose="document")
    assert not found.failed
    found = model(Embeddings(4), spec).embed(["a", large * 2, "b"], purpose="document")
    assert not found.failed
    assert found.truncated == {1}  # cut until it went through


def test_tokens_are_estimated_as_everywhere() -> None:
    assert model(Embeddings(4)).count_tokens(["", "abcd", "äöü"]) == [0, 1, 3]


def test_a_spec_without_an_endpoint_is_a_mistake() -> None:
    with pytest.raises(ValueError):
        HttpTextModel(replace(SPEC, endpoint=None), MemoryOutbound())
