"""Patches of metadata: how they are sent, and how they are merged into what is there (RFC 7396)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from shoal.errors import InvalidInput
from shoal.model.limits import MAX_DELETE_IDS, MAX_ID_CHARACTERS, MAX_METADATA_BYTES
from shoal.model.ndjson_lines import (
    BAD_ID,
    BAD_METADATA,
    DEEP_METADATA,
    INVALID_JSON,
    LONG_ID,
    NOT_AN_OBJECT,
)
from shoal.model.parsed_lines import LineError

_BOM = b"\xef\xbb\xbf"
_FIELDS = frozenset({"id", "metadata"})
UNKNOWN_FIELDS = "a patch changes metadata: only id and metadata may be there"
"""Values, say, would be lost without a word."""


@dataclass(frozen=True, slots=True)
class ParsedPatches:
    """The good lines as columns, in order, repeats included, and the bad ones. `patches`: compact JSON objects."""

    ids: tuple[str, ...]
    patches: tuple[bytes, ...]
    errors: tuple[LineError, ...]


class MetadataTooLarge(Exception):
    """What a patch makes of metadata is over the limit; `size` is in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"metadata of {size} bytes")
        self.size = size


def merge_patch(metadata: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What a patch makes of a JSON object; neither input changes.

    Objects are merged member by member, null removes a member, anything else replaces what is there: arrays too.

    Source: https://www.rfc-editor.org/rfc/rfc7396
    """
    merged = dict(metadata)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            before = merged.get(name)
            merged[name] = merge_patch(before if isinstance(before, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def patched(metadata: bytes, patch: bytes) -> bytes:
    """Metadata with a patch merged into it, all compact JSON.

    Raises:
        MetadataTooLarge: the result is over `MAX_METADATA_BYTES`.
    """
    merged = orjson.dumps(merge_patch(orjson.loads(metadata), orjson.loads(patch)))
    if len(merged) > MAX_METADATA_BYTES:
        raise MetadataTooLarge(len(merged))
    return merged


def parse_patches(body: bytes) -> ParsedPatches:
    """Parse NDJSON lines `{"id", "metadata"}`; blank ones are skipped but counted.

    Raises:
        InvalidInput: `invalid_ndjson`: no line at all, or not UTF-8; `too_many_ids`.
    """
    ids: list[str] = []
    patches: list[bytes] = []
    errors: list[LineError] = []
    for number, line in enumerate(body.removeprefix(_BOM).split(b"\n"), start=1):
        if not line.strip():
            continue
        found = _judged(line)
        if isinstance(found, str):
            errors.append(LineError(number, found))
            continue
        ids.append(found[0])
        patches.append(found[1])
        if len(ids) > MAX_DELETE_IDS:
            raise InvalidInput("too_many_ids", f"a patch takes at most {MAX_DELETE_IDS} records")
    if not ids and not errors:
        raise InvalidInput("invalid_ndjson", "Empty NDJSON body")
    if any(error.reason == INVALID_JSON for error in errors):
        try:
            body.decode()
        except UnicodeDecodeError:
            raise InvalidInput("invalid_ndjson", "body must be UTF-8") from None
    return ParsedPatches(tuple(ids), tuple(patches), tuple(errors))


def _judged(line: bytes) -> tuple[str, bytes] | str:
    """Id and patch of a line, or the reason why it is not one."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return INVALID_JSON
    if type(record) is not dict:
        return NOT_AN_OBJECT
    if not record.keys() <= _FIELDS:
        return UNKNOWN_FIELDS
    record_id = record.get("id")
    if type(record_id) is not str or not record_id:
        return BAD_ID
    if len(record_id) > MAX_ID_CHARACTERS:
        return LONG_ID
    patch = encoded_patch(record.get("metadata"))
    return (record_id, patch) if isinstance(patch, bytes) else patch


def encoded_patch(patch: object) -> bytes | str:
    """A patch as compact JSON, or the reason why it is not one."""
    if type(patch) is not dict:
        return BAD_METADATA
    try:
        encoded = orjson.dumps(patch)
    except orjson.JSONEncodeError:
        return DEEP_METADATA
    if len(encoded) > MAX_METADATA_BYTES:
        return f"metadata too large: got {len(encoded)} bytes expected at most {MAX_METADATA_BYTES}"
    return encoded
