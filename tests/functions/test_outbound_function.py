"""The function that sends requests: every sample event, with the real client, and what it writes to its log."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pytest

from functions.outbound import handler as outbound
from shoal.embedding.http_model import HttpTextModel
from shoal.model.datasets import Metric
from shoal.model.embedding_models import EmbeddingModel, Endpoint, Provider
from shoal.settings import SettingsError
from shoal.storage.aws_clients import ssm_client
from shoal.storage.aws_outbound import AwsOutbound
from shoal.storage.outbound_messages import Request
from tests.contract.outbound_stores import FUNCTION, client_of
from tests.contract.stores import Aws
from tests.functions.world import EVENTS, LambdaContext, container
from tests.unit.embedding.endpoint import Embeddings, vector_of
from tests.unit.outbound.loopback import Conversation, Loopback, answer, serving

ENVIRONMENT = {"SHOAL_PARAMETER_PREFIX": "/shoal/keys/", "SHOAL_OUTBOUND_ALLOW_LOOPBACK": "true"}
KEY = f"planted-key-{uuid.uuid4().hex}"
SAID = b'{"data": ["planted-answer"]}'
SPEC = EmbeddingModel(
    model_id="http:own",
    provider=Provider.HTTP,
    dimension=256,
    metric=Metric.COSINE,
    max_tokens=100,
    batch_size=64,
    concurrency=2,
    price=0.0,
    texts_per_second=100.0,
    normalised=False,
)
CODES = {
    "key_of_others": "key_not_allowed",
    "key_not_there": "key_not_found",
    "metadata_service": "address_not_allowed",
    "not_a_url": "invalid_url",
    "nobody_there": "no_answer",
    "own_header": "invalid_request",
    "malformed": "invalid_request",
}


@dataclass(frozen=True, slots=True)
class Outside:
    """What the function can reach: an endpoint, and where nobody listens."""

    endpoint: Loopback
    nobody: str

    def replay(self, case: str) -> dict[str, Any]:
        """Run the handler on a sample event, in the container that is there."""
        values = {"ENDPOINT": f"http://localhost:{self.endpoint.port}", "NOBODY": self.nobody}
        event = json.loads(Template((EVENTS / "outbound" / f"{case}.json").read_text()).substitute(values))
        answered = outbound.handler(event, LambdaContext())
        json.dumps(answered)  # as Lambda will
        return answered


@pytest.fixture
def outside(aws: Aws) -> Iterator[Outside]:
    """A new container beside an endpoint, with one key in the Parameter Store."""
    ssm_client().put_parameter(Name="/shoal/keys/embeddings", Value=KEY, Type="SecureString", Overwrite=True)
    said = answer(SAID, headers=("Content-Type: application/json", "X-Other: planted-header"))
    with serving(answer()) as gone:
        nobody = f"http://127.0.0.1:{gone.port}"
    with serving(said) as endpoint, container(ENVIRONMENT, "outbound"):
        yield Outside(endpoint, nobody)


def test_every_sample_event_is_replayed() -> None:
    assert {Path(path).stem for path in (EVENTS / "outbound").iterdir()} == {"post", "with_key", *CODES}


def test_a_request(outside: Outside) -> None:
    assert outside.replay("post") == {
        "status": 200,
        "headers": {"content-type": "application/json"},
        "body": SAID.decode(),
    }
    (asked,) = outside.endpoint.asked
    assert asked.line == "POST /v1/embeddings?version=planted-query HTTP/1.1"
    assert asked.body == b'{"input": ["planted-document"], "model": "small"}'
    assert asked.headers["x-trace"] == "planted-header"
    assert "authorization" not in asked.headers


def test_a_key_comes_from_the_parameter_store(outside: Outside) -> None:
    assert outside.replay("with_key")["status"] == 200
    assert outside.replay("with_key")["status"] == 200
    for asked in outside.endpoint.asked:
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert asked.body == b'{"input": ["planted-document"]}'


@pytest.mark.parametrize(("case", "code"), CODES.items())
def test_what_cannot_be_asked_says_why(outside: Outside, case: str, code: str) -> None:
    said = outside.replay(case)
    assert said["error"] == code
    assert said["message"]
    assert "planted-" not in said["message"]
    assert outside.endpoint.asked == []


def test_nothing_of_what_is_sent_or_answered_is_logged(
    outside: Outside, capsys: pytest.CaptureFixture[str]
) -> None:
    for case in ("post", "with_key", *CODES):
        outside.replay(case)
    written = capsys.readouterr()
    lines = [json.loads(line) for line in written.out.splitlines()]
    assert [line["message"] for line in lines] == ["answered"] * 2 + ["not answered"] * len(CODES)
    assert [line.get("status", line.get("error_code")) for line in lines] == [200, 200, *CODES.values()]
    assert {line["request_id"] for line in lines} == {LambdaContext().aws_request_id}
    for text in (written.out, written.err):
        assert "planted" not in text
        assert KEY not in text


def test_a_model_is_asked_through_the_function(aws: Aws) -> None:
    """All the way: the model, Lambda's client, the function, and an endpoint that speaks as OpenAI's does."""
    embeddings = Embeddings(256)

    def speak(talk: Conversation) -> None:
        said = embeddings(Request("", talk.asked.body, talk.asked.headers))
        answer(said.body, headers=("Content-Type: application/json",))(talk)

    texts = [f"text {number} of many, ünïcode" for number in range(300)]
    with serving(speak) as server, container(ENVIRONMENT, "outbound"):
        spec = replace(SPEC, endpoint=Endpoint(f"http://localhost:{server.port}/v1/embeddings", "own"))
        client = client_of(lambda event: (outbound.handler(event, LambdaContext()), ""))
        found = HttpTextModel(spec, AwsOutbound(client, FUNCTION)).embed(texts, purpose="document")
        asked = [len(batch) for batch in embeddings.texts]
    assert asked.count(64) == 4
    assert sum(asked) == len(texts)
    assert not found.failed
    expected = np.array([vector_of(text, 256) for text in texts], dtype=np.float32)
    assert np.array_equal(found.vectors, expected)


def test_this_machine_is_refused_unless_it_is_said(outside: Outside) -> None:
    for environment in ({}, {"SHOAL_OUTBOUND_ALLOW_LOOPBACK": "false"}):
        with container(environment, "outbound"):
            event = {"url": "http://127.0.0.1/", "body": "", "headers": {}}
            assert outbound.handler(event, LambdaContext())["error"] == "address_not_allowed"


def test_a_wrong_variable_is_named_at_the_first_call() -> None:
    wrong = container({"SHOAL_PARAMETER_PREFIX": "planted"}, "outbound")
    with wrong, pytest.raises(SettingsError, match="SHOAL_PARAMETER_PREFIX"):
        outbound.handler({"url": "https://example.com"}, LambdaContext())
