"""The object of one write in the log: an upsert of records, a delete of ids or of what a filter selects, a patch.

Version 1 holds upserts of ids, vectors and metadata, and deletes of ids; they are still written so. Version 2 is
written for what version 1 has no place for: namespaces, documents, conditions, ids that an upsert removes, deletes
by selection, patches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shoal.errors import CorruptObject, InvalidInput
from shoal.index.checksums import Buffer
from shoal.index.columns import blob_sections, encode_ids, read_blobs, read_ids, vector_bytes
from shoal.index.container import Container, count_of, pack, section_of, unpack
from shoal.model.filters import parse_filter
from shoal.model.limits import MAX_DIMENSION
from shoal.model.records import Vectors
from shoal.model.selection import Selection
from shoal.model.writes import WriteCondition

KIND = "log"
FORMAT, FORMAT_2 = 1, 2
_MAX_ROWS = 2**32 - 1
_CONDITIONS = ("if_absent", "if_newer_than")


@dataclass(frozen=True, slots=True)
class LogUpsert:
    """n records in the order sent; an id may come more than once, the last one counts.

    `vectors`: float32, shape (n, dimension), read-only. `metadata`: n compact JSON objects. `namespaces` and
    `documents`: n strings and n texts in UTF-8, or nothing where all are empty. `condition` is that of each one.
    `removed` are ids to delete at the same place of the log, none of them among `ids`, each once; none where there
    is a condition.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    metadata: tuple[bytes, ...]
    namespaces: tuple[str, ...] = ()
    documents: tuple[bytes, ...] = ()
    condition: WriteCondition | None = None
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogDelete:
    """Ids to delete; an id that does not exist is no error."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogDeleteWhere:
    """All records that are there at this place of the log and that the selection means, to delete."""

    selection: Selection


@dataclass(frozen=True, slots=True)
class LogPatch:
    """Changes to the metadata of n records, in the order sent; an id may come more than once.

    `patches`: n JSON objects, each to be merged into what is there (RFC 7396).
    """

    ids: tuple[str, ...]
    patches: tuple[bytes, ...]


type LogWrite = LogUpsert | LogDelete | LogDeleteWhere | LogPatch


@dataclass(frozen=True, slots=True)
class SelectionJson:
    """A selection as it was sent, which is how it is stored: `filter` is the parsed JSON of one that parses."""

    namespace: str | None = None
    prefix: str | None = None
    filter: Mapping[str, Any] | None = field(default=None, hash=False)

    def parsed(self) -> Selection:
        """The selection.

        Raises:
            InvalidInput: what is wrong with the filter.
        """
        condition = None if self.filter is None else parse_filter(self.filter)
        return Selection(self.namespace, self.prefix, condition)


def encode_upsert(
    ids: Sequence[str],
    vectors: Vectors,
    metadata: Sequence[bytes],
    *,
    namespaces: Sequence[str] = (),
    documents: Sequence[bytes] = (),
    condition: WriteCondition | None = None,
    removed: Sequence[str] = (),
) -> bytes:
    """Build the object of an upsert.

    Args:
        ids: n strings.
        vectors: float32, shape (n, dimension); n may be 0.
        metadata: n compact JSON objects in UTF-8.
        namespaces: n strings; nothing at all stands for n empty ones.
        documents: n texts in UTF-8; nothing at all stands for n empty ones.
        condition: when a record is stored; None: always.
        removed: ids to delete at once with it; one given twice counts once.

    Raises:
        ValueError: columns of unequal length, an id that is both put and removed, or removal under a condition.
    """
    if vectors.ndim != 2 or not len(ids) == len(vectors) == len(metadata):
        raise ValueError(f"{len(ids)} ids, vectors of shape {vectors.shape}, {len(metadata)} metadata")
    if vectors.dtype != np.float32:
        raise ValueError(f"vectors of type {vectors.dtype}")
    attributes: dict[str, Any] = {"operation": "upsert", "rows": len(ids), "dimension": int(vectors.shape[1])}
    sections: dict[str, Buffer] = {**encode_ids(ids), **blob_sections("metadata", metadata)}
    if any(namespaces):
        sections |= blob_sections("namespaces", _all(ids, [name.encode() for name in namespaces]))
    if any(documents):
        sections |= blob_sections("documents", _all(ids, documents))
    if condition is not None:
        attributes["condition"] = {"kind": condition.kind, "path": condition.path}
    gone = tuple(dict.fromkeys(removed))
    if gone:
        if condition is not None:
            raise ValueError("an upsert under a condition removes nothing: what it puts is not known yet")
        if not set(gone).isdisjoint(ids):
            raise ValueError("an id is both put and removed")
        attributes["removed"] = len(gone)
        sections |= encode_ids(gone, name="removed")
    plain = condition is None and not sections.keys() & {"namespaces", "documents", "removed"}
    return pack(
        KIND, FORMAT if plain else FORMAT_2, attributes, sections | {"vectors": vector_bytes(vectors)}
    )


def _all(ids: Sequence[str], values: Sequence[bytes]) -> Sequence[bytes]:
    if len(values) != len(ids):
        raise ValueError(f"{len(ids)} ids, a column of {len(values)}")
    return values


def encode_delete(ids: Sequence[str]) -> bytes:
    """Build the object of a delete."""
    return pack(KIND, FORMAT, {"operation": "delete", "rows": len(ids)}, encode_ids(ids))


def encode_delete_where(selection: SelectionJson) -> bytes:
    """Build the object of a delete of what a selection means."""
    said = {"namespace": selection.namespace, "prefix": selection.prefix, "filter": selection.filter}
    return pack(KIND, FORMAT_2, {"operation": "delete_where", "selection": said}, {})


def encode_patch(ids: Sequence[str], patches: Sequence[bytes]) -> bytes:
    """Build the object of a patch: n ids and n JSON objects in UTF-8."""
    sections = {**encode_ids(ids), **blob_sections("patches", _all(ids, patches))}
    return pack(KIND, FORMAT_2, {"operation": "patch", "rows": len(ids)}, sections)


def decode(data: Buffer) -> LogWrite:
    """Read the object of a write, after its checksum has been compared.

    Raises:
        CorruptObject: not a log object of a known format.
    """
    container = unpack(KIND, data, versions=(FORMAT, FORMAT_2))
    operation = container.attributes.get("operation")
    if operation == "delete_where" and container.version == FORMAT_2:
        return LogDeleteWhere(_selection(container))
    rows = count_of(container.attributes, "rows", most=_MAX_ROWS)
    match operation:
        case "delete" if container.version == FORMAT:
            return LogDelete(ids=read_ids(container, rows))
        case "upsert":
            return _upsert(container, rows)
        case "patch" if container.version == FORMAT_2:
            return LogPatch(ids=read_ids(container, rows), patches=read_blobs(container, "patches", rows))
        case other:
            raise CorruptObject(f"log object of the unknown operation {other!r}")


def _upsert(container: Container, rows: int) -> LogUpsert:
    dimension = count_of(container.attributes, "dimension", most=MAX_DIMENSION)
    raw = section_of(container, "vectors", size=rows * dimension * 4)
    namespaces: tuple[str, ...] = ()
    documents: tuple[bytes, ...] = ()
    if "namespaces" in container.sections:
        try:
            namespaces = tuple(name.decode() for name in read_blobs(container, "namespaces", rows))
        except UnicodeDecodeError as error:
            raise CorruptObject("a namespace is not UTF-8") from error
    if "documents" in container.sections:
        documents = read_blobs(container, "documents", rows)
    condition = _condition(container)
    removed: tuple[str, ...] = ()
    if "removed" in container.sections:
        removed = read_ids(
            container, count_of(container.attributes, "removed", most=_MAX_ROWS), name="removed"
        )
        if condition is not None:
            raise CorruptObject("log object of an upsert that removes ids under a condition")
    return LogUpsert(
        ids=read_ids(container, rows),
        vectors=np.frombuffer(raw, dtype="<f4").reshape(rows, dimension),
        metadata=read_blobs(container, "metadata", rows),
        namespaces=namespaces,
        documents=documents,
        condition=condition,
        removed=removed,
    )


def _condition(container: Container) -> WriteCondition | None:
    match container.attributes.get("condition"):
        case None:
            return None
        case {"kind": "if_absent" | "if_newer_than" as kind, "path": str(path)}:
            return WriteCondition(kind, path)
        case _:
            raise CorruptObject("log object of an unknown condition")


def _selection(container: Container) -> Selection:
    match container.attributes.get("selection"):
        case {"namespace": str() | None as namespace, "prefix": str() | None as prefix, "filter": condition}:
            pass
        case _:
            raise CorruptObject("log object without its selection")
    if condition is not None and not isinstance(condition, dict):
        raise CorruptObject("log object whose filter is no object")
    try:
        return SelectionJson(namespace, prefix, condition).parsed()
    except InvalidInput as error:
        raise CorruptObject(f"log object with a filter that cannot be read: {error.message}") from error
