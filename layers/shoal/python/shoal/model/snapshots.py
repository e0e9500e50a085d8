"""Snapshots: versions of a dataset that were given a name, and are kept for as long as they have it."""

import re
from dataclasses import dataclass

from shoal.errors import Conflict, InvalidInput
from shoal.model.datasets import Dataset
from shoal.model.limits import MAX_NAME_CHARACTERS

_NAME = re.compile(rf"[a-z0-9_-]{{1,{MAX_NAME_CHARACTERS}}}")


@dataclass(frozen=True, slots=True)
class NamedSnapshot:
    """A version and its name. `manifest` is the key of its root, `manifest_sha256` (hex) what verifies it.

    `watermark` is the place in the log up to which it has everything, `created_at` when it was named (epoch
    seconds).
    """

    name: str
    manifest: str
    manifest_sha256: str
    version: int
    watermark: int
    row_count: int
    created_at: float


def check_snapshot_name(name: object) -> str:
    """The name, if it is one.

    Raises:
        InvalidInput: code `invalid_name`.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(
            "invalid_name", f"a snapshot's name must be 1-{MAX_NAME_CHARACTERS} characters of [a-z0-9_-]"
        )
    return name


def check_restorable(dataset: Dataset, source: Dataset) -> None:
    """See whether a version of `source` can become one of `dataset`: ids are found by hashes under its key.

    Raises:
        InvalidInput: codes `dimension_mismatch`, `metric_mismatch`.
        Conflict: code `not_related`.
    """
    if source.dimension != dataset.dimension:
        raise InvalidInput(
            "dimension_mismatch",
            f"the snapshot is of {source.dimension} dimensions, the dataset of {dataset.dimension}; clone it "
            f"into a dataset of its own instead",
            {"expected": dataset.dimension, "got": source.dimension},
        )
    if source.metric is not dataset.metric:
        raise InvalidInput(
            "metric_mismatch",
            f"the snapshot is of metric {source.metric}, the dataset of {dataset.metric}; clone it into a "
            f"dataset of its own instead",
            {"expected": dataset.metric.value, "got": source.metric.value},
        )
    if source.hash_key != dataset.hash_key:
        raise Conflict(
            "not_related",
            f"{dataset.name} is neither a clone of {source.name} nor the other way round, so it cannot share its "
            f"rows; clone the snapshot, or export it and import it into {dataset.name}",
        )
