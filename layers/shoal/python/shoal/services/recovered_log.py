"""Putting writes into a log again that were accepted, but not applied, when the table was lost.

Their data lies in the bucket under names that say when it was stored, and verify it. A descriptor says which of
them are applied. The others go on behind the watermark in order of time, which is the order that clients saw: one
that has heard of a write before it sends the next has named them in this order.

Among them may be a write of which nobody was told that it is stored, nor that it is not: as with every request
whose answer is lost, it may be applied. Data of refused writes has been removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shoal.errors import CorruptObject, ObjectMissing
from shoal.index.checksums import sha256_hex
from shoal.index.container import unpack
from shoal.index.log_codec import FORMAT, FORMAT_2, KIND
from shoal.index.log_restore import OPERATION, decode_restore
from shoal.model.ids import parse_log_name
from shoal.model.jobs import JobKind
from shoal.services.descriptor_files import DatasetDescriptor
from shoal.services.parallel import in_parallel
from shoal.services.places import aborted_item, job_item
from shoal.services.retry import retry_busy
from shoal.services.roots import read_root
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Item, ObjectHead, Ports

_KINDS = {
    "upsert": JobKind.UPSERT,
    "delete": JobKind.DELETE,
    "delete_where": JobKind.DELETE,
    "patch": JobKind.PATCH,
    OPERATION: JobKind.RESTORE,
}


@dataclass(frozen=True, slots=True)
class Again:
    """What goes into the log again: `items` from the place after the watermark on, up to `last`.

    `writes` counts those that clients sent, `log_bytes` is the length of the log then, `leapt` what its counter
    has to know of places that were never handed out. `damaged` are log objects that cannot be read: their writes
    are lost.
    """

    items: tuple[Item, ...]
    last: int
    writes: int
    log_bytes: int
    leapt: Mapping[str, int] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Write:
    head: ObjectHead
    named_at: float
    sha256: str
    kind: JobKind
    rows: int
    follows_after: int
    """Its place has to come after this one: that of the newest row which a restore brings along."""
    attributes: Mapping[str, str | int]


def log_again(
    ports: Ports, keys: DatasetKeys, descriptor: DatasetDescriptor, open_imports: Sequence[int]
) -> Again:
    """Work out what a dataset's log holds behind the watermark.

    Args:
        ports: where the data of its writes is.
        keys: the dataset.
        descriptor: what is applied.
        open_imports: the places at which imports began that the manifest takes for open: they are ended first.
    """
    applied = frozenset(descriptor.log_applied)
    stored = [(_named_at(head), head) for head in ports.objects.list(keys.log_folder)]
    found = [
        (named_at, head)
        for named_at, head in stored
        if named_at >= descriptor.log_since and head.key.rsplit("/", 1)[-1] not in applied
    ]
    found.sort(key=lambda pair: (pair[0], pair[1].key))
    read = in_parallel(lambda pair: _read(ports, *pair), found)
    writes = [each for each in read if isinstance(each, _Write)]
    last = int(descriptor.head["watermark"])
    length = int(descriptor.head["log_bytes"])
    begun = min([ports.clock(), *(write.named_at for write in writes[:1])])
    items: list[Item] = []
    leapt: dict[str, int] = {}
    for opened in open_imports:
        last += 1
        items.append(
            _item(keys, last, JobKind.IMPORT_END, accepted_at=begun, log_bytes=length, opened=opened)
        )
    for write in writes:
        if write.follows_after > last:
            marker = aborted_item(keys, write.follows_after, now=write.named_at, log_bytes=length)
            items.append({**marker, "follows": last})
            leapt = {"leapt_from": last, "leapt_to": write.follows_after}
            last = write.follows_after
        last += 1
        length += write.head.size
        item = _item(keys, last, write.kind, accepted_at=write.named_at, log_bytes=length, write=write)
        items.append({**item, **write.attributes})
    damaged = tuple(each for each in read if isinstance(each, str))
    return Again(tuple(items), last, len(writes), length, leapt, damaged)


def _named_at(head: ObjectHead) -> float:
    """When the data of a write was named; where its name does not tell, when it was stored."""
    told = parse_log_name(head.key.rsplit("/", 1)[-1])
    return told[0] if told else head.modified_at


def _read(ports: Ports, named_at: float, head: ObjectHead) -> _Write | str:
    """A write; its key, where its data is not what was stored."""
    try:
        data = retry_busy(lambda: ports.objects.get(head.key))
        sha256 = sha256_hex(data)
        told = parse_log_name(head.key.rsplit("/", 1)[-1])
        if told and not sha256.startswith(told[1]):
            return head.key
        attributes = unpack(KIND, data, versions=(FORMAT, FORMAT_2)).attributes
        kind = _KINDS[str(attributes.get("operation"))]
        rows = int(attributes.get("rows", 0))
        if kind is not JobKind.RESTORE:
            removed = int(attributes.get("removed", 0))
            return _Write(head, named_at, sha256, kind, rows, 0, {"removed": removed} if removed else {})
        restore = decode_restore(data)
        names: dict[str, str | int] = {
            "manifest": restore.manifest,
            "manifest_sha256": restore.manifest_sha256,
        }
        root = read_root(ports, restore.manifest, restore.manifest_sha256)
        return _Write(head, named_at, sha256, kind, root.row_count, root.watermark, names)
    except (CorruptObject, ObjectMissing, KeyError):
        return head.key


def _item(
    keys: DatasetKeys, sequence: int, kind: JobKind, *, write: _Write | None = None, **more: Any
) -> Item:
    return job_item(
        keys,
        sequence,
        kind=kind,
        log_key=write.head.key if write else None,
        sha256=write.sha256 if write else None,
        size=write.head.size if write else 0,
        rows=write.rows if write else 0,
        reserved=0,
        **more,
    )
