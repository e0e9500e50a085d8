"""A collection as it is shown."""

from typing import Any

from shoal.http.studio.common import timestamp
from shoal.model.bindings import Aggregation, Family
from shoal.model.datasets import Dataset, Head, Metric

GRAPH = {"m": 16, "ef_construction": 200}
"""Of `index.graph`, which the function of collections does not load; a test compares them."""
_METRICS = {Metric.L2: "euclid", Metric.COSINE: "cosine", Metric.DOT: "dot"}


def state_info(dataset: Dataset, head: Head | None, family: Family, *, active: bool) -> dict[str, Any]:
    """A collection as it is shown; `head` is None where it was deleted at this moment."""
    aggregation = dataset.binding.aggregation if dataset.binding else Aggregation.MIN
    return {
        "collection_id": dataset.dataset_id,
        "embedding_model": {
            "id": dataset.name,
            "name": dataset.name,
            "dimensions": dataset.dimension,
            "metric_type": _METRICS[dataset.metric],
            "metric_aggregation_type": aggregation.value,
            "hnsw": GRAPH,
        },
        "created_at": timestamp(dataset.created_at),
        "index_created": True,
        "work_state": "blue" if active else "green",
        "applied_optimizations": [],
        "family": family.value,
        "row_count": head.row_count if head else 0,
    }
