"""Queries of a content index: a text in, documents out."""

import numpy as np
import orjson

from shoal.errors import NotFound
from shoal.model.content_indexes import FoundDocument, IndexField, IndexQuery, index_scope
from shoal.model.datasets import Dataset
from shoal.model.filters import parse_filter
from shoal.model.queries import Match, QueryRequest
from shoal.model.records import Vectors
from shoal.services.content.documents import find_documents
from shoal.services.content.items import index_not_found
from shoal.services.content.scores import score_of
from shoal.services.embedding import Embedder
from shoal.services.search import Searcher
from shoal.storage.ports import Ports

_NO_VECTOR = np.zeros(0, dtype=np.float32)


def query_index(
    ports: Ports,
    searcher: Searcher,
    embedder: Embedder,
    tenant_id: str,
    *,
    dataset_name: str,
    name: str,
    query: IndexQuery,
) -> list[FoundDocument]:
    """The documents of an index that are nearest to a text, best first; nothing before its build is committed.

    Raises:
        InvalidInput: `text_too_long`, `text_without_tokens`.
        LimitReached: `token_cap_reached`.
        ModelBusy, ModelDenied, ModelFailed: as the model raised it.
        NotFound: `dataset_not_found`, `index_not_found`.
    """
    only = parse_filter({IndexField.TYPE.value: {"$in": list(query.types)}}) if query.types else None
    asked: list[Dataset] = []

    def embed(dataset: Dataset) -> Vectors:
        asked.append(dataset)
        if dataset.binding is None:
            raise index_not_found(dataset_name, name)
        return embedder.query(tenant_id, dataset.binding.model_id, query.text)

    request = QueryRequest(_NO_VECTOR, top_k=query.max_results, filter=only)
    try:
        answer = searcher.query(
            tenant_id, scope=index_scope(dataset_name), name=name, request=request, embed=embed
        )
    except NotFound as missing:
        if missing.code != "dataset_not_found":
            raise
        find_documents(ports, tenant_id, dataset_name)  # says so where it is the dataset that is not there
        raise index_not_found(dataset_name, name) from None
    return [_found(asked[0], match) for match in answer.matches]


def _found(dataset: Dataset, match: Match) -> FoundDocument:
    metadata = orjson.loads(match.metadata)
    return FoundDocument(match.id, str(metadata[IndexField.TYPE]), score_of(dataset.metric, match.score))
