"""Objects that bring their vectors to records."""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shoal.embedding.answers import NO_DIRECTION
from shoal.errors import InvalidInput
from shoal.model.bindings import Aggregation, Field, part_id
from shoal.model.datasets import Dataset, Metric
from shoal.model.records import Vectors
from shoal.model.tasks import FailedObject, FailureStage
from shoal.services.collections.embedding import EmbeddedObjects
from shoal.services.collections.objects import metadata_of, object_of_json


def given_objects(dataset: Dataset, objects: Sequence[Mapping[str, Any]]) -> EmbeddedObjects:
    """Make records of objects as the body of a task has them, of distinct ids (`tasks.bodies.StoredBody`).

    Where the collection takes an object for the middle of its parts, it gets the part that says so, or their mean.
    """
    ids: list[str] = []
    metadata: list[bytes] = []
    rows: list[Vectors] = []
    parts: dict[str, int] = {}
    failed: list[FailedObject] = []
    average = dataset.binding is not None and dataset.binding.aggregation is Aggregation.AVERAGE
    for found in objects:
        source = object_of_json(found)
        vectors: Vectors = np.frombuffer(b64decode(found["vectors"]), dtype="<f4").astype(np.float32)
        vectors = vectors.reshape(-1, dataset.dimension)
        about: list[Mapping[str, Any]] = list(found["parts"])
        if average and len(vectors) > 1:
            middle = _middle(dataset, vectors, about)
            if not np.isfinite(middle).all() or (dataset.metric is Metric.COSINE and not middle.any()):
                failed.append(
                    FailedObject(source.object_id, NO_DIRECTION, FailureStage.UPSERT, source.payload)
                )
                continue
            vectors, about = middle[None], [{Field.AVERAGE: True}]
        try:
            encoded = [
                metadata_of(source, part=part, parts=len(vectors), more=more)
                for part, more in enumerate(about)
            ]
        except InvalidInput as error:
            failed.append(FailedObject(source.object_id, error.message, FailureStage.UPSERT, source.payload))
            continue
        ids += [part_id(source.object_id, part) for part in range(len(vectors))]
        metadata += encoded
        rows.append(vectors)
        parts[source.object_id] = len(vectors)
    stacked: Vectors = np.concatenate(rows) if rows else np.zeros((0, dataset.dimension), dtype=np.float32)
    return EmbeddedObjects(ids, stacked, metadata, parts, failed)


def _middle(dataset: Dataset, vectors: Vectors, about: Sequence[Mapping[str, Any]]) -> Vectors:
    """The part that is the middle of the others, or their mean: of length 1 under cosine."""
    for vector, more in zip(vectors, about, strict=True):
        if more.get(Field.AVERAGE):
            chosen: Vectors = vector
            return chosen
    mean = vectors.mean(axis=0, dtype=np.float64)
    if dataset.metric is Metric.COSINE:
        mean = np.mean(vectors / np.linalg.norm(vectors.astype(np.float64), axis=1)[:, None], axis=0)
        length = float(np.linalg.norm(mean))
        mean = mean / length if length > 1e-6 else np.zeros_like(mean)
    middle: Vectors = mean.astype(np.float32)
    return middle
