"""Queries: the nearest records of a vector or of a text, by either of two paths."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from shoal.errors import InvalidInput, ModelError, ModelFailed, RequestError
from shoal.http.context import Context
from shoal.http.native.common import explain, faults_of, json_object
from shoal.http.native.places import Place, in_body, in_path
from shoal.http.native.query_types import QueryByPath
from shoal.http.native.read_your_writes import wait_for_writes
from shoal.http.response import Response, json_response, weight
from shoal.model.datasets import Dataset
from shoal.model.filters import parse_filter
from shoal.model.limits import MAX_NPROBE, MAX_RESPONSE_BYTES, MAX_TOP_K
from shoal.model.queries import Explanation, Match, QueryAnswer, QueryRequest
from shoal.services import quotas

_DEFAULT_TOP_K = 10
_ENVELOPE_BYTES = 512
_OUT_OF_RANGE = {
    "top_k": ("top_k_out_of_range", f"top_k must be between 1 and {MAX_TOP_K}"),
    "nprobe": ("nprobe_out_of_range", f"nprobe must be between 1 and {MAX_NPROBE}"),
    "probes": ("nprobe_out_of_range", f"probes must be between 1 and {MAX_NPROBE}"),
}


def query(context: Context) -> Response:
    """Answer a query; the dataset is named in the body."""
    return _answer(context, in_body)


def query_by_path(context: Context) -> Response:
    """Answer a query; the dataset is named in the path, and a name in the body is not looked at."""
    return _answer(context, lambda _: in_path(context))


def _answer(context: Context, place_in: Callable[[dict[str, Any]], Place]) -> Response:
    started = time.perf_counter()
    fields = json_object(context.body())
    place = place_in(fields)
    wanted = _parse(fields)
    request = _request(wanted)
    wait_for_writes(context, place, job=wanted.job_id, version=wanted.min_version)
    # Counted before the work, so that many at once cannot slip through, and given back where there was none.
    quotas.charge_query(context.ports, context.principal)
    try:
        answer = context.searcher.query(
            context.principal.tenant_id,
            scope=place.scope,
            name=place.name,
            request=request,
            embed=None if wanted.text is None else partial(_embedded, context, wanted.text),
        )
    except (RequestError, ModelError):
        quotas.refund_query(context.ports, context.principal)
        raise
    return _response(answer, started)


def _parse(fields: dict[str, Any]) -> QueryByPath:
    try:
        wanted = QueryByPath.model_validate(fields)
    except ValidationError as error:
        fault = faults_of(error)[0]
        field = str(fault["loc"][0])
        if field in _OUT_OF_RANGE and fault["type"] in {"greater_than_equal", "less_than_equal"}:
            raise InvalidInput(*_OUT_OF_RANGE[field]) from None
        raise InvalidInput("invalid_request", explain(fault)) from None
    if None not in (wanted.nprobe, wanted.probes) and wanted.nprobe != wanted.probes:
        raise InvalidInput("invalid_request", "probes: is another name of nprobe, which has another value")
    if wanted.vector is not None and wanted.text is not None:
        raise InvalidInput("invalid_request", "text: is asked in place of a vector; give one of the two")
    return wanted


def _embedded(context: Context, text: str, dataset: Dataset) -> NDArray[np.float32]:
    """The vector of a text, as the dataset's model makes it."""
    if dataset.binding is None:
        raise InvalidInput(
            "no_embedding_model",
            f"dataset {dataset.name} has no embedding model: query it by vector, or create one with "
            "`embedding_model`, which is then asked for the vector of a text",
        )
    model_id = dataset.binding.model_id
    vector = context.embedder.query(context.principal.tenant_id, model_id, text)
    if len(vector) != dataset.dimension:
        raise ModelFailed(
            model_id, f"it makes vectors of {len(vector)} where the dataset has {dataset.dimension}"
        )
    return vector


def _request(wanted: QueryByPath) -> QueryRequest:
    if wanted.vector is None and wanted.text is None:
        raise InvalidInput("invalid_request", "vector: field required")
    return QueryRequest(
        vector=_float32(wanted.vector or []),
        top_k=_DEFAULT_TOP_K if wanted.top_k is None else wanted.top_k,
        filter=None if wanted.filter is None else parse_filter(wanted.filter),
        ef=wanted.ef,
        nprobe=wanted.probes if wanted.nprobe is None else wanted.nprobe,
        explain=wanted.explain,
        allow_partial=wanted.allow_partial,
        namespace=wanted.namespace,
        include_document=wanted.include_document,
    )


def _float32(values: list[float]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # 1e39 becomes infinite, and is refused below
        vector = np.array(values, dtype=np.float32)
    if not np.isfinite(vector).all():
        raise InvalidInput("invalid_request", "vector: values must be finite and within float4 range")
    return vector


def _response(answer: QueryAnswer, started: float) -> Response:
    matches = [_match(match) for match in answer.matches]
    body: dict[str, Any] = {
        "matches": matches,
        "latency_ms": round((time.perf_counter() - started) * 1000, 3),
        "mode": answer.mode,
    }
    if answer.job_id is not None:
        body["job_id"] = answer.job_id
    if answer.embedding_model is not None:
        body["embedding_model"] = answer.embedding_model
    if answer.partial:
        body["partial"] = True
    if answer.explanation is not None:
        body["explain"] = _explained(answer.explanation)
    response = json_response(200, body, {"x-shoal-version": str(answer.version)})
    if weight(response.body) > MAX_RESPONSE_BYTES:
        fits = _top_k_that_fits(matches)
        raise InvalidInput(
            "response_too_large",
            f"the answer would be over {MAX_RESPONSE_BYTES} bytes; ask for top_k {fits} at most",
            {"top_k": fits},
        )
    return response


def _explained(explanation: Explanation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "cells_opened": explanation.cells_opened,
        "cells_total": explanation.cells_total,
        "candidates": explanation.candidates,
        "bytes_read": {"storage": explanation.storage_bytes, "disk": explanation.disk_bytes},
        "storage_requests": explanation.storage_requests,
        "memory_hits": explanation.memory_hits,
        "milliseconds": explanation.milliseconds,
    }
    if explanation.decided is not None:
        shown["decided"] = explanation.decided
    if explanation.matches is not None:
        shown["matches"] = explanation.matches
    return shown


def _match(match: Match) -> dict[str, Any]:
    shown = {"id": match.id, "score": match.score, "metadata": orjson.Fragment(match.metadata)}
    if match.namespace:
        shown["namespace"] = match.namespace
    if match.document:
        shown["document"] = match.document.decode()
    return shown


def _top_k_that_fits(matches: list[dict[str, Any]]) -> int:
    room = MAX_RESPONSE_BYTES - _ENVELOPE_BYTES
    for count, match in enumerate(matches):
        room -= weight(orjson.dumps(match)) + 1
        if room < 0:
            return count
    return len(matches)
