"""Queries by vector, or by the vector of an id."""

import math
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import Field

from shoal.errors import InvalidInput, RequestError
from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.vectorize.common import Wanted, body_of, check_id, index_of
from shoal.http.vectorize.envelope import BAD_BODY, Fault, success
from shoal.http.vectorize.filters import filter_of, indexed_only
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.model.queries import Match, QueryRequest
from shoal.services import quotas
from shoal.services.fetch import fetch
from shoal.services.heads import keys_of
from shoal.services.vectorize.settings import IndexSettings, read_settings

MAX_TOP_K = 100
MAX_TOP_K_WITH_VALUES = 50

type Metadata = Literal["none", "indexed", "all"]


class Query(Wanted):
    """A query. `returnMetadata` may be a boolean, as it was before it had three values."""

    vector: list[float] | None = None
    vectorId: str | None = None  # noqa: N815 - the contract's names
    topK: int = 5  # noqa: N815
    returnValues: bool = False  # noqa: N815
    returnMetadata: Metadata | bool = "none"  # noqa: N815
    namespace: str | None = Field(default=None, max_length=64)
    filter: dict[str, Any] | None = None

    @property
    def metadata(self) -> Metadata:
        """Which metadata to return."""
        match self.returnMetadata:
            case bool(said):
                return "all" if said else "none"
            case word:
                return word


def query(context: Context) -> Response:
    """The nearest vectors, best first."""
    dataset = index_of(context)
    wanted = body_of(context, Query)
    _check_top_k(wanted)
    settings = IndexSettings()
    if wanted.filter or wanted.metadata == "indexed":
        settings = read_settings(context.ports, keys_of(dataset))
    condition = filter_of(wanted.filter, settings.indexes)
    request = QueryRequest(
        vector=_vector(context, dataset, wanted),
        top_k=wanted.topK,
        filter=condition,
        include_values=wanted.returnValues,
        namespace=wanted.namespace,
    )
    # Counted before the work, so that many at once cannot slip through, and given back where there was none.
    quotas.charge_query(context.ports, context.principal)
    try:
        answer = context.searcher.query(
            dataset.tenant_id, scope=NATIVE_SCOPE, name=dataset.name, request=request
        )
    except RequestError as error:
        quotas.refund_query(context.ports, context.principal)
        raise _fault(error) from error
    matches = [_shown(match, dataset, wanted, settings) for match in answer.matches]
    return success({"count": len(matches), "matches": matches})


def _check_top_k(wanted: Query) -> None:
    if not 1 <= wanted.topK <= MAX_TOP_K:
        raise Fault(400, 40025, f"max top K is {MAX_TOP_K}, but got {wanted.topK}")
    if wanted.topK > MAX_TOP_K_WITH_VALUES and (wanted.returnValues or wanted.metadata == "all"):
        raise Fault(
            400,
            40025,
            f"with returnValues=true or returnMetadata=all, max top K is {MAX_TOP_K_WITH_VALUES}, but got "
            f"{wanted.topK}; for a top K up to {MAX_TOP_K}, retry with returnValues=false and "
            "returnMetadata=indexed",
        )


def _vector(context: Context, dataset: Dataset, wanted: Query) -> NDArray[np.float32]:
    if (wanted.vector is None) == (wanted.vectorId is None):
        raise Fault(
            400, BAD_BODY, "Failed to parse the request body as JSON: one of vector and vectorId is needed"
        )
    if wanted.vectorId is not None:
        return _stored(context, dataset, wanted.vectorId)
    values = wanted.vector or []
    if len(values) != dataset.dimension:
        raise Fault(
            400,
            40006,
            f"invalid query vector, expected {dataset.dimension} dimensions, and got {len(values)} dimensions",
        )
    with np.errstate(over="ignore"):
        vector = np.array(values, dtype=np.float32)
    if not np.isfinite(vector).all():
        raise Fault(400, 40006, "invalid query vector, values must fit into float32")
    return vector


def _stored(context: Context, dataset: Dataset, vector_id: str) -> NDArray[np.float32]:
    check_id(vector_id)
    found = fetch(
        context.searcher,
        dataset.tenant_id,
        scope=NATIVE_SCOPE,
        name=dataset.name,
        ids=[vector_id],
        include_values=True,
    )
    if not found.records or found.records[0].values is None:
        raise Fault(400, 40006, f'invalid query vector, there is no vector id="{vector_id}"')
    return found.records[0].values


def _fault(error: RequestError) -> Exception:
    """What of an error has a code of the original; the error itself for what has none."""
    details = error.details or {}
    if isinstance(error, InvalidInput) and error.code == "response_too_large" and "top_k" in details:
        return Fault(
            400, 40025, f"the answer would be too large; max top K is {details['top_k']} for these vectors"
        )
    return error


def _shown(match: Match, dataset: Dataset, wanted: Query, settings: IndexSettings) -> dict[str, Any]:
    # Ours is the squared distance.
    score = math.sqrt(max(match.score, 0.0)) if dataset.metric is Metric.L2 else match.score
    shown: dict[str, Any] = {"id": match.id, "score": score}
    if match.namespace:
        shown["namespace"] = match.namespace
    if match.values is not None:
        shown["values"] = match.values
    if wanted.metadata == "all" and match.metadata != b"{}":
        shown["metadata"] = orjson.Fragment(match.metadata)
    elif wanted.metadata == "indexed" and settings.indexes:
        shown["metadata"] = indexed_only(orjson.loads(match.metadata), settings.indexes)
    return shown
