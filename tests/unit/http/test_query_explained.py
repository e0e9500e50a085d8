"""What a query may say about cells over HTTP, and what the answer says of itself."""

from dataclasses import replace
from typing import Any, cast

import pytest

from shoal.http.app import App
from shoal.http.context import Deps
from shoal.http.native.query_types import ExplainOut, QueryResult
from shoal.http.routes import service_router
from shoal.model.queries import QueryAnswer, QueryRequest
from shoal.services.search import Embed, Searcher
from tests.unit.http.api import Answer, Api

LINES = [{"id": f"row-{n}", "values": [0, 0, 0, n], "metadata": {"n": n}} for n in range(12)]


class Noting:
    """Answers every query alike, and keeps what was asked."""

    def __init__(self, answer: QueryAnswer) -> None:
        self.answer = answer
        self.asked: list[QueryRequest] = []

    def query(
        self, tenant_id: str, *, scope: str, name: str, request: QueryRequest, embed: Embed | None = None
    ) -> QueryAnswer:
        assert embed is None
        self.asked.append(request)
        return self.answer


def noting(api: Api, answer: QueryAnswer) -> Noting:
    found = Noting(answer)
    api.app = App(service_router(), Deps(api.ports, cast("Searcher", found)))
    return found


def ask(api: Api, /, **fields: Any) -> Answer:
    return api.call("POST", "/v1/query", {"dataset": "products", "vector": [0, 0, 0, 1], **fields})


def test_an_explanation_is_given_when_asked_for(api: Api) -> None:
    api.dataset()
    api.indexed(*LINES)
    for number, mode in enumerate(("cold", "hot")):
        body = ask(api, explain=True).json
        assert body["mode"] == mode
        QueryResult.model_validate(body)
        explained = ExplainOut.model_validate(body["explain"])
        assert explained.candidates == 12
        assert (explained.cells_opened, explained.cells_total) == (0, 0)
        assert (explained.bytes_read.storage > 0) == (explained.storage_requests > 0) == (number == 0)
        assert sum(body["explain"]["milliseconds"].values()) <= body["latency_ms"]
    assert "explain" not in ask(api).json
    assert "explain" not in ask(api, explain=False).json
    assert "partial" not in ask(api).json


def test_a_filter_is_explained_too(api: Api) -> None:
    api.dataset()
    api.indexed(*LINES)
    body = ask(api, explain=True, filter={"n": {"$gt": 8}}, allow_partial=True).json
    QueryResult.model_validate(body)
    explained = ExplainOut.model_validate(body["explain"])
    assert (explained.decided, explained.matches, explained.candidates) == ("exact", 3, 3)
    assert not {"decided", "matches"} & ask(api, explain=True).json["explain"].keys()


@pytest.mark.parametrize("given", [{}, {"allow_partial": False}, {"allow_partial": True}])
def test_part_of_an_answer_has_to_be_allowed(api: Api, given: dict[str, bool]) -> None:
    found = noting(api, QueryAnswer((), "hot", 1))
    assert ask(api, **given).status == 200
    (asked,) = found.asked
    assert asked.allow_partial == given.get("allow_partial", False)


def test_before_anything_is_indexed_there_is_little_to_explain(api: Api) -> None:
    api.dataset()
    assert ask(api, explain=True).json["explain"]["candidates"] == 0


@pytest.mark.parametrize("fields", [{"nprobe": 3}, {"probes": 3}, {"nprobe": 3, "probes": 3}])
def test_probes_is_another_name_of_nprobe(api: Api, fields: dict[str, int]) -> None:
    searcher = noting(api, QueryAnswer((), "hot", 1))
    assert ask(api, ef=70, **fields).status == 200
    (asked,) = searcher.asked
    assert (asked.nprobe, asked.ef, asked.explain) == (3, 70, False)


def test_they_must_not_disagree(api: Api) -> None:
    answer = ask(api, nprobe=3, probes=4)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert "nprobe" in answer.message


@pytest.mark.parametrize("probes", [0, 1025])
def test_probes_have_the_limits_of_nprobe(api: Api, probes: int) -> None:
    answer = ask(api, probes=probes)
    assert (answer.status, answer.code) == (400, "nprobe_out_of_range")
    assert answer.message == "probes must be between 1 and 1024"


@pytest.mark.parametrize("fields", [{"ef": 0}, {"ef": 4097}, {"ef": "64"}, {"explain": 1}, {"probes": True}])
def test_other_values_are_refused_by_name(api: Api, fields: dict[str, Any]) -> None:
    answer = ask(api, **fields)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert answer.message.startswith(next(iter(fields)))


def test_an_answer_that_is_not_all_says_so(api: Api) -> None:
    whole = QueryAnswer((), "hot", 1)
    searcher = noting(api, replace(whole, partial=True))
    assert ask(api).json["partial"] is True
    searcher.answer = whole
    assert "partial" not in ask(api).json
