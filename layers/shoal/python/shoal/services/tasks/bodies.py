"""Bodies of tasks: what is to be done, checked when it comes, and stored a line of JSON an object.

So a worker that takes a task up half-way reads no object that is done, and knows how large the next ones are.
"""

import sys
from array import array
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import orjson

from shoal.errors import CorruptObject, InvalidInput, ObjectMissing
from shoal.index.checksums import sha256_hex
from shoal.model.bindings import MAX_PARTS, MAX_TASK_OBJECTS, Field, check_object_id
from shoal.model.datasets import Dataset, Metric
from shoal.model.limits import MAX_ID_CHARACTERS
from shoal.model.tasks import Task
from shoal.services.collections.objects import carried_by
from shoal.services.retry import retry_busy
from shoal.storage.ports import Ports

_FORMAT = 1
type Operation = Literal["upsert", "insert", "delete"]
_OPERATIONS = ("upsert", "insert", "delete")


@dataclass(frozen=True, slots=True)
class UpsertBody:
    """Objects to embed: `object_id`, `payload`, and other fields of `model.bindings.Field` by their names.

    A payload is a JSON object, or its compact JSON as an `orjson.Fragment`.
    """

    objects: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class DeleteBody:
    """Objects to delete; those that do not exist are fine."""

    object_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class ObjectsBody:
    """Objects that bring their vectors, or go.

    Each of `objects` is as one to embed, with `parts` as well: each a `vector` (numbers), and where it was sent a
    `part_id` and `is_average`. `insert` leaves those alone that are there.
    """

    operation: Operation
    objects: Sequence[Mapping[str, Any]] = ()
    object_ids: Sequence[str] = ()


type TaskBody = UpsertBody | DeleteBody | ObjectsBody


@dataclass(frozen=True, slots=True)
class StoredBody:
    """A body as read: a line of JSON for each object, in order, parsed when it is needed.

    `with_vectors`: each object has `parts`, and `vectors`, float32 rows in base64.
    """

    operation: Operation
    with_vectors: bool
    lines: tuple[bytes, ...]

    def object_ids(self) -> list[str]:
        """The objects, in order."""
        found = (orjson.loads(line) for line in self.lines)
        return [one if isinstance(one, str) else one["object_id"] for one in found]


def encode_body(body: TaskBody, dataset: Dataset | None = None) -> tuple[bytes, int]:
    """The object of a body, and of how many objects it tells. `dataset` is where vectors go.

    Raises:
        InvalidInput: what is wrong with which object; `too_many_objects`.
    """
    match body:
        case UpsertBody(objects):
            lines = [_object(found, f"items[{place}]") for place, found in _numbered(objects)]
            return _joined("upsert", lines), len(lines)
        case DeleteBody(object_ids):
            return _deletion(object_ids)
        case ObjectsBody("delete", _, object_ids):
            return _deletion(object_ids)
        case ObjectsBody(operation, objects):
            if dataset is None:
                raise ValueError("vectors without a dataset")
            lines = [
                _object(found, f"objects[{place}]", _parts(found, f"objects[{place}]", dataset))
                for place, found in _numbered(objects)
            ]
            return _joined(operation, lines, with_vectors=True), len(lines)


def read_body(ports: Ports, task: Task) -> StoredBody | None:
    """What a task is to do; None where that is not stored any more.

    Raises:
        CorruptObject: what lies there is not what was put.
        StorageBusy: throttled or unavailable.
    """
    key = task.body_key
    if key is None:
        return None
    try:
        data = retry_busy(lambda: ports.objects.get(key))
    except ObjectMissing:
        return None
    if sha256_hex(data) != task.body_sha256:
        raise CorruptObject(f"the body of task {task.task_id} does not match its checksum")
    return decode_body(data)


def decode_body(data: bytes) -> StoredBody:
    """A body as stored, after its checksum has been compared.

    Raises:
        CorruptObject: it is none of a known format.
    """
    head, *lines = data.split(b"\n")
    try:
        said = orjson.loads(head)
    except orjson.JSONDecodeError as error:
        raise CorruptObject("body of a task without its first line") from error
    match said:
        case {
            "format": 1,
            "operation": str(operation),
            "with_vectors": bool(with_vectors),
            "count": int(count),
        }:
            pass
        case _:
            raise CorruptObject("body of a task of an unknown format")
    if count != len(lines) or operation not in _OPERATIONS:
        raise CorruptObject(f"body of a task with {len(lines)} lines, which says {count}, to {operation}")
    return StoredBody(operation, with_vectors, tuple(lines))  # type: ignore[arg-type]  # checked just now


def _joined(operation: Operation, lines: list[bytes], *, with_vectors: bool = False) -> bytes:
    head = {
        "format": _FORMAT,
        "operation": operation,
        "with_vectors": with_vectors,
        "count": len(lines),
    }
    return b"\n".join([orjson.dumps(head), *lines])


def _numbered[T](given: Sequence[T]) -> list[tuple[int, T]]:
    if len(given) > MAX_TASK_OBJECTS:
        raise InvalidInput(
            "too_many_objects",
            f"a task has at most {MAX_TASK_OBJECTS} objects, this one has {len(given)}",
            {"objects": len(given), "limit": MAX_TASK_OBJECTS},
        )
    return list(enumerate(given))


def _deletion(object_ids: Sequence[str]) -> tuple[bytes, int]:
    lines = [
        orjson.dumps(check_object_id(name, f"object_ids[{place}]")) for place, name in _numbered(object_ids)
    ]
    return _joined("delete", lines), len(lines)


def _object(found: Mapping[str, Any], where: str, vectors: Mapping[str, Any] | None = None) -> bytes:
    name = check_object_id(found.get("object_id"), f"{where}.object_id")
    payload = found.get(Field.PAYLOAD)
    if payload is not None and not isinstance(payload, dict | orjson.Fragment):
        raise InvalidInput("invalid_payload", f"{where}.payload must be an object")
    said: dict[str, Any] = {"object_id": name, Field.PAYLOAD: payload or {}, **carried_by(found)}
    if vectors:
        said |= vectors
    try:
        return orjson.dumps(said)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("invalid_payload", f"{where} cannot be written as JSON: {error}") from None


def _parts(found: Mapping[str, Any], where: str, dataset: Dataset) -> dict[str, Any]:
    parts = found.get("parts") or ()
    if not 1 <= len(parts) <= MAX_PARTS:
        raise InvalidInput("invalid_parts", f"{where} must have 1-{MAX_PARTS} parts, it has {len(parts)}")
    about: list[dict[str, Any]] = []
    vectors = bytearray()
    for number, part in enumerate(parts):
        vectors += _vector(part.get("vector"), f"{where}.parts[{number}].vector", dataset)
        name = part.get(Field.PART_ID)
        if name is not None and not (isinstance(name, str) and 1 <= len(name) <= MAX_ID_CHARACTERS):
            raise InvalidInput(
                "invalid_parts",
                f"{where}.parts[{number}].part_id must have 1-{MAX_ID_CHARACTERS} characters",
            )
        said: dict[str, Any] = {} if name is None else {Field.PART_ID: name}
        if part.get(Field.AVERAGE):
            said[Field.AVERAGE] = True
        about.append(said)
    return {"parts": about, "vectors": b64encode(vectors).decode()}


def _vector(values: Any, where: str, dataset: Dataset) -> bytes:
    """A vector's bytes, little-endian float32."""
    if not isinstance(values, list | tuple) or not all(type(value) in {int, float} for value in values):
        raise InvalidInput("invalid_vector", f"{where} must be an array of numbers")
    if len(values) != dataset.dimension:
        model = "" if dataset.binding is None else f", that of {dataset.binding.model_id}"
        raise InvalidInput(
            "dimension_mismatch",
            f"{where} has {len(values)} values, the collection has dimension {dataset.dimension}{model}",
            {"expected": dataset.dimension, "got": len(values)},
        )
    try:
        row = array("f", values)
    except OverflowError:
        row = array("f", [float("inf")])
    if not isfinite(sum(row)):
        raise InvalidInput("invalid_vector", f"{where} holds a value that is no finite float32")
    if dataset.metric is Metric.COSINE and not any(row):
        raise InvalidInput("invalid_vector", f"{where} is zero, which has no cosine")
    if sys.byteorder == "big":
        row.byteswap()
    return row.tobytes()
