"""Descriptors as objects: what the bucket says of tenants and datasets, for the day on which the table is gone.

Two lines of JSON. The first has the format and the SHA-256 of the second, which is not parsed before it matches.
Items of the table are kept as they are, so that an attribute which somebody adds needs nothing here; bytes stand
as ``{"$bytes": base64}``. Of secrets there are salted hashes, as in the table.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from shoal.errors import CorruptObject
from shoal.index.checksums import sha256_hex
from shoal.storage.ports import Item

FORMAT = 1
_BYTES = "$bytes"


@dataclass(frozen=True, slots=True)
class OpenImport:
    """An import that was under way: its place in the log, and its id, where that was known."""

    sequence: int
    import_id: str | None


@dataclass(frozen=True, slots=True)
class DatasetDescriptor:
    """A dataset as its table items said at one moment.

    `head` is without leases; `lineage` says of what the dataset is derived, where it is, and `content` what a
    content index selects, or that it is a dataset of documents. Whatever log object was named before `log_since`
    (epoch seconds) is applied or was never accepted; of those named later, `log_applied` are applied.
    """

    written_at: float
    meta: Item
    head: Item
    snapshots: tuple[Item, ...] = ()
    open_imports: tuple[OpenImport, ...] = ()
    log_since: float = 0.0
    log_applied: tuple[str, ...] = ()
    lineage: Item | None = None
    content: Item | None = None

    @property
    def live(self) -> bool:
        """False where the dataset was deleted."""
        return bool(self.head["state"] == "live")


@dataclass(frozen=True, slots=True)
class TenantDescriptor:
    """A tenant with its API keys, as their items said at one moment.

    `aliases` are its names that point elsewhere: those of datasets and of active collections, and its own names of
    models. `histories` say of the first how they were moved; `term_lists` are its lists of terms, and
    `sources` the places that its records may be pulled from.
    """

    written_at: float
    tenant: Item
    keys: tuple[Item, ...] = ()
    aliases: tuple[Item, ...] = ()
    histories: tuple[Item, ...] = ()
    term_lists: tuple[Item, ...] = ()
    sources: tuple[Item, ...] = ()


def encode_dataset(descriptor: DatasetDescriptor) -> bytes:
    """The stored form."""
    return _encode(
        "dataset",
        {
            "written_at": descriptor.written_at,
            "meta": dict(descriptor.meta),
            "head": dict(descriptor.head),
            "snapshots": [dict(item) for item in descriptor.snapshots],
            "open_imports": [[entry.sequence, entry.import_id] for entry in descriptor.open_imports],
            "log_since": descriptor.log_since,
            "log_applied": descriptor.log_applied,
            **({"lineage": dict(descriptor.lineage)} if descriptor.lineage else {}),
            **({"content": dict(descriptor.content)} if descriptor.content else {}),
        },
    )


def decode_dataset(data: bytes) -> DatasetDescriptor:
    """Read the stored form.

    Raises:
        CorruptObject: damaged, or not the descriptor of a dataset.
    """
    return _decode(
        "dataset",
        data,
        lambda body: DatasetDescriptor(
            written_at=float(body["written_at"]),
            meta=_item(body["meta"]),
            head=_item(body["head"]),
            snapshots=tuple(map(_item, body["snapshots"])),
            open_imports=tuple(OpenImport(int(place), name) for place, name in body["open_imports"]),
            log_since=float(body["log_since"]),
            log_applied=tuple(map(str, body["log_applied"])),
            lineage=_item(body["lineage"]) if "lineage" in body else None,
            content=_item(body["content"]) if "content" in body else None,
        ),
    )


def encode_tenant(descriptor: TenantDescriptor) -> bytes:
    """The stored form."""
    body = {
        "written_at": descriptor.written_at,
        "tenant": dict(descriptor.tenant),
        "keys": [dict(item) for item in descriptor.keys],
        "aliases": [dict(item) for item in descriptor.aliases],
        "histories": [dict(item) for item in descriptor.histories],
        "term_lists": [dict(item) for item in descriptor.term_lists],
        "sources": [dict(item) for item in descriptor.sources],
    }
    return _encode("tenant", body)


def decode_tenant(data: bytes) -> TenantDescriptor:
    """Read the stored form.

    Raises:
        CorruptObject: damaged, or not the descriptor of a tenant.
    """
    return _decode(
        "tenant",
        data,
        lambda body: TenantDescriptor(
            written_at=float(body["written_at"]),
            tenant=_item(body["tenant"]),
            keys=tuple(map(_item, body["keys"])),
            aliases=tuple(map(_item, body.get("aliases", ()))),
            histories=tuple(map(_item, body.get("histories", ()))),
            term_lists=tuple(map(_item, body.get("term_lists", ()))),
            sources=tuple(map(_item, body.get("sources", ()))),
        ),
    )


def _encode(kind: str, body: Mapping[str, Any]) -> bytes:
    text = orjson.dumps(body, default=_tagged)
    return orjson.dumps({"format": FORMAT, "kind": kind, "sha256": sha256_hex(text)}) + b"\n" + text + b"\n"


def _decode[T](kind: str, data: bytes, make: Callable[[Any], T]) -> T:
    first, _, rest = data.partition(b"\n")
    text = rest.removesuffix(b"\n")
    try:
        said = orjson.loads(first)
        if said["sha256"] != sha256_hex(text):
            raise CorruptObject(f"descriptor of a {kind}: checksum does not match")
        if (said["format"], said["kind"]) != (FORMAT, kind):
            raise CorruptObject(f"descriptor of format {said['format']!r}, kind {said['kind']!r}")
        return make(orjson.loads(text))
    except (KeyError, TypeError, ValueError, NotBase64) as error:
        raise CorruptObject(f"descriptor of a {kind} cannot be read: {error}") from error


def _tagged(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {_BYTES: b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} in an item")


def _item(value: Any) -> Item:
    if not isinstance(value, dict) or not isinstance(value["pk"], str) or not isinstance(value["sk"], str):
        raise TypeError("not an item")
    return {name: _untagged(each) for name, each in value.items()}


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(each) for each in value]
    if isinstance(value, dict):
        if value.keys() == {_BYTES}:
            return b64decode(value[_BYTES], validate=True)
        return {name: _untagged(each) for name, each in value.items()}
    return value
