"""Lines of vectors: what each must be, with the code and message of the original for every fault."""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from shoal.http.vectorize.common import MAX_ID_BYTES
from shoal.http.vectorize.envelope import Fault
from shoal.model.datasets import Dataset, Metric
from shoal.model.limits import MAX_METADATA_BYTES
from shoal.model.ndjson import BOM
from shoal.model.records import Vectors

MAX_VECTORS = 5_000
MAX_VECTOR_METADATA_BYTES = 10 * 1024
MAX_NAMESPACE_BYTES = 64
UNPARSABLE = 40023
_NUMBERS = frozenset({int, float})


@dataclass(slots=True)
class Parsed:
    """The good vectors of an upload, in order, and the faults of the bad lines."""

    ids: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    metadata: list[bytes] = field(default_factory=list)
    values: "array[float]" = field(default_factory=lambda: array("d"))
    faults: list[Fault] = field(default_factory=list)

    def vectors(self, dimension: int) -> Vectors:
        """float32, shape (n, dimension)."""
        doubles = np.frombuffer(self.values, dtype=np.float64) if self.values else np.empty(0)
        return doubles.astype(np.float32).reshape(-1, dimension)


def parse_vectors(body: bytes, dataset: Dataset, *, discard: bool) -> Parsed:
    """Read NDJSON. With `discard` bad lines are left out and their faults returned.

    Raises:
        Fault: the first one without `discard`; too many vectors in any case.
    """
    parsed = Parsed()
    for number, line in _lines(body):
        try:
            _read(line, number, dataset, parsed)
        except Fault as fault:
            if not discard:
                raise
            parsed.faults.append(fault)
        if len(parsed.ids) > MAX_VECTORS:
            raise Fault(400, 40007, f"too many vectors in payload; max vector count is {MAX_VECTORS}")
    return parsed


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 0, as the original counts them."""
    for number, line in enumerate(body.removeprefix(BOM).split(b"\n")):
        stripped = line.strip(b" \t\r")
        if stripped:
            yield number, stripped


def _read(line: bytes, number: int, dataset: Dataset, parsed: Parsed) -> None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise _unparsable(number) from None
    if not isinstance(record, dict):
        raise _unparsable(number)
    vector_id, values = record.get("id"), record.get("values")
    if not isinstance(vector_id, str) or not vector_id or not isinstance(values, list):
        raise _unparsable(number)
    if not set(map(type, values)) <= _NUMBERS:
        raise _unparsable(number)
    _check_id(vector_id)
    namespace = _namespace(record.get("namespace"), vector_id, number)
    metadata = _metadata(record.get("metadata"), vector_id, number)
    doubles = _values(values, vector_id, dataset)
    parsed.ids.append(vector_id)
    parsed.namespaces.append(namespace)
    parsed.metadata.append(metadata)
    parsed.values.extend(doubles)


def _unparsable(number: int) -> Fault:
    return Fault(
        400,
        UNPARSABLE,
        "failed to parse upsert vectors request in ndjson format: "
        f"line Some({number}) was not expected format",
    )


def _check_id(vector_id: str) -> None:
    size = len(vector_id.encode())
    if size > MAX_ID_BYTES:
        raise Fault(400, 40008, f"id too long; max is {MAX_ID_BYTES} bytes, got {size} bytes")


def _values(values: list[Any], vector_id: str, dataset: Dataset) -> list[float]:
    if len(values) != dataset.dimension:
        raise Fault(
            400,
            40012,
            f'invalid vector for id="{vector_id}", expected {dataset.dimension} dimensions, '
            f"and got {len(values)} dimensions",
        )
    try:
        with np.errstate(over="ignore"):
            stored = np.array(values, dtype=np.float64).astype(np.float32)
    except OverflowError:
        stored = np.array([math.inf], dtype=np.float32)
    if not np.isfinite(stored).all():
        raise Fault(400, 40012, f'invalid vector for id="{vector_id}", values must fit into float32')
    if dataset.metric is Metric.COSINE and not stored.any():
        raise Fault(400, 40012, f'invalid vector for id="{vector_id}", a zero vector has no cosine')
    return values


def _namespace(value: Any, vector_id: str, number: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _unparsable(number)
    size = len(value.encode())
    if size > MAX_NAMESPACE_BYTES:
        raise Fault(
            400,
            40009,
            f'namespace too long for vector id="{vector_id}"; '
            f"max is {MAX_NAMESPACE_BYTES} bytes, got {size} bytes",
        )
    return value


def _metadata(value: Any, vector_id: str, number: int) -> bytes:
    if value is None:
        return b"{}"
    if not isinstance(value, dict):
        raise _unparsable(number)
    for key in value:
        if not key or "." in key or '"' in key or key.startswith("$"):
            raise Fault(
                400,
                UNPARSABLE,
                f'invalid metadata key for vector id="{vector_id}"; '
                'keys must not be empty, must not begin with $, and must hold neither . nor "',
            )
    compact = orjson.dumps(value)
    if len(compact) > min(MAX_VECTOR_METADATA_BYTES, MAX_METADATA_BYTES):
        raise Fault(
            400,
            40016,
            f'oversized metadata for vector id="{vector_id}"; the compact JSON representation of the metadata '
            f"must not exceed {MAX_VECTOR_METADATA_BYTES} bytes, got {len(compact)} bytes",
        )
    return compact
