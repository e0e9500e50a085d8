"""Indexes: create, list, get, delete, info."""

from typing import Any

from pydantic import Field

from shoal.errors import Conflict, NotFound
from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.vectorize.common import (
    Wanted,
    body_of,
    check_new_name,
    index_name,
    missing,
    mutation_id,
    tenant_of,
    timestamp,
)
from shoal.http.vectorize.envelope import Fault, success
from shoal.model.datasets import NATIVE_SCOPE, Metric
from shoal.model.ids import job_id
from shoal.services import datasets
from shoal.services.vectorize.indexes import Index, create_index, delete_index, get_index, list_indexes

MIN_DIMENSIONS = 32
METRICS = {"cosine": Metric.COSINE, "euclidean": Metric.L2, "dot-product": Metric.DOT}
NAMES = {metric: name for name, metric in METRICS.items()}
PRESETS = {
    "@cf/baai/bge-small-en-v1.5": 384,
    "@cf/baai/bge-base-en-v1.5": 768,
    "@cf/baai/bge-large-en-v1.5": 1024,
    "openai/text-embedding-ada-002": 1536,
    "cohere/embed-multilingual-v2.0": 768,
}
"""Dimensions of the presets; all are cosine (contract)."""


class Config(Wanted):
    """Dimensions and metric, or the preset that stands for both."""

    dimensions: int | None = None
    metric: str | None = None
    preset: str | None = None


class NewIndex(Wanted):
    """An index to make."""

    name: str
    config: Config | None = None
    description: str = Field(default="", max_length=1024)


def create(context: Context) -> Response:
    """Create an index."""
    tenant_id = tenant_of(context)
    wanted = body_of(context, NewIndex)
    name = check_new_name(wanted.name)
    if wanted.config is None:
        raise _invalid("Config must be provided")
    dimensions, metric = _geometry(wanted.config, most=context.deps.vectorize.max_dimensions)
    try:
        made = create_index(
            context.ports,
            tenant_id,
            name=name,
            dimension=dimensions,
            metric=metric,
            description=wanted.description,
            preset=wanted.config.preset,
        )
    except Conflict:
        raise Fault(400, 3002, f'vectorize.index.duplicate_name - Index name "{name}"') from None
    return success(index_body(made))


def list_all(context: Context) -> Response:
    """List all indexes."""
    return success([index_body(index) for index in list_indexes(context.ports, tenant_of(context))])


def get(context: Context) -> Response:
    """Show an index."""
    tenant_id, name = tenant_of(context), index_name(context)
    try:
        return success(index_body(get_index(context.ports, tenant_id, name)))
    except NotFound:
        raise missing(context, tenant_id, name) from None


def delete(context: Context) -> Response:
    """Delete an index; its name can be used again."""
    tenant_id, name = tenant_of(context), index_name(context)
    try:
        delete_index(context.ports, tenant_id, name)
    except NotFound:
        raise missing(context, tenant_id, name) from None
    return success(None)


def info(context: Context) -> Response:
    """How many vectors there are, and the newest mutation up to which all can be queried."""
    tenant_id, name = tenant_of(context), index_name(context)
    try:
        view = datasets.get_dataset(context.ports, tenant_id, scope=NATIVE_SCOPE, name=name)
    except NotFound:
        raise missing(context, tenant_id, name) from None
    head = view.head
    newest = job_id(view.dataset.dataset_id, head.watermark) if head.watermark else None
    return success(
        {
            "dimensions": view.dataset.dimension,
            "vectorCount": head.row_count,
            "processedUpToDatetime": timestamp(head.last_indexed_at) if head.last_indexed_at else None,
            "processedUpToMutation": mutation_id(newest) if newest else None,
        }
    )


def index_body(index: Index) -> dict[str, Any]:
    """An index as it is shown."""
    dataset, settings = index.view.dataset, index.settings
    config: dict[str, Any] = {"dimensions": dataset.dimension, "metric": NAMES[dataset.metric]}
    if settings.preset is not None:
        config["preset"] = settings.preset
    return {
        "name": dataset.name,
        "description": settings.description,
        "config": config,
        "created_on": timestamp(dataset.created_at),
        "modified_on": timestamp(index.modified_at),
    }


def _geometry(config: Config, *, most: int) -> tuple[int, Metric]:
    if config.preset is not None:
        dimensions = PRESETS.get(config.preset)
        if dimensions is None:
            raise _invalid(f"Unknown preset; known are {', '.join(PRESETS)}")
        if config.dimensions not in (None, dimensions) or config.metric not in (None, "cosine"):
            raise _invalid(f"Preset {config.preset} has {dimensions} dimensions and the metric cosine")
        return dimensions, Metric.COSINE
    if config.dimensions is None or not MIN_DIMENSIONS <= config.dimensions <= most:
        raise _invalid(f"Dimensions must be in range: [{MIN_DIMENSIONS}, {most}]")
    metric = METRICS.get(config.metric or "")
    if metric is None:
        raise _invalid(f"Metric must be one of {', '.join(METRICS)}")
    return config.dimensions, metric


def _invalid(why: str) -> Fault:
    return Fault(400, 3003, f"vectorize.index.invalid_config - {why}")
