"""The columns of a Parquet import: which there must be, of which types, and what is wrong where they are not."""

from dataclasses import dataclass

import pyarrow as pa

from shoal.errors import ImportRejected

COLUMNS = ("id", "values", "metadata", "namespace", "document")
"""Those that are read; any other is ignored, as other fields of an NDJSON record are."""
_EXPECTED = {
    "id": "string",
    "values": "list<float>",
    "metadata": "a struct, a map<string, ...> or JSON text",
    "namespace": "string",
    "document": "string",
}
_MAX_DEPTH = 64
_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Schema:
    """What is known of a file's columns.

    `names` are those to read, `texts` the columns of strings among them: metadata is one where it is JSON text.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]


def check_schema(schema: pa.Schema, *, dimension: int) -> Schema:
    """Look at the columns before anything of them is read.

    Raises:
        ImportRejected: naming the column, what it is and what it should be.
    """
    names = [name for name in COLUMNS if schema.get_all_field_indices(name)]
    for name in ("id", "values"):
        if name not in names:
            there = ", ".join(schema.names[:20]) or "none"
            raise ImportRejected(
                f"column {name} is missing: expected {_EXPECTED[name]}; the columns are {_short(there)}"
            )
    for name in names:
        if len(schema.get_all_field_indices(name)) > 1:
            raise ImportRejected(f"column {name} is there more than once")
    types = {name: schema.field(name).type for name in names}
    if not _is_text(types["id"]):
        raise _wrong("id", types["id"])
    _check_values(types["values"], dimension)
    texts = ["id"]
    if "metadata" in types and _is_text(storage_of(types["metadata"])):
        texts.append("metadata")
    elif "metadata" in types:
        _check_metadata(types["metadata"])
    for name in ("namespace", "document"):
        # A column in which all are null has no other type where its writer had nothing to tell it from.
        if name in types and _is_text(types[name]):
            texts.append(name)
        elif name in types and not pa.types.is_null(types[name]):
            raise _wrong(name, types[name])
    return Schema(tuple(names), tuple(texts))


def storage_of(kind: pa.DataType) -> pa.DataType:
    """The type itself, or what it is stored as where it is Parquet's JSON."""
    return kind.storage_type if isinstance(kind, pa.JsonType) else kind


def is_list(kind: pa.DataType) -> bool:
    """Whether values of the type are lists with offsets."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether values of the type are strings, dictionaries not looked into."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_text(kind: pa.DataType) -> bool:
    return is_text(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _check_values(kind: pa.DataType, dimension: int) -> None:
    fixed = pa.types.is_fixed_size_list(kind)
    if not fixed and not is_list(kind):
        raise _wrong("values", kind)
    element = kind.value_type
    numeric = (pa.types.is_floating(element), pa.types.is_integer(element), pa.types.is_decimal(element))
    if not any(numeric):
        raise _wrong("values", kind)
    if fixed and kind.list_size != dimension:
        raise ImportRejected(
            f"column values is {_short(str(kind))}: expected vectors of the dataset's dimension {dimension}"
        )


def _check_metadata(kind: pa.DataType) -> None:
    if not pa.types.is_struct(kind) and not pa.types.is_map(kind):
        raise _wrong("metadata", kind)
    _check_json("metadata", kind, 0)


def _check_json(path: str, kind: pa.DataType, depth: int) -> None:
    """Raise where values of a type have no place in JSON."""
    if depth > _MAX_DEPTH:
        raise ImportRejected("column metadata is nested too deeply")
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        if len(set(names)) != len(names):
            raise ImportRejected(f"column {_short(path)} holds two fields of one name")
        for field in kind:
            _check_json(f"{path}.{field.name}", field.type, depth + 1)
    elif pa.types.is_map(kind):
        if not _is_text(kind.key_type):
            raise ImportRejected(
                f"column {_short(path)} is {_short(str(kind))}: expected keys that are strings"
            )
        _check_json(f"{path}.value", kind.item_type, depth + 1)
    elif is_list(kind) or pa.types.is_fixed_size_list(kind):
        _check_json(f"{path}.element", kind.value_type, depth + 1)
    elif not _is_json_value(kind.value_type if pa.types.is_dictionary(kind) else kind):
        raise ImportRejected(
            f"column {_short(path)} is {_short(str(kind))}, which JSON has no value for: leave it out, or write it"
            " as a string"
        )


def _is_json_value(kind: pa.DataType) -> bool:
    of = pa.types
    return is_text(kind) or any(
        check(kind)
        for check in (
            *(of.is_null, of.is_boolean, of.is_integer, of.is_floating, of.is_decimal),
            *(of.is_timestamp, of.is_date, of.is_time),
        )
    )


def _wrong(name: str, kind: pa.DataType) -> ImportRejected:
    return ImportRejected(f"column {name} is {_short(str(kind))}: expected {_EXPECTED[name]}")


def _short(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."
